/** `duo-ts support`: what a ticket needs, from a list of what may be shown. */
import { globSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { checkMachine } from '../check/check.ts';
import { runProgram } from '../check/machine.ts';
import { readIni } from '../config/ini.ts';
import { RELEASE } from '../lib/release.ts';
import { describeConfig } from './conf.ts';
import { readText } from './replace-file.ts';

const ENGINE = '/usr/libexec/duo-ts/duo-ts';
const CONFIGS = ['/etc/duo/pam_duo.conf', '/etc/duo/login_duo.conf'];
const LINES = 200;
/** Log lines about logins with Duo. */
const OURS = /pam_duo|login_duo|duo-ts/;
/** The keys of sshd's configuration that matter; others can name users and hosts. */
const SSHD = new Set([
  'usepam',
  'kbdinteractiveauthentication',
  'passwordauthentication',
  'pubkeyauthentication',
  'hostbasedauthentication',
  'gssapiauthentication',
  'authenticationmethods',
  'logingracetime',
  'forcecommand',
  'disableforwarding',
  'permittunnel',
  'allowtcpforwarding',
  'permitrootlogin',
  'usedns',
]);

function output(program: string, ...args: string[]): string {
  const run = runProgram(program, ...args);
  return run === undefined ? `${program} is not installed` : `${run.stdout}${run.stderr}`.trim();
}

function stacks(): string {
  return globSync('/etc/pam.d/*')
    .map((path) => ({ path, text: readText(path) ?? '' }))
    .filter(({ path, text }) => /pam_duo/.test(text) || /common-auth|system-auth|password-auth/.test(path))
    .map(({ path, text }) => `${path}:\n${text.replace(/^\s*#.*\n/gm, '')}`)
    .join('\n');
}

/** The last lines about logins. */
function log(): string {
  const journal = runProgram(
    'journalctl',
    '--no-pager',
    '--lines=20000',
    '--output=short-iso',
    '--facility=10',
  );
  const sources = [
    journal?.status === 0 ? journal.stdout : undefined,
    readText('/var/log/auth.log'),
    readText('/var/log/secure'),
  ];
  const text = sources.find((source) => source !== undefined && OURS.test(source)) ?? '';
  return text
    .split('\n')
    .filter((line) => OURS.test(line))
    .slice(-LINES)
    .join('\n');
}

/** Replaces every secret of the configurations, wherever it stands. */
function withoutSecrets(text: string): string {
  const secrets = CONFIGS.flatMap((path) =>
    [...readIni(readText(path) ?? '')]
      .filter(({ name, value }) => (name === 'skey' || name === 'http_proxy') && value.length >= 4)
      .map(({ value }) => value),
  );
  return secrets.reduce((shown, secret) => shown.replaceAll(secret, '[not shown]'), text);
}

async function support({ output: path }: { readonly output: string }): Promise<void> {
  if (process.geteuid?.() !== 0) {
    process.stderr.write('duo-ts support: only root can read what it needs: sudo duo-ts support\n');
    process.exitCode = 2;
    return;
  }
  const findings = await checkMachine({
    engine: ENGINE,
    user: 'root',
    addr: '192.0.2.1',
    progress: () => {},
  });
  const sshd = output('sshd', '-T')
    .split('\n')
    .filter((line) => SSHD.has(line.split(' ')[0] ?? ''));
  const sections: Readonly<Record<string, string>> = {
    release: `duo-ts ${RELEASE}, Node ${process.versions.node}`,
    system: [output('uname', '-srm'), readText('/etc/os-release') ?? ''].join('\n'),
    programs: [output('ssh', '-V'), output('sudo', '-V').split('\n')[0] ?? ''].join('\n'),
    check: findings.map(({ level, area, id, text }) => `${level} ${area} ${id}: ${text}`).join('\n'),
    configuration: CONFIGS.flatMap((each) => describeConfig(each, readText(each) ?? '')).join('\n'),
    stacks: stacks(),
    sshd: sshd.join('\n'),
    units: output('systemctl', 'status', '--no-pager', '--lines=0', 'duo-ts.socket', 'duo-ts.service'),
    log: log(),
  };
  const text = Object.entries(sections)
    .map(([name, content]) => `===== ${name} =====\n${content.trim()}\n`)
    .join('\n');
  const shown = withoutSecrets(text);
  if (path === '-') process.stdout.write(shown);
  else {
    writeFileSync(path, shown, { mode: 0o600, flag: 'wx' });
    process.stdout.write(
      `Wrote ${path}. It has host names, user names and addresses from the log: read it before you send it.\n`,
    );
  }
}

export function supportCommand(): Command {
  return new Command('support')
    .description(
      'Write versions, stacks, the result of `check`, sshd settings and log lines into a file for a ticket.',
    )
    .option(
      '--output <file>',
      'a new file, or - for standard output',
      `/root/duo-ts-support-${new Date().toISOString().slice(0, 10)}.txt`,
    )
    .addHelpText('after', '\nExample: duo-ts support --output - | less')
    .action(support);
}
