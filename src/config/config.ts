/** Parses a configuration file into a complete, frozen Config, so that no other code checks for missing fields. */

import type { Secret } from '../lib/secret.ts';
import { Channel, Priority } from '../login/messages.ts';
import type { GroupList } from './groups.ts';
import { readIni } from './ini.ts';
import { DenyingValue, defaults, InvalidValue, options, type Settings } from './options.ts';

/** Every setting of pam_duo.conf(5) and login_duo.conf(5). */
export interface Config {
  /** API host name, without a port. */
  readonly host: string;
  readonly port: number;
  readonly ikey: string;
  /** Undefined: it is in skeyFile. */
  readonly skey: Secret | undefined;
  /** Absolute path, or `%d/NAME` for a credential of systemd's; undefined: skey is in the configuration. */
  readonly skeyFile: string | undefined;
  /** Absolute path of a PEM file of certificate authorities that replaces Duo's; undefined: Duo's own. */
  readonly cafile: string | undefined;
  readonly noverify: boolean;
  /** The system's certificate authorities replace Duo's. Excludes cafile; noverify takes precedence. */
  readonly disableCaPinning: boolean;
  /** The lowest TLS version. */
  readonly minTls: 'TLSv1.2' | 'TLSv1.3';
  /** `[http://][user:password@]host[:port][/]`: a secret, since it can hold a password. */
  readonly httpProxy: Secret | undefined;
  /** The users who need Duo, by their groups; empty: everybody. */
  readonly groups: readonly GroupList[];
  readonly failmode: Failmode;
  readonly pushinfo: boolean;
  /** The number of attempts: 1 to 3. */
  readonly prompts: number;
  readonly autopush: boolean;
  readonly verifiedPush: boolean;
  /** PAM services that show messages after the login; with `!`, ones that do not. */
  readonly holdBack: readonly string[];
  readonly acceptEnvFactor: boolean;
  readonly fallbackLocalIp: boolean;
  /** Seconds to wait for a reply; 0: no limit but the login's deadline. */
  readonly httpsTimeout: number;
  /** The GECOS field is the Duo user name. gecosUsernamePos implies this. */
  readonly sendGecos: boolean;
  readonly gecosDelim: string;
  /** Which part of the GECOS field is the Duo user name, from 1; undefined: with sendGecos, the whole field. */
  readonly gecosUsernamePos: number | undefined;
  readonly motd: boolean;
  /** `json`: each login also logs its record, see login/record.ts. */
  readonly audit: 'none' | 'json';
  /** Absolute path of a file with the Duo names of accounts; undefined: none. */
  readonly usernameMap: string | undefined;
  /** Types of security keys that count as the second factor of an sshd login. */
  readonly trustedKeys: readonly string[];
  /** Milliseconds for which an approval holds in its session, or for its key; 0: none is remembered. */
  readonly remember: number;
  /** The PAM services that a remembered approval passes. */
  readonly rememberFor: readonly string[];
  /** An approved password login counts also for the keyboard-interactive step of the same connection. */
  readonly pushOnce: boolean;
}

/** The result when Duo is unreachable: `safe` lets the user in, `secure` does not. */
export type Failmode = 'safe' | 'secure';

/** A line to log, in order. */
export interface Notice {
  readonly priority: Priority;
  readonly text: string;
  readonly channel: Channel;
}

export type ParsedConfig =
  | { readonly ok: true; readonly config: Config; readonly notices: readonly Notice[] }
  | {
      /** The content cannot be used. */
      readonly ok: false;
      /** The login is denied, whatever failmode says. */
      readonly denies: boolean;
      /** The file's failmode, wherever it stands in the file. */
      readonly failmode: Failmode;
      readonly notices: readonly Notice[];
    };

export interface ConfigSource {
  /** The path, for messages. */
  readonly path: string;
  /** Selects the wording and channel of messages. */
  readonly program: 'pam' | 'login_duo';
}

/** Reads a configuration. Never throws: the notices name the errors, without any secret value. */
export function parseConfig(text: string, { path, program }: ConfigSource): ParsedConfig {
  const notices: Notice[] = [];
  const say = (priority: Priority, message: string, channel: Channel = Channel.log) => {
    notices.push({ priority, text: message, channel });
  };
  const complain = (message: string) =>
    say(Priority.error, message, program === 'pam' ? Channel.log : Channel.stderr);

  const settings: Settings = defaults();
  const entries = [...readIni(text)];
  const secrets = entries.flatMap(({ name = '', value }) => (SECRETS.has(name) ? [value] : []));
  let firstError: number | undefined;
  let denies = false;
  for (const { line, name, value } of entries) {
    const option = options.get(name ?? '');
    if (option === undefined && name) {
      const shown = repeatable(name, secrets);
      say(Priority.warning, `Unknown option '${shown}' in ${path}, line ${line}; it is ignored`);
      continue;
    }
    try {
      if (option === undefined) throw new InvalidValue();
      const notice = option(settings, value);
      if (notice !== undefined) say(Priority.error, notice);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      firstError ??= line;
      denies ||= error instanceof DenyingValue;
      if (error.message !== '') {
        const message = error.message.replaceAll(`'${value}'`, () => `'${repeatable(value, secrets)}'`);
        // An error that denies every login must appear in the log.
        if (error instanceof DenyingValue) complain(message);
        else say(Priority.error, message, Channel.stderr);
      }
      if (name === undefined) continue;
      complain(`Invalid ${program === 'pam' ? 'pam_duo' : 'login_duo'} option: '${name}'`);
    }
  }
  const { host, ikey, skey, skeyFile } = settings;
  // A file that was cut off while it was written looks like this. It must not let anybody in.
  const keyless = skey === undefined && skeyFile === undefined;
  const empty = host === '' && ikey === '' && keyless;
  const failmode = failmodeOf(text, settings);
  const failed: ParsedConfig = { ok: false, denies: denies || empty, failmode, notices };
  if (firstError !== undefined) complain(`Parse error in ${path}, line ${firstError}`);
  if (empty) {
    complain(
      `Missing host, ikey, or skey in ${path}; none of them is set, so every login is denied: restore the file or set them`,
    );
  }
  if (firstError !== undefined || empty) return failed;
  if (host === '' || ikey === '' || keyless) {
    complain(`Missing host, ikey, or skey in ${path}`);
    return failed;
  }
  if (skey !== undefined && skeyFile !== undefined) {
    complain(`skey and skey_file cannot both be set in ${path}`);
    return { ...failed, denies: true };
  }
  if (settings.autopush && settings.verifiedPush) {
    complain(`autopush and verified_push cannot both be enabled in ${path}`);
    return failed;
  }
  if (settings.disableCaPinning && settings.cafile !== undefined) {
    complain(`disable_ca_pinning and cafile cannot both be set in ${path}`);
    return failed;
  }
  return { ok: true, config: Object.freeze(settings), notices };
}

/** Options whose values are secret. */
const SECRETS: ReadonlySet<string> = new Set(['skey', 'http_proxy']);

/**
 * What a message may show of the file. A secret that ended up in another option, by an indented line or a typing error,
 * is still a secret.
 */
function repeatable(value: string, secrets: readonly string[]): string {
  const secret =
    /[A-Za-z0-9]{20}|@|(?:skey|proxy|passw)\S*\s*[=:\s]/i.test(value) ||
    secrets.some(
      (known) => (known.length >= 4 && value.includes(known)) || (value.length >= 8 && known.includes(value)),
    );
  return secret ? '[not shown]' : value;
}

/**
 * The failmode of a file with an error. An indented failmode line belongs to another option, but it shows the
 * intention.
 */
function failmodeOf(text: string, { failmode }: Settings): Failmode {
  return /^[ \t]+failmode[ \t]*[=:](?![ \t]*safe[ \t\r]*$)/m.test(text) ? 'secure' : failmode;
}
