/** sshd's effective configuration: whether it asks PAM, and who gets past. */
import { Findings } from './finding.ts';
import { readText, runProgram, statusOf } from './machine.ts';

/** The time that a login with Duo may take. */
const LOGIN_SECONDS = 110;

export interface CheckedSshd {
  readonly findings: Findings;
  /** Configurations of login_duo that sshd's commands use. */
  readonly loginDuo: boolean;
}

/**
 * @param asksDuo whether sshd's PAM stack does
 * @param trustsKeys whether a configuration has trusted_keys
 * @param who of `sshd -T -C`, such as `user=alice,addr=192.0.2.7`
 */
export function checkSshd(
  asksDuo: boolean,
  who: { user: string; addr: string },
  trustsKeys = false,
): CheckedSshd {
  const findings = new Findings('sshd');
  const run = runProgram('sshd', '-T', '-C', `user=${who.user},host=${who.addr},addr=${who.addr}`);
  if (run === undefined) return { findings, loginDuo: false };
  if (/privilege separation directory/.test(run.stderr)) {
    findings.ok('sshd-not-running', 'sshd does not run, so its configuration is not checked');
    return { findings, loginDuo: false };
  }
  if (run.status !== 0) {
    findings.error(
      'sshd-invalid',
      `sshd refuses its configuration: ${run.stderr.trim().split('\n')[0]}`,
      'Correct it before sshd is restarted: sshd -t',
    );
    return { findings, loginDuo: false };
  }
  const values = new Map<string, string>();
  for (const line of run.stdout.split('\n')) {
    const [name = '', ...value] = line.split(' ');
    if (!values.has(name)) values.set(name, value.join(' '));
  }
  const is = (name: string, value: string) => values.get(name) === value;
  const loginDuo = checkForceCommand(values, findings);
  if (asksDuo) {
    if (!is('usepam', 'yes'))
      findings.error(
        'usepam',
        'sshd does not use PAM, so it never asks Duo',
        'Set UsePAM yes in sshd_config.',
      );
    checkMethods(values, findings, who.user);
    if (trustsKeys && !/touch-required|verify-required/.test(values.get('pubkeyauthoptions') ?? ''))
      findings.error(
        'touch-not-required',
        'trusted_keys is set, but users can exempt their keys from a touch (no-touch-required in authorized_keys)',
        'Set PubkeyAuthOptions touch-required in sshd_config.',
      );
    const grace = Number(values.get('logingracetime'));
    if (grace > 0 && grace < LOGIN_SECONDS)
      findings.warn(
        'grace-time',
        `sshd ends a login after ${grace} seconds; one with Duo may take ${LOGIN_SECONDS}`,
        'Set LoginGraceTime 120 in sshd_config.',
      );
  }
  const problems = findings.list.length;
  const version = /OpenSSH_(\d+\.\d+)/.exec(runProgram('ssh', '-V')?.stderr ?? '')?.[1];
  if (version !== undefined) {
    const late =
      Number(version) < 10.3 ? ' shows messages only after the login, so codes are part of a prompt' : '';
    findings.ok('openssh', `OpenSSH ${version}${late}`);
  }
  if (problems === 0) findings.ok('sshd', `sshd's configuration has no way around Duo for ${who.user}`);
  return { findings, loginDuo };
}

function checkMethods(values: ReadonlyMap<string, string>, findings: Findings, user: string): void {
  const yes = (name: string) => values.get(name) === 'yes';
  const methods = (values.get('authenticationmethods') ?? 'any').trim();
  const keyboard = yes('kbdinteractiveauthentication');
  const ways = methods === 'any' ? undefined : methods.split(/\s+/).map((way) => way.split(','));
  const asks = (way: readonly string[]) =>
    way.some((method) => /^(?:keyboard-interactive|password)(?::|$)/.test(method));
  if (ways !== undefined) {
    const past = ways.filter((way) => !asks(way));
    if (past.length > 0)
      findings.error(
        'methods',
        `AuthenticationMethods lets ${user} in without PAM: ${past.map((way) => way.join(',')).join(' ')}`,
        'Add keyboard-interactive to each way: publickey,keyboard-interactive',
      );
  } else {
    for (const [name, what] of [
      ['pubkeyauthentication', 'keys'],
      ['hostbasedauthentication', 'hosts'],
      ['gssapiauthentication', 'Kerberos tickets'],
    ] as const)
      if (yes(name))
        findings.warn(
          name,
          `Logins with ${what} do not ask Duo`,
          'Set AuthenticationMethods, for example publickey,keyboard-interactive: see docs/sshd.md.',
        );
    if (!keyboard && !yes('passwordauthentication'))
      findings.warn(
        'never-asked',
        'sshd allows no method that asks PAM, so it never asks Duo',
        'Set KbdInteractiveAuthentication yes.',
      );
  }
  const byPassword = ways === undefined ? yes('passwordauthentication') : ways.flat().includes('password');
  if (byPassword && yes('passwordauthentication'))
    findings.warn(
      'password-method',
      'With the method `password` sshd cannot show Duo’s question: Duo sends a push without asking',
      'Set PasswordAuthentication no and KbdInteractiveAuthentication yes.',
    );
}

/** @returns whether sshd runs login_duo */
function checkForceCommand(values: ReadonlyMap<string, string>, findings: Findings): boolean {
  const [program = ''] = (values.get('forcecommand') ?? 'none').split(/\s/);
  if (!/\/login_duo(?:_ts)?$/.test(program)) return false;
  if (statusOf(program) === undefined)
    findings.error(
      'force-command-missing',
      `ForceCommand ${program} does not exist, so nobody logs in`,
      'Install login-duo-ts, or correct the path.',
    );
  const open = [
    'allowtcpforwarding',
    'allowstreamlocalforwarding',
    'x11forwarding',
    'allowagentforwarding',
  ].filter((name) => (values.get(name) ?? 'no') !== 'no');
  if ((values.get('disableforwarding') ?? 'no') !== 'yes' && open.length > 0)
    findings.warn(
      'forwarding',
      `sshd forwards connections before login_duo asks Duo (${open.join(', ')})`,
      'Set DisableForwarding yes beside ForceCommand.',
    );
  const tunnel = values.get('permittunnel') ?? 'no';
  if (tunnel !== 'no')
    findings.warn('tunnel', 'sshd opens tunnels before login_duo asks Duo', 'Set PermitTunnel no.');
  const status = statusOf(program);
  const setuid = status !== undefined && (status.mode & 0o4000) !== 0;
  if (status !== undefined && program.endsWith('_ts') && !setuid)
    findings.error(
      'login-duo-not-setuid',
      `${program} is not setuid root, so it cannot read its configuration for users`,
      `chown root ${program} && chmod 4755 ${program}`,
    );
  return readText(program) !== undefined || status !== undefined;
}
