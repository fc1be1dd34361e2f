/** `duo-ts check`: whether the next login works, and whether somebody gets around Duo. */
import { Command } from 'commander';
import { checkMachine } from '../check/check.ts';
import type { Finding, Level } from '../check/finding.ts';
import { tryLogin } from './try-login.ts';

const ENGINE = '/usr/libexec/duo-ts/duo-ts';
const SIGNS: Readonly<Record<Level, string>> = { ok: 'ok     ', warning: 'WARNING', error: 'ERROR  ' };
const CODES: Readonly<Record<Level, number>> = { ok: 0, warning: 1, error: 2 };

interface Options {
  readonly json?: true;
  readonly user: string;
  readonly addr: string;
  readonly login?: string;
  readonly service: string;
}

function print(findings: readonly Finding[]): void {
  for (const { level, area, text, fix } of findings)
    process.stdout.write(
      `${SIGNS[level]} ${area}: ${text}\n${fix === undefined ? '' : `          ${fix}\n`}`,
    );
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
  process.stdout.write(`\n${count('error')} errors, ${count('warning')} warnings.\n`);
}

async function check({ json, user, addr, login, service }: Options): Promise<void> {
  if (process.geteuid?.() !== 0) {
    process.stderr.write('duo-ts check: only root can read the configuration: sudo duo-ts check\n');
    process.exitCode = 2;
    return;
  }
  if (login !== undefined) {
    process.exitCode = (await tryLogin(login, service, addr)) ? 0 : 2;
    return;
  }
  const progress = (part: string) => {
    if (process.stderr.isTTY && json === undefined) process.stderr.write(`\r\x1b[KChecking ${part} …`);
  };
  const findings = await checkMachine({ engine: ENGINE, user, addr, progress });
  if (process.stderr.isTTY && json === undefined) process.stderr.write('\r\x1b[K');
  if (json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else print(findings);
  process.exitCode = Math.max(0, ...findings.map(({ level }) => CODES[level]));
}

export function checkCommand(): Command {
  return new Command('check')
    .description('Check configuration, Duo, engine, PAM stacks, sshd and sudo. Changes nothing.')
    .option('--json', 'print the findings as JSON')
    .option('--user <name>', "read sshd's configuration for this user", 'root')
    .option('--addr <address>', 'and for a client at this address', '192.0.2.1')
    .option('--login <user>', 'make one real login through the real stack instead, and show each step')
    .option('--service <name>', 'the PAM service of that login', 'sshd')
    .addHelpText(
      'after',
      '\nExit status: 0 nothing found, 1 warnings, 2 errors.\n\nExample: duo-ts check --user alice --addr 192.0.2.7',
    )
    .action(check);
}
