/** `duo-ts simulate`: a simulated Duo on this machine. */
import { readFileSync, writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import * as v from 'valibot';
import { CERTIFICATE_KINDS, type CertificateKind } from '../simulator/certificates.ts';
import { Fault, type Fault as FaultInput } from '../simulator/faults.ts';
import { startSimulator } from '../simulator/simulator.ts';
import { Users, type UsersInput } from '../simulator/users.ts';

interface Settings {
  readonly address: string;
  readonly port: number;
  readonly phonePort: number;
  readonly users?: UsersInput;
  readonly caFile?: string;
  readonly certificate: CertificateKind;
  readonly fault: readonly { readonly call: string; readonly fault: FaultInput }[];
}

export function simulateCommand(): Command {
  return new Command('simulate')
    .description(
      'Run a simulated Duo: the Auth API v2 (signature versions 2, 4 and 5) and the REST API v1 over TLS, and a phone page to approve logins and activate enrolments on.',
    )
    .addHelpText('after', '\nExample: duo-ts simulate --users users.json')
    .option('--address <address>', 'where to listen', '127.0.0.1')
    .option('--port <port>', 'port of the API', portOf, 8443)
    .option('--phone-port <port>', 'port of the phone page', portOf, 8080)
    .option('--users <file>', 'JSON file of users, instead of the examples', usersOf)
    .option('--ca-file <file>', 'write the certificate authority here, for cafile in pam_duo.conf')
    .addOption(
      new Option('--certificate <kind>', "the server's certificate")
        .choices(CERTIFICATE_KINDS)
        .default('good'),
    )
    .option(
      '--fault <call=kind[:detail]>',
      'let a call go wrong: drop, hang, delay:MS, status:CODE, garbage, truncated, huge; * is every call',
      faultOf,
      [],
    )
    .action((settings: Settings) => simulate(settings));
}

async function simulate(settings: Settings): Promise<void> {
  const simulator = await startSimulator({
    address: settings.address,
    port: settings.port,
    phonePort: settings.phonePort,
    certificate: settings.certificate,
    ...(settings.users === undefined ? {} : { users: settings.users }),
  });
  for (const { call, fault } of settings.fault) simulator.service.faults.add(call, fault);
  if (settings.caFile !== undefined) writeFileSync(settings.caFile, simulator.ca);
  const lines = Object.entries(simulator.service.users).map(
    ([name, { status, passcodes }]) =>
      `#   ${name}: ${status}${passcodes.length > 0 ? `, passcodes ${passcodes.join(' ')}` : ''}`,
  );
  process.stdout.write(
    `# Simulated Duo. Phone page: ${simulator.phoneUrl}\n# Users:\n${lines.join('\n')}\n# A configuration for it:\n` +
      simulator.config(settings.caFile ?? '/path/to/ca.pem (see --ca-file)'),
  );
  simulator.service.on('call', ({ call, form }) =>
    process.stdout.write(`# ${call}${form.username === undefined ? '' : ` ${form.username}`}\n`),
  );
  const stop = () => void simulator.close().then(() => process.exit(0));
  process.once('SIGINT', stop).once('SIGTERM', stop);
}

function portOf(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('A port is 0 to 65535.');
  return port;
}

function usersOf(path: string): UsersInput {
  try {
    const users = v.safeParse(Users, JSON.parse(readFileSync(path, 'utf8')));
    if (users.success) return users.output;
    const issue = users.issues[0];
    throw new InvalidArgumentError(`${v.getDotPath(issue) ?? 'The file'}: ${issue.message}`);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function faultOf(text: string, before: Settings['fault']): Settings['fault'] {
  const [, call, kind, detail] = /^([a-z_*]+)=([a-z]+)(?::(\d+))?$/.exec(text) ?? [];
  const number = Number(detail);
  const fault = v.safeParse(Fault, {
    kind,
    ...(kind === 'delay' ? { ms: number } : {}),
    ...(kind === 'status' ? { status: number } : {}),
  });
  if (call === undefined || !fault.success)
    throw new InvalidArgumentError('A fault is such as preauth=status:503.');
  return [...before, { call, fault: fault.output }];
}
