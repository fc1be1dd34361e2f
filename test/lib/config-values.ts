/**
 * The effect of configuration lines, here and in Duo's own client (Debian's 1.11.3). The unit test reads
 * the table with our parser; a host test runs that client on the same files.
 */

export interface Row {
  /** The lines after BASE, from line 6 on. */
  readonly lines: string;
  /** The lines are the whole file. */
  readonly whole?: true;
  /**
   * login_duo's messages about the file, and the result of root's login: `IKEY as USER` is a request to
   * Duo, `let in` and `denied` are logins without Duo.
   */
  readonly ours: readonly string[];
  /** The same for Duo's client, where it differs. */
  readonly theirs?: readonly string[];
}

export const GECOS = 'one/two;three|four,five';

/** HOST and CA are a service that both clients can reach, and its authority. */
export const BASE = '[duo]\nhost = HOST\nskey = never-to-be-seen\ncafile = CA\nikey = BASE\n';

const SOME = 'skey = never-to-be-seen\ncafile = CA\n';
const PARSE = 'Parse error in F, line 6';
const MISSING = 'Missing host, ikey, or skey in F';
const HANDLE = "[3] Couldn't open Duo API handle for 'root'";
const NOTHING =
  'Missing host, ikey, or skey in F; none of them is set, so every login is denied: restore the file or set them';
const POSITION = 'Gecos position starts at 1';
const LENGTH = 'Invalid character option length. Character fields must be 1 character long:';
const invalid = (name: string) => `Invalid login_duo option: '${name}'`;
const unknown = (name: string, line = 6) => `[4] Unknown option '${name}' in F, line ${line}; it is ignored`;

/** Lines that set an ikey, and the resulting ikey. */
const ikeys: readonly [lines: string, ours: string, theirs?: string][] = [
  ['', 'BASE'],
  // Comments
  ['ikey = X ; comment', 'X'],
  ['ikey = X\t;comment', 'X'],
  ['ikey = X\v;comment', 'X'],
  ['ikey = X;Y', 'X;Y'],
  ['ikey = X;Y ;Z ;comment', 'X;Y'],
  ['ikey = ; X', '; X'],
  ['ikey = ;X', ';X'],
  ['ikey =;X', ';X'],
  ['ikey =; X', '; X'],
  ['ikey = ; X ; comment', '; X'],
  ['ikey = X # Y', 'X # Y'],
  ['ikey = #X', '#X'],
  ['; ikey = X\n# ikey = Y', 'BASE'],
  // White space, quotation marks, separators
  ['ikey=X', 'X'],
  ['ikey \t =\t X \t', 'X'],
  ['ikey = X Y', 'X Y'],
  ['ikey = \u00a0X', '\u00a0X'],
  ['ikey = "X"', '"X"'],
  ["ikey = 'X Y'", "'X Y'"],
  ['ikey = a=b:c', 'a=b:c'],
  // Continuations
  ['ikey = X\n  Y', 'Y'],
  ['ikey = X\n\n\tY', 'Y'],
  ['ikey = X\n  ; comment\n  Y', 'Y'],
  ['ikey = X\n  Y ; comment', 'Y', 'Y ; comment'],
  ['ikey = X\n  # comment', 'X', '# comment'],
  ['ikey = X\n  ikey = Y', 'ikey = Y'],
  // Sections, and the ends of lines
  ['[other]\nikey = X', 'X'],
  ['[duo] ; comment\nikey = X', 'X'],
  ['[duo]comment\nikey = X', 'X'],
  ['[ duo ]\n  ikey = X', 'X'],
  ['[]\nikey = X', 'X'],
  ['ikey = X\r\nprompts = 1\r\n', 'X'],
  ['ikey = X\nikey = Y', 'Y'],
];

/** Lines that change the user name sent to Duo. */
const users: readonly [lines: string, user: string][] = [
  ...['yes', 'true', 'on', '1', 'yes ; comment'].map((value): [string, string] => [
    `send_gecos = ${value}`,
    GECOS,
  ]),
  ...['no', '', '2', 'y', 'Yes', 'TRUE', 'yesno', 'yes;comment', '; yes', '"yes"'].map(
    (value): [string, string] => [`send_gecos = ${value}`, 'root'],
  ),
  ['send_gecos = yes\nsend_gecos = no', 'root'],
  ['gecos_username_pos = 1', 'one/two;three|four'],
  ['gecos_username_pos = 2', 'five'],
  ['gecos_username_pos = +2', 'five'],
  ['gecos_username_pos = 2x', 'five'],
  ['gecos_username_pos = 9', 'root'],
  ['gecos_delim = /\ngecos_username_pos = 2', 'two;three|four,five'],
  ['gecos_delim = ;\ngecos_username_pos = 2', 'three|four,five'],
  ['gecos_delim =;\ngecos_username_pos = 2', 'three|four,five'],
  ['gecos_delim = ; ; comment\ngecos_username_pos = 2', 'three|four,five'],
  ['gecos_delim = | ; comment\ngecos_username_pos = 2', 'four,five'],
];

/** Invalid values of options. */
const badValues: readonly [name: string, value: string, sentence: string][] = [
  ['gecos_delim', 'ab', `${LENGTH} 'ab'`],
  ['gecos_delim', ';;', `${LENGTH} ';;'`],
  ['gecos_delim', '; comment', `${LENGTH} '; comment'`],
  ['gecos_delim', '', `${LENGTH} ''`],
  ...['a', ':', '7'].map((delim): [string, string, string] => [
    'gecos_delim',
    delim,
    `Invalid gecos_delim '${delim}' (delimiter must be punctuation other than ':')`,
  ]),
  ['gecos_username_pos', '0', POSITION],
  ['gecos_username_pos', 'x', POSITION],
  ['gecos_username_pos', '', POSITION],
  ['gecos_username_pos', '; 1', POSITION],
];

const groups: readonly [lines: string, ours: string, theirs?: string][] = [
  ['groups = root', 'BASE as root'],
  ['groups = nobody', 'let in'],
  ['group = nobody', 'let in'],
  ['groups =', 'BASE as root'],
  ['groups = nobody ; root', 'let in'],
  ['groups = nobody\n  root', 'BASE as root'],
  ['groups = nobody\ngroup = root', 'BASE as root'],
  ['groups = *,!root', 'let in'],
  ['groups = ro?t,!x', 'BASE as root'],
  ['groups = ,', 'BASE as root', 'let in'],
  ['groups = ;', 'BASE as root', 'let in'],
  ['groups = ; nobody', 'BASE as root', 'let in'],
  ['groups = nobody\ngroups = ; root', 'let in', 'BASE as root'],
];

export const ROWS: readonly Row[] = [
  ...ikeys.map(([lines, ours, theirs]) => ({
    lines,
    ours: [`${ours} as root`],
    ...(theirs === undefined ? {} : { theirs: [`${theirs} as root`] }),
  })),
  ...users.map(([lines, user]) => ({ lines, ours: [`BASE as ${user}`] })),
  ...badValues.map(([name, value, sentence]) => ({
    lines: `${name} = ${value}`,
    ours: [sentence, invalid(name), PARSE, 'let in'],
  })),
  ...groups.map(([lines, ours, theirs]) => ({
    lines,
    ours: [ours],
    ...(theirs === undefined ? {} : { theirs: [theirs] }),
  })),
  // An invalid failmode counts as secure here.
  ...['x', 'Safe', '', 'safe;comment', '; secure'].map((value) => {
    const sentences = [`Invalid failmode: '${value}'`, invalid('failmode'), PARSE];
    return { lines: `failmode = ${value}`, ours: [...sentences, 'denied'], theirs: [...sentences, 'let in'] };
  }),
  { lines: 'failmode = secure ; comment', ours: ['BASE as root'] },
  { lines: 'failmode = secure\nnonsense', ours: ['Parse error in F, line 7', 'denied'] },
  // The colon is a separator of later versions.
  { lines: 'ikey: X', ours: ['X as root'], theirs: [PARSE, 'let in'] },
  {
    lines: 'ikey : a=b',
    ours: ['a=b as root'],
    theirs: [invalid('ikey : a'), PARSE, 'let in'],
  },
  // Invalid lines
  ...['nonsense', 'ikey', 'ikey ;= X', '[duo', '[ ;]', ']'].map((lines) => ({
    lines,
    ours: [PARSE, 'let in'],
  })),
  { lines: '= X', ours: [invalid(''), PARSE, 'let in'] },
  { lines: ':', ours: [invalid(''), PARSE, 'let in'], theirs: [PARSE, 'let in'] },
  // Unknown options
  {
    lines: 'nosuch = 1',
    ours: [unknown('nosuch'), 'BASE as root'],
    theirs: [invalid('nosuch'), PARSE, 'let in'],
  },
  { lines: 'IKEY = X', ours: [unknown('IKEY'), 'BASE as root'], theirs: [invalid('IKEY'), PARSE, 'let in'] },
  {
    lines: '; x\na = 1\nb = 2\nikey = X',
    ours: [unknown('a', 7), unknown('b', 8), 'X as root'],
    theirs: [invalid('a'), 'Parse error in F, line 7', 'let in'],
  },
  // Values of the host
  { lines: 'host = HOST ; comment', ours: ['BASE as root'] },
  ...['https://HOST', 'HOST/', '; comment'].map((value) => ({
    lines: `host = ${value}`,
    ours: [`Invalid host: '${value}'`, invalid('host'), PARSE, 'let in'],
    theirs: ['let in'],
  })),
  // Trusted authorities
  { lines: 'cafile = CA ; comment', ours: ['BASE as root'] },
  {
    lines: 'cafile = /nowhere',
    ours: [`${HANDLE}: cafile /nowhere can't be read (ENOENT)`, 'denied'],
    theirs: [HANDLE, 'denied'],
  },
  ...(
    [
      ['', ['BASE as root']],
      ['; comment', [HANDLE, 'denied']],
      ['"CA"', [HANDLE, 'denied']],
      ['nowhere.pem', [HANDLE, 'denied']],
      // The file exists in the working directory.
      ['ca.pem', ['BASE as root']],
    ] as const
  ).map(([value, theirs]) => ({
    lines: `cafile = ${value}`,
    ours: [`Invalid cafile: '${value}' (must be an absolute path)`, invalid('cafile'), PARSE, 'denied'],
    theirs,
  })),
  { lines: 'noverify = yes\ncafile = /nowhere', ours: ['BASE as root'] },
  // An invalid proxy is not used.
  { lines: 'http_proxy =', ours: ['BASE as root'], theirs: ['let in'] },
  // Files without required options
  ...['host', 'ikey', 'skey'].map((name) => ({
    lines: `${name} =`,
    ours: [MISSING, 'let in'],
  })),
  { lines: '[duo]\nhost = HOST\n', whole: true, ours: [MISSING, 'let in'] },
  { lines: '[duo]\nhost = HOST\nfailmode = secure\n', whole: true, ours: [MISSING, 'denied'] },
  ...[
    '',
    '\n',
    ' \n\t\n',
    '[duo]\n',
    '; x\n# y\n',
    '[duo]\nhost =\nikey =\nskey =\n',
    '[duo]\nfailmode = safe\n',
  ].map((lines) => ({ lines, whole: true as const, ours: [NOTHING, 'denied'], theirs: [MISSING, 'let in'] })),
  {
    lines: '[duo]\nfailmode = secure\n',
    whole: true,
    ours: [NOTHING, 'denied'],
    theirs: [MISSING, 'denied'],
  },
  {
    lines: '[duo',
    whole: true,
    ours: ['Parse error in F, line 1', NOTHING, 'denied'],
    theirs: ['Parse error in F, line 1', 'let in'],
  },
  // Beginnings of files
  { lines: `host = HOST\n${SOME}ikey = X\n`, whole: true, ours: ['X as root'] },
  { lines: `  host = HOST\n${SOME}ikey = X\n`, whole: true, ours: ['X as root'] },
  {
    lines: `\ufeff[duo]\nhost = HOST\n${SOME}ikey = X\n`,
    whole: true,
    ours: ['X as root'],
    theirs: ['Parse error in F, line 1', 'let in'],
  },
  // Lines may have any length here; Duo's client reads the rest of a long one as another line.
  {
    lines: `groups = root${' x'.repeat(200)}\nikey = X`,
    ours: ['X as root'],
    theirs: ['Parse error in F, line 8', 'let in'],
  },
  // Deprecated options
  {
    lines: 'gecos_parsed = yes',
    ours: [
      '[3] The gecos_parsed configuration item for Duo Unix is deprecated and no longer has any effect. ' +
        'Use gecos_delim and gecos_username_pos instead',
      'BASE as root',
    ],
  },
];

/** Values of `prompts`, and the resulting number of prompts. */
export const PROMPTS: readonly [value: string, times: number][] = [
  ['1', 1],
  ['2', 2],
  ['3', 3],
  ['4', 3],
  ['0', 1],
  ['-7', 1],
  ['2x', 2],
  ['many', 1],
  ['', 1],
  ['2 ; comment', 2],
  ['; 2', 1],
];
