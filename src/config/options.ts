/** Every option of the configuration: its name, how its value is read, and its default. */
import { parseHost } from '../duo/host.ts';
import { Secret } from '../lib/secret.ts';
import type { Config } from './config.ts';
import { parseGroups } from './groups.ts';

const MAX_GROUPS = 256;
const MAX_PROMPTS = 3;
const LONGEST_REMEMBER = 24 * 3_600_000;

/** A configuration that may be incomplete. */
export type Settings = { -readonly [K in keyof Config]: Config[K] };

/** The option cannot have this value. A message goes to standard error. */
export class InvalidValue extends Error {
  override readonly name = 'InvalidValue';
}

/** The value cannot be used, and every login is denied, whatever failmode says. */
export class DenyingValue extends InvalidValue {}

/** Parses one value into the settings. Returns a line for the log, if any. */
type Option = (settings: Settings, value: string) => string | undefined;

export function defaults(): Settings {
  return {
    host: '',
    port: 443,
    ikey: '',
    skey: undefined,
    skeyFile: undefined,
    cafile: undefined,
    noverify: false,
    disableCaPinning: false,
    minTls: 'TLSv1.2',
    httpProxy: undefined,
    groups: [],
    failmode: 'safe',
    pushinfo: false,
    prompts: MAX_PROMPTS,
    autopush: false,
    verifiedPush: false,
    holdBack: [],
    acceptEnvFactor: false,
    fallbackLocalIp: false,
    httpsTimeout: 0,
    sendGecos: false,
    gecosDelim: ',',
    gecosUsernamePos: undefined,
    motd: false,
    audit: 'none',
    usernameMap: undefined,
    trustedKeys: [],
    remember: 0,
    rememberFor: [],
    pushOnce: false,
  };
}

/** An option that changes settings and logs nothing. */
const set =
  (read: (value: string, settings: Settings) => Partial<Settings>): Option =>
  (settings, value) => {
    Object.assign(settings, read(value, settings));
    return undefined;
  };

type Flag = { [K in keyof Settings]: Settings[K] extends boolean ? K : never }[keyof Settings];

const flag = (name: Flag): Option => set((value) => ({ [name]: /^(?:yes|true|on|1)$/.test(value) }));

const groups: Option = set((value, settings) => {
  const lists = [...settings.groups, ...parseGroups(value)];
  if (lists.length > MAX_GROUPS) throw new InvalidValue(`Exceeded max ${MAX_GROUPS} groups`);
  return { groups: lists };
});

const deprecated =
  (text: string): Option =>
  () =>
    text;

/** All options by name. */
export const options: ReadonlyMap<string, Option> = new Map<string, Option>([
  ['host', set(readHost)],
  ['ikey', set((value) => ({ ikey: value }))],
  ['skey', set((value) => ({ skey: value === '' ? undefined : new Secret(value) }))],
  [
    'skey_file',
    set((value) => ({ skeyFile: /^%d\/[\w.-]+$/.test(value) ? value : path('skey_file', value) })),
  ],
  ['cafile', set((value) => ({ cafile: path('cafile', value) }))],
  ['disable_ca_pinning', flag('disableCaPinning')],
  ['min_tls', set(readMinTls)],
  ['http_proxy', set((value) => ({ httpProxy: value === '' ? undefined : new Secret(value) }))],
  ['groups', groups],
  ['group', groups],
  ['failmode', set(readFailmode)],
  ['pushinfo', flag('pushinfo')],
  ['noverify', flag('noverify')],
  ['prompts', set((value) => ({ prompts: Math.max(1, Math.min(MAX_PROMPTS, integer(value))) }))],
  ['autopush', flag('autopush')],
  ['accept_env_factor', flag('acceptEnvFactor')],
  ['fallback_local_ip', flag('fallbackLocalIp')],
  ['https_timeout', set((value) => ({ httpsTimeout: Math.max(0, integer(value)) }))],
  ['send_gecos', flag('sendGecos')],
  ['gecos_delim', set(readGecosDelim)],
  ['gecos_username_pos', set(readGecosPosition)],
  ['verified_push', flag('verifiedPush')],
  ['hold_back', set((value, { holdBack }) => ({ holdBack: [...holdBack, ...words(value)] }))],
  ['motd', flag('motd')],
  ['audit', set(readAudit)],
  ['username_map', set((value) => ({ usernameMap: path('username_map', value) }))],
  ['trusted_keys', set((value, { trustedKeys }) => ({ trustedKeys: [...trustedKeys, ...keyTypes(value)] }))],
  ['remember', set((value) => ({ remember: duration(value) }))],
  ['remember_for', set((value, { rememberFor }) => ({ rememberFor: [...rememberFor, ...words(value)] }))],
  ['push_once', flag('pushOnce')],
  [
    'gecos_parsed',
    deprecated(
      'The gecos_parsed configuration item for Duo Unix is deprecated and no longer has any effect. ' +
        'Use gecos_delim and gecos_username_pos instead',
    ),
  ],
  [
    'dev_fips_mode',
    deprecated(
      'The dev_fips_mode configuration item for Duo Unix is deprecated and no longer has any effect',
    ),
  ],
]);

/** A number as atoi(3) reads it: leading digits count, anything else is 0. */
function integer(value: string): number {
  const digits = /^[+-]?\d{1,9}/.exec(value)?.[0];
  return digits === undefined ? 0 : Number(digits);
}

function readHost(value: string): Partial<Settings> {
  const place = parseHost(value);
  if (place === undefined) throw new InvalidValue(`Invalid host: '${value}'`);
  return place;
}

/** The caller of a setuid program (su) chooses its working directory, so relative paths are refused. */
function path(name: string, value: string): string {
  if (!value.startsWith('/'))
    throw new DenyingValue(`Invalid ${name}: '${value}' (must be an absolute path)`);
  return value;
}

function words(value: string): string[] {
  return value.split(/[\s,]+/).filter(Boolean);
}

/** Keys of other types need no touch. */
function keyTypes(value: string): string[] {
  for (const type of words(value)) {
    if (!/^(?:webauthn-)?sk-[a-z0-9-]+@openssh\.com$/.test(type))
      throw new DenyingValue(
        `Invalid trusted_keys: '${type}' (must be a type of security keys, sk-…@openssh.com)`,
      );
  }
  return words(value);
}

function duration(value: string): number {
  const [, count, unit = ''] = /^(\d{1,5}) ?([smh])$/.exec(value) ?? [];
  const ms = Number(count) * ({ s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN);
  if (!(ms <= LONGEST_REMEMBER))
    throw new DenyingValue(`Invalid remember: '${value}' (must be like 30m, at most 24h)`);
  return ms;
}

function readMinTls(value: string): Partial<Settings> {
  switch (/^(?:TLSv)?(1\.[23])$/i.exec(value)?.[1]) {
    case '1.2':
      return { minTls: 'TLSv1.2' };
    case '1.3':
      return { minTls: 'TLSv1.3' };
    default:
      throw new InvalidValue(`Invalid min_tls: '${value}' (must be 1.2 or 1.3)`);
  }
}

function readAudit(value: string): Partial<Settings> {
  if (value !== 'json' && value !== 'none')
    throw new InvalidValue(`Invalid audit: '${value}' (must be json or none)`);
  return { audit: value };
}

function readFailmode(value: string, settings: Settings): Partial<Settings> {
  if (value !== 'safe' && value !== 'secure') {
    // An invalid failmode was not meant to let everybody in.
    settings.failmode = 'secure';
    throw new InvalidValue(`Invalid failmode: '${value}'`);
  }
  return { failmode: value };
}

function readGecosDelim(value: string): Partial<Settings> {
  if (Buffer.byteLength(value) !== 1) {
    throw new InvalidValue(
      `Invalid character option length. Character fields must be 1 character long: '${value}'`,
    );
  }
  if (!/^[!-/:-@[-`{-~]$/.test(value) || value === ':') {
    throw new InvalidValue(`Invalid gecos_delim '${value}' (delimiter must be punctuation other than ':')`);
  }
  return { gecosDelim: value };
}

function readGecosPosition(value: string): Partial<Settings> {
  const position = integer(value);
  if (position < 1) throw new InvalidValue('Gecos position starts at 1');
  return { gecosUsernamePos: position };
}
