/** A configuration file: its owner and mode, what it says, and what that means for logins. */
import { type Config, type ConfigSource, parseConfig } from '../config/config.ts';
import { parseUsernameMap, UsernameMapError } from '../config/username-map.ts';
import { OwnedFileError, readOwned } from '../lib/owned-file.ts';
import { allNegated, wildcardMatches } from '../policy/groups.ts';
import { Findings } from './finding.ts';
import { canRead, ENGINE_USERS, hasUser, namesOf, readText, runProgram, statusOf } from './machine.ts';

export interface CheckedConfig {
  readonly path: string;
  /** Undefined: every login is denied, or failmode decides. */
  readonly config: Config | undefined;
  readonly findings: Findings;
}

export function checkConfiguration(path: string, program: ConfigSource['program']): CheckedConfig {
  const findings = new Findings('configuration');
  const text = readable(path, findings);
  if (text === undefined) return { path, config: undefined, findings };
  const parsed = parseConfig(text, { path, program });
  for (const notice of parsed.notices) {
    const unknown = notice.text.startsWith('Unknown option');
    if (unknown) findings.warn('unknown-option', notice.text, 'Correct the spelling, or remove the line.');
    else if (parsed.ok) findings.warn('suspicious-value', notice.text, `Correct the value in ${path}.`);
    else findings.error('invalid-configuration', notice.text, `Correct ${path}: see pam_duo_ts.conf(5).`);
  }
  if (!parsed.ok) {
    if (parsed.notices.length === 0)
      findings.error('incomplete', `${path} lacks host, ikey or skey`, 'Copy them from the Duo admin panel.');
    return { path, config: undefined, findings };
  }
  const { config } = parsed;
  meaning(path, config, findings);
  if (findings.list.length === 0) findings.ok('configuration', `${path} is complete`);
  return { path, config, findings };
}

/** The file's text, if a login would read it. */
function readable(path: string, findings: Findings): string | undefined {
  const status = statusOf(path);
  if (status === undefined) {
    findings.error(
      'no-configuration',
      `${path} does not exist, so every login is denied`,
      `Create ${path}: see pam_duo_ts.conf(5).`,
    );
    return undefined;
  }
  if (!status.isFile()) {
    findings.error('not-a-file', `${path} is not a regular file, so it is not read`, 'Replace it by a file.');
    return undefined;
  }
  if (status.uid !== 0) {
    findings.error(
      'wrong-owner',
      `${path} belongs to uid ${status.uid}, so it is not read`,
      `chown root ${path}`,
    );
  }
  if ((status.mode & 0o077) !== 0) {
    const mode = (status.mode & 0o7777).toString(8).padStart(4, '0');
    findings.error(
      'wrong-mode',
      `${path} has mode ${mode}, so it is not read: others could read skey`,
      `chmod 600 ${path}; if others could read it, get a new skey from Duo`,
    );
  }
  return findings.list.length > 0 ? undefined : readText(path);
}

function meaning(path: string, config: Config, findings: Findings): void {
  findings.ok(
    'failmode',
    config.failmode === 'safe'
      ? 'failmode = safe: while Duo is unreachable, users log in without it'
      : 'failmode = secure: while Duo is unreachable, nobody who needs Duo logs in',
  );
  if (config.noverify)
    findings.error(
      'noverify',
      `${path}: noverify lets anybody on the network pretend to be Duo`,
      'Remove noverify.',
    );
  if (config.cafile !== undefined && !config.noverify) checkCafile(config.cafile, findings);
  for (const user of config.skeyFile?.startsWith('/') ? ENGINE_USERS : [])
    checkReadable('skey-file-unreadable', config.skeyFile ?? '', user, findings);
  if (config.usernameMap !== undefined) checkUsernameMap(config.usernameMap, findings);
  if (config.remember > 0 && config.rememberFor.length === 0)
    findings.warn(
      'remember-nothing',
      `${path}: remember has no effect without remember_for`,
      'Set remember_for, for example to sudo.',
    );
  checkGroups(path, config, findings);
  if (config.sendGecos && usersEditGecos())
    findings.warn(
      'gecos-editable',
      'The Duo user name comes from the GECOS field, part of which users can change with chfn',
      "Remove 'f' from CHFN_RESTRICT in /etc/login.defs, or do not use send_gecos.",
    );
}

function checkCafile(path: string, findings: Findings): void {
  const status = statusOf(path);
  const text = readText(path);
  if (status === undefined || text === undefined) {
    findings.error(
      'no-cafile',
      `cafile ${path} does not exist, so every login fails`,
      'Correct cafile, or remove it: Duo’s authorities are built in.',
    );
    return;
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    findings.error(
      'empty-cafile',
      `cafile ${path} holds no certificate`,
      'Put a PEM certificate there, or remove cafile.',
    );
  if (status.uid !== 0 || (status.mode & 0o022) !== 0)
    findings.error(
      'writable-cafile',
      `cafile ${path} can be changed by others than root, who could then pretend to be Duo`,
      `chown root ${path} && chmod 644 ${path}`,
    );
  else if ((status.mode & 0o004) === 0)
    findings.error(
      'unreadable-cafile',
      `cafile ${path} is not readable by the engine's users`,
      `chmod 644 ${path}`,
    );
}

function checkReadable(id: string, path: string, user: string, findings: Findings): void {
  if (!canRead(user, path))
    findings.error(
      id,
      `${path} is not readable by the engine's user ${user}, so its logins are denied`,
      `setfacl -m user:${user}:r ${path}, and let ${user} enter its directory`,
    );
}

function checkUsernameMap(path: string, findings: Findings): void {
  try {
    const map = parseUsernameMap(readOwned(path), path);
    const names = [...map].map(([account, name]) =>
      name === '!' ? `${account}: denied` : `${account}: ${name}`,
    );
    findings.ok('username-map', `${path}: ${names.join(', ')}`);
    for (const account of map.keys())
      if (account !== '*' && !hasUser(account))
        findings.warn(
          'username-map-unknown',
          `${path} names ${account}, which is no account of this machine`,
          'Correct the name.',
        );
  } catch (error) {
    if (!(error instanceof OwnedFileError || error instanceof UsernameMapError)) throw error;
    const what = error instanceof OwnedFileError ? `${path} can't be used (${error.message})` : error.message;
    findings.error(
      'username-map',
      `${what}, so every login is denied`,
      'Correct it: see pam_duo_ts.conf(5).',
    );
    return;
  }
  for (const user of ENGINE_USERS) checkReadable('username-map-unreadable', path, user, findings);
}

function checkGroups(path: string, { groups }: Config, findings: Findings): void {
  if (allNegated(groups)) {
    findings.error(
      'groups-all-negated',
      `${path}: groups has only exceptions, so Duo asks nobody`,
      'Write groups = *,!NAME to ask everybody else.',
    );
    return;
  }
  if (groups.length === 0) return;
  const names = namesOf('group');
  for (const { pattern } of groups.flat()) {
    if (!names.some((name) => wildcardMatches(pattern, name)))
      findings.warn(
        'group-unknown',
        `${path}: groups names '${pattern}', but no group of this machine matches it`,
        'Correct the name. Groups are compared with upper and lower case.',
      );
  }
}

/** Whether chfn lets users change a part of their GECOS field. */
function usersEditGecos(): boolean {
  const restrict = /^\s*CHFN_RESTRICT\s+(\S+)/m.exec(readText('/etc/login.defs') ?? '')?.[1];
  const allowed = restrict === 'yes' ? 'rwh' : restrict === 'no' ? 'frwh' : (restrict ?? '');
  return allowed !== '' && runProgram('chfn', '--help') !== undefined;
}
