/** Every option of a configuration and how it is read, and every message about an invalid one. */
import test from 'ava';
import fc from 'fast-check';
import { type Config, type ConfigSource, parseConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/lib/secret.ts';
import { Channel, Priority } from '../../src/login/messages.ts';

const BASE = '[duo]\nhost = api-1.duosecurity.com\nikey = DI1\nskey = never-to-be-seen\n';
const PAM: ConfigSource = { path: '/etc/duo/pam_duo.conf', program: 'pam' };
const LOGIN_DUO: ConfigSource = { path: '/etc/duo/login_duo.conf', program: 'login_duo' };

/** The configuration of BASE and `more`, with secrets readable. @throws Error when it is invalid */
function read(more: string, base = BASE) {
  const parsed = parseConfig(base + more, PAM);
  if (!parsed.ok) throw new Error(parsed.notices.map(({ text }) => text).join('; '));
  const { skey, httpProxy, ...rest } = parsed.config;
  return { ...rest, skey: skey?.reveal(), httpProxy: httpProxy?.reveal() };
}

type Read = ReturnType<typeof read>;

/** Log lines as `[priority] text`, and the texts on standard error. */
function said(text: string, source: ConfigSource): string[] {
  return parseConfig(text, source).notices.map(({ priority, text: line, channel }) =>
    channel === Channel.stderr ? line : `[${priority}] ${line}`,
  );
}

test('defaults', (t) => {
  t.deepEqual(read(''), {
    host: 'api-1.duosecurity.com',
    port: 443,
    ikey: 'DI1',
    skey: 'never-to-be-seen',
    cafile: undefined,
    noverify: false,
    disableCaPinning: false,
    minTls: 'TLSv1.2',
    httpProxy: undefined,
    groups: [],
    failmode: 'safe',
    pushinfo: false,
    prompts: 3,
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
    skeyFile: undefined,
    usernameMap: undefined,
    trustedKeys: [],
    remember: 0,
    rememberFor: [],
    pushOnce: false,
  });
});

test('a configuration is immutable', (t) => {
  const parsed = parseConfig(BASE, PAM);
  t.true(parsed.ok && Object.isFrozen(parsed.config));
});

const FLAGS: Readonly<Record<string, keyof Config>> = {
  pushinfo: 'pushinfo',
  noverify: 'noverify',
  disable_ca_pinning: 'disableCaPinning',
  autopush: 'autopush',
  verified_push: 'verifiedPush',
  accept_env_factor: 'acceptEnvFactor',
  fallback_local_ip: 'fallbackLocalIp',
  send_gecos: 'sendGecos',
  motd: 'motd',
};
for (const [option, key] of Object.entries(FLAGS)) {
  test(`${option} is true for yes, true, on and 1, and for nothing else`, (t) => {
    for (const value of ['yes', 'true', 'on', '1']) t.true(read(`${option} = ${value}\n`)[key], value);
    for (const value of ['no', 'false', 'off', '0', '', '2', 'Yes', 'TRUE', 'yes!', 'y']) {
      t.false(read(`${option} = ${value}\n`)[key], value);
    }
    t.false(read(`${option} = yes\n${option} = no\n`)[key], 'the last one wins');
  });
}

const OPTIONS: readonly [string, Partial<Read>][] = [
  ['host = Duo.Example.TEST', { host: 'duo.example.test', port: 443 }],
  ['host = duo.example.test:8443', { host: 'duo.example.test', port: 8443 }],
  ['host = 192.0.2.1:1', { host: '192.0.2.1', port: 1 }],
  ['host = [2001:db8::1]:8443', { host: '2001:db8::1', port: 8443 }],
  ['host = [2001:db8::1]', { host: '2001:db8::1', port: 443 }],
  ['host = a:1\nhost = b', { host: 'b', port: 443 }],
  ['ikey = A\nikey = B', { ikey: 'B' }],
  ['skey = A\nskey = B', { skey: 'B' }],
  ['cafile = /etc/ca.pem', { cafile: '/etc/ca.pem' }],
  ['cafile = /a\ncafile = /b', { cafile: '/b' }],
  ['min_tls = 1.3', { minTls: 'TLSv1.3' }],
  ['http_proxy = http://u:p@proxy.test:3128/', { httpProxy: 'http://u:p@proxy.test:3128/' }],
  ['http_proxy =', { httpProxy: undefined }],
  ['failmode = safe', { failmode: 'safe' }],
  ['failmode = secure', { failmode: 'secure' }],
  ['failmode = secure\nfailmode = safe', { failmode: 'safe' }],
  ['prompts = 1', { prompts: 1 }],
  ['prompts = 2', { prompts: 2 }],
  ['prompts = 3', { prompts: 3 }],
  ['prompts = 4', { prompts: 3 }],
  ['prompts = 99999999999999999999', { prompts: 3 }],
  ['prompts = 0', { prompts: 1 }],
  ['prompts = -7', { prompts: 1 }],
  ['prompts = many', { prompts: 1 }],
  ['prompts = 2x', { prompts: 2 }],
  ['https_timeout = 10', { httpsTimeout: 10 }],
  ['https_timeout = 0', { httpsTimeout: 0 }],
  ['https_timeout = -1', { httpsTimeout: 0 }],
  ['gecos_delim = /', { gecosDelim: '/' }],
  ['gecos_delim =;', { gecosDelim: ';' }],
  ['gecos_delim = ;', { gecosDelim: ';' }],
  ['gecos_username_pos = 1', { gecosUsernamePos: 1 }],
  ['gecos_username_pos = 12', { gecosUsernamePos: 12 }],
];
for (const [lines, expected] of OPTIONS) {
  test(`read: ${JSON.stringify(lines)}`, (t) => t.like(read(`${lines}\n`), expected));
}

const list = (...patterns: string[]) =>
  patterns.map((pattern) => ({ negated: pattern.startsWith('!'), pattern: pattern.replace(/^!/, '') }));
const GROUPS: readonly [string, Read['groups']][] = [
  ['groups = wheel', [list('wheel')]],
  ['group = wheel', [list('wheel')]],
  ['groups = wheel,!staff adm*', [list('wheel', '!staff'), list('adm*')]],
  ['groups = domain\\ users,!domain\\ admins', [list('domain users', '!domain admins')]],
  ['groups = a\ngroup = b\ngroups = c', [list('a'), list('b'), list('c')]],
  ['groups = a\n  b,c\n\td', [list('a'), list('b', 'c'), list('d')]],
  ['groups =', []],
  ['groups = , ! ,!', []],
  ['groups = ; wheel', []],
  ['groups = a\ngroups = ;b', [list('a')]],
  ['groups = a,,b', [list('a', 'b')]],
];
for (const [lines, expected] of GROUPS) {
  test(`read: ${JSON.stringify(lines)}`, (t) => t.deepEqual(read(`${lines}\n`).groups, expected));
}

test('at most 256 lists of groups are accepted', (t) => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => `g${index}`).join(' ');
  t.is(read(`groups = ${names(256)}\n`).groups.length, 256);
  t.deepEqual(said(`${BASE}groups = ${names(257)}\n`, PAM), [
    'Exceeded max 256 groups',
    "[3] Invalid pam_duo option: 'groups'",
    '[3] Parse error in /etc/duo/pam_duo.conf, line 5',
  ]);
});

const FORMS: readonly [string, string, Partial<Read>][] = [
  ['a colon', 'ikey: X', { ikey: 'X' }],
  ['no white space', 'ikey=X', { ikey: 'X' }],
  ['much white space', 'ikey \t =\t  X\t ', { ikey: 'X' }],
  ['a comment behind', 'ikey = X ; remark', { ikey: 'X' }],
  ['a tab before the comment', 'ikey = X\t;remark', { ikey: 'X' }],
  ['a semicolon without white space', 'ikey = X;Y', { ikey: 'X;Y' }],
  ['a semicolon right behind the equals sign', 'ikey =;Y', { ikey: ';Y' }],
  ['a semicolon that begins the value', 'ikey = ; Y ; Z', { ikey: '; Y' }],
  ['a hash is no comment behind a value', 'ikey = X # Y', { ikey: 'X # Y' }],
  ['an equals sign in the value', 'ikey = a=b:c', { ikey: 'a=b:c' }],
  ['comment lines', '; ikey = A\n# ikey = B\n  ; ikey = C\n\t# D', { ikey: 'DI1' }],
  ['a continuation', 'ikey = A\n  B', { ikey: 'B' }],
  [
    'a continuation behind a comment line',
    'groups = a\n  ; x\n  # y\n\n  b',
    { groups: [list('a'), list('b')] },
  ],
  ['a continuation with a comment behind', 'ikey = A\n  B ; C', { ikey: 'B' }],
  ['other sections', '[other]\nikey = X\n[duo]\nmotd = yes', { ikey: 'X', motd: true }],
  ['a section with a comment', '[duo] ; x\nikey = X', { ikey: 'X' }],
  ['lines of DOS', 'ikey = X\r\nmotd = yes\r', { ikey: 'X', motd: true }],
  ['no newline at the end', 'ikey = X', { ikey: 'X' }],
  ['a space that only Unicode knows', 'ikey = \u00a0X\u2003', { ikey: '\u00a0X\u2003' }],
];
for (const [name, lines, expected] of FORMS) {
  test(`form: ${name}`, (t) => t.like(read(lines), expected));
}

test('form: a byte order mark, and an indented first line', (t) => {
  t.is(read('', `\uFEFF${BASE}`).ikey, 'DI1');
  t.is(read('', `  motd = yes\n${BASE}`).motd, true);
});

/**
 * Every message, in order, where lines 1 to 4 are those of BASE. `P` is the program's name, `C` its
 * channel.
 */
const SENTENCES: readonly [string, readonly string[]][] = [
  ['nonsense = 1', ["[4] Unknown option 'nonsense' in F, line 5; it is ignored"]],
  ['nonsense', ['C Parse error in F, line 5']],
  ['[duo', ['C Parse error in F, line 5']],
  ['[duo ;]', ['C Parse error in F, line 5']],
  ['ikey ;= x', ['C Parse error in F, line 5']],
  ['= x', ["C Invalid P option: ''", 'C Parse error in F, line 5']],
  [
    '\n; x\nx = 1\n\ny = 2',
    [
      "[4] Unknown option 'x' in F, line 7; it is ignored",
      "[4] Unknown option 'y' in F, line 9; it is ignored",
    ],
  ],
  [
    'gecos_delim = ab',
    [
      "Invalid character option length. Character fields must be 1 character long: 'ab'",
      "C Invalid P option: 'gecos_delim'",
      'C Parse error in F, line 5',
    ],
  ],
  [
    'gecos_delim = ; x',
    [
      "Invalid character option length. Character fields must be 1 character long: '; x'",
      "C Invalid P option: 'gecos_delim'",
      'C Parse error in F, line 5',
    ],
  ],
  ...['a', ':', '7'].map((char): [string, string[]] => [
    `gecos_delim = ${char}`,
    [
      `Invalid gecos_delim '${char}' (delimiter must be punctuation other than ':')`,
      "C Invalid P option: 'gecos_delim'",
      'C Parse error in F, line 5',
    ],
  ]),
  ...['0', '-1', 'first'].map((position): [string, string[]] => [
    `gecos_username_pos = ${position}`,
    ['Gecos position starts at 1', "C Invalid P option: 'gecos_username_pos'", 'C Parse error in F, line 5'],
  ]),
  [
    'failmode = open',
    ["Invalid failmode: 'open'", "C Invalid P option: 'failmode'", 'C Parse error in F, line 5'],
  ],
  [
    'failmode = Secure',
    ["Invalid failmode: 'Secure'", "C Invalid P option: 'failmode'", 'C Parse error in F, line 5'],
  ],
  [
    'host = duo.example.test:0',
    ["Invalid host: 'duo.example.test:0'", "C Invalid P option: 'host'", 'C Parse error in F, line 5'],
  ],
  [
    'min_tls = 1.1',
    [
      "Invalid min_tls: '1.1' (must be 1.2 or 1.3)",
      "C Invalid P option: 'min_tls'",
      'C Parse error in F, line 5',
    ],
  ],
  ...['', 'ca.pem'].map((value): [string, string[]] => [
    `cafile = ${value}`,
    [
      `C Invalid cafile: '${value}' (must be an absolute path)`,
      "C Invalid P option: 'cafile'",
      'C Parse error in F, line 5',
    ],
  ]),
  ['host =', ['C Missing host, ikey, or skey in F']],
  ['ikey =', ['C Missing host, ikey, or skey in F']],
  ['skey =', ['C Missing host, ikey, or skey in F']],
  ['autopush = yes\nverified_push = yes', ['C autopush and verified_push cannot both be enabled in F']],
  [
    'gecos_parsed = yes',
    [
      '[3] The gecos_parsed configuration item for Duo Unix is deprecated and no longer has any effect. ' +
        'Use gecos_delim and gecos_username_pos instead',
    ],
  ],
  [
    'dev_fips_mode = yes',
    ['[3] The dev_fips_mode configuration item for Duo Unix is deprecated and no longer has any effect'],
  ],
];
for (const [lines, sentences] of SENTENCES) {
  for (const source of [PAM, LOGIN_DUO]) {
    test(`${source.program} says of ${JSON.stringify(lines)}`, (t) => {
      const pam = source.program === 'pam';
      const expected = sentences.map((sentence) =>
        sentence
          .replace(/^C /, pam ? `[${Priority.error}] ` : '')
          .replace(' P option', pam ? ' pam_duo option' : ' login_duo option')
          .replace(' in F', ` in ${source.path}`),
      );
      t.deepEqual(said(`${BASE}${lines}\n`, source), expected);
    });
  }
}

test('an empty file lacks all required options', (t) => {
  t.deepEqual(said('', PAM), [
    '[3] Missing host, ikey, or skey in /etc/duo/pam_duo.conf; none of them is set, so every login is denied: restore the file or set them',
  ]);
});

const FAILMODES: readonly [string, 'safe' | 'secure'][] = [
  ['nonsense', 'safe'],
  ['nonsense\nfailmode = secure', 'secure'],
  ['failmode = secure\nnonsense', 'secure'],
  ['failmode = secure\n[broken', 'secure'],
  ['[broken\n\n[other]\nfailmode = secure', 'secure'],
  ['failmode = secure\nautopush = yes\nverified_push = yes', 'secure'],
  ['skey =\nfailmode = secure', 'secure'],
  ['failmode = secure\nfailmode = safe\nnonsense', 'safe'],
  ['failmode = sfe', 'secure'],
  ['failmode = secure\nfailmode = sfe', 'secure'],
  ['failmode = sfe\nfailmode = safe', 'safe'],
  ['host = x\n  failmode = secure', 'secure'],
  ['host = x\n\tfailmode: sfe', 'secure'],
  ['host = x\n  failmode = safe', 'safe'],
  ['; failmode = secure\nnonsense', 'safe'],
];
for (const [lines, failmode] of FAILMODES) {
  test(`an invalid file with ${JSON.stringify(lines)} has failmode ${failmode}`, (t) => {
    const parsed = parseConfig(`${BASE}${lines}\n`, PAM);
    t.false(parsed.ok);
    t.is(parsed.ok ? undefined : parsed.failmode, failmode);
  });
}

test('no notice shows a secret that was written into another option', (t) => {
  const skey = 'Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep';
  for (const lines of [
    `host = x\n  skey = ${skey}`,
    `failmode = ${skey}`,
    `failmode = safe\n  skey = short-one`,
    `gecos_delim = ${skey}`,
    `${skey} = x`,
    `skey ${skey} = x`,
    `host = http://user:${skey.slice(0, 9)}@proxy.test`,
    `skey = ${skey}\nfailmode = x${skey}x`,
    `skey = ${skey}\ngecos_delim = ${skey.slice(0, 12)}`,
    'skey = a b c d\nhost = a b c d',
  ]) {
    for (const source of [PAM, LOGIN_DUO]) {
      const all = said(`${BASE}${lines}\n`, source).join('\n');
      t.regex(all, /\[not shown\]/);
      for (const secret of [skey, skey.slice(0, 9), 'short-one', 'a b c d'])
        t.false(all.includes(secret), lines);
    }
  }
});

test('no text crashes the parser, and no notice shows a secret from it', (t) => {
  const secret = fc.stringMatching(/^[A-Za-z0-9]{40}$/);
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '[duo]',
      '[',
      'skey =',
      'http_proxy = u:',
      '@p',
      'failmode =',
      'host =',
      'groups =',
      'gecos_delim =',
      ' ',
      '\t',
      ';',
      '=',
      ':',
      '\n',
      '\r\n',
    ),
  );
  fc.assert(
    fc.property(secret, fc.array(fc.oneof(line, fc.constant('SECRET')), { maxLength: 40 }), (skey, parts) => {
      const text = `skey = ${skey}\n${parts.map((part) => (part === 'SECRET' ? skey : part)).join('')}`;
      for (const source of [PAM, LOGIN_DUO]) {
        const parsed = parseConfig(text, source);
        t.false(JSON.stringify(parsed).includes(skey));
      }
    }),
    { numRuns: 500 },
  );
});

test('a long line is parsed without a long delay', (t) => {
  for (const part of [' ;', '\\ ', 'a ', ',', '=', '  ', ']', '\t;x', '!']) {
    const { ok } = parseConfig(`${BASE}groups = ${part.repeat(65_000 / part.length)}\n`, PAM);
    t.is(typeof ok, 'boolean');
  }
});

test('printing a configuration hides its secrets', (t) => {
  const parsed = parseConfig(`${BASE}http_proxy = u:never-to-be-seen@h\n`, PAM);
  t.true(parsed.ok && parsed.config.httpProxy instanceof Secret);
  t.false(JSON.stringify(parsed).includes('never-to-be-seen'));
});
