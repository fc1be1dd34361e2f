/** sudo's rules: who gets past PAM. */
import { Findings } from './finding.ts';
import { readText, runProgram, statusOf } from './machine.ts';

/** The parts of cvtsudoers' output that matter here. */
interface Option {
  readonly [name: string]: unknown;
}
interface Sudoers {
  readonly Defaults?: readonly { readonly Options?: readonly Option[] }[];
  readonly User_Specs?: readonly {
    readonly User_List?: readonly Record<string, unknown>[];
    readonly Cmnd_Specs?: readonly { readonly Options?: readonly Option[] }[];
  }[];
}

/** Minutes for which sudo asks neither password nor Duo; worth a warning. */
const LONG_MINUTES = 60;

/** Where sudo looks for plugins. */
const PLUGINS = '/usr/libexec/sudo/';

/** The approval plugin, if sudo.conf names it: it asks Duo about every command, so the rules do not matter. */
function checkPlugin(name: string, asksDuo: boolean): Findings {
  const findings = new Findings('sudo');
  const path = name.startsWith('/') ? name : `${PLUGINS}${name}`;
  if (statusOf(path) === undefined)
    findings.error(
      'plugin-missing',
      `/etc/sudo.conf names ${path}, which does not exist, so sudo refuses everything`,
      'Install pam-duo-ts, or remove the line from /etc/sudo.conf.',
    );
  else findings.ok('plugin', "sudo's approval plugin asks Duo about each command");
  if (asksDuo)
    findings.warn(
      'plugin-and-stack',
      'Commands with a password ask Duo twice: by the stack of sudo, and by the approval plugin',
      'duo-ts pam disable sudo',
    );
  return findings;
}

/** @param asksDuo whether sudo's PAM stack does */
export function checkSudo(asksDuo: boolean): Findings {
  const plugin = /^[ \t]*Plugin[ \t]+duo_ts_approval[ \t]+(\S+)/m.exec(readText('/etc/sudo.conf') ?? '')?.[1];
  if (plugin !== undefined) return checkPlugin(plugin, asksDuo);
  const findings = new Findings('sudo');
  if (!asksDuo) return findings;
  const run = runProgram('cvtsudoers', '-f', 'json', '/etc/sudoers');
  if (run === undefined) return findings;
  if (run.status !== 0) {
    findings.error(
      'sudoers-invalid',
      `sudo refuses its configuration: ${run.stderr.trim().split('\n')[0]}`,
      'visudo -c',
    );
    return findings;
  }
  const rules: Sudoers = JSON.parse(run.stdout);
  for (const { Options = [] } of rules.Defaults ?? []) {
    for (const option of Options) {
      const minutes = Number(option['timestamp_timeout']);
      if (minutes < 0 || minutes > LONG_MINUTES)
        findings.warn(
          'timestamp-timeout',
          minutes < 0
            ? 'sudo asks once and never again until the machine restarts (timestamp_timeout < 0)'
            : `sudo asks again only after ${minutes} minutes`,
          'Set timestamp_timeout to 5 in sudoers.',
        );
      if (option['authenticate'] === false)
        findings.error(
          'not-authenticate',
          'sudo asks neither for a password nor Duo (!authenticate)',
          'Remove !authenticate from sudoers.',
        );
      if (option['timestamp_type'] === 'global')
        findings.warn(
          'timestamp-global',
          'One approved sudo counts for all terminals of the user (timestamp_type=global)',
          'Set timestamp_type=tty in sudoers.',
        );
      if (typeof option['pam_service'] === 'string' && option['pam_service'] !== 'sudo')
        findings.warn(
          'pam-service',
          `sudo asks the PAM service '${option['pam_service']}', not 'sudo'`,
          'Enable Duo for that service, or remove pam_service.',
        );
    }
  }
  const passwordless = (rules.User_Specs ?? []).flatMap(({ User_List = [], Cmnd_Specs = [] }) =>
    Cmnd_Specs.some(({ Options = [] }) => Options.some((option) => option['authenticate'] === false))
      ? User_List.flatMap((user) => Object.values(user).map(String))
      : [],
  );
  if (passwordless.length > 0)
    findings.warn(
      'nopasswd',
      `These run commands without password and Duo (NOPASSWD): ${[...new Set(passwordless)].join(', ')}`,
      'Remove NOPASSWD where a second factor is wanted.',
    );
  if (findings.list.length === 0) findings.ok('sudo', "sudo's rules have no way around Duo");
  return findings;
}
