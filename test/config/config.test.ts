import test from 'ava';
import fc from 'fast-check';
import { type ParsedConfig, parseConfig } from '../../src/config/config.ts';
import { Channel, Priority } from '../../src/login/messages.ts';

const BASE = '[duo]\nhost = api.example.test\nikey = DIXXXXXXXXXXXXXXXXXX\nskey = never-to-be-seen\n';
const path = '/etc/duo/pam_duo.conf';
const pam = (text: string): ParsedConfig => parseConfig(text, { path, program: 'pam' });
/** Notices as `[priority] text`, or `[stderr] text`. */
const said = ({ notices }: ParsedConfig) =>
  notices.map(
    ({ priority, text, channel }) => `[${channel === Channel.stderr ? 'stderr' : priority}] ${text}`,
  );

test('the smallest valid configuration', (t) => {
  const parsed = pam(BASE);
  t.like(parsed, {
    ok: true,
    notices: [],
    config: {
      host: 'api.example.test',
      port: 443,
      failmode: 'safe',
      prompts: 3,
      groups: [],
      noverify: false,
    },
  });
  t.true(parsed.ok && parsed.config.skey?.reveal() === 'never-to-be-seen');
});

test('a configuration is frozen', (t) => {
  const parsed = pam(BASE);
  t.true(parsed.ok && Object.isFrozen(parsed.config));
});

for (const missing of ['host', 'ikey', 'skey']) {
  test(`a configuration without ${missing} is invalid`, (t) => {
    const without = BASE.replace(new RegExp(`^${missing} = .*`, 'm'), `${missing} =`);
    for (const text of [BASE.replace(new RegExp(`^${missing}.*\n`, 'm'), ''), without]) {
      const parsed = pam(text);
      t.false(parsed.ok);
      t.deepEqual(said(parsed), [`[${Priority.error}] Missing host, ikey, or skey in ${path}`]);
    }
  });
}

test('an unknown option is reported with its line, and the rest of the file is used', (t) => {
  for (const program of ['pam', 'login_duo'] as const) {
    const parsed = parseConfig(`${BASE}nosuch = 1\nother = 2\nprompts = 2\n`, { path, program });
    t.true(parsed.ok && parsed.config.prompts === 2);
    t.deepEqual(said(parsed), [
      `[4] Unknown option 'nosuch' in ${path}, line 5; it is ignored`,
      `[4] Unknown option 'other' in ${path}, line 6; it is ignored`,
    ]);
  }
});

test('the notice about an unknown option never shows a secret', (t) => {
  const key = 'Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep';
  for (const line of [
    `${key} = x`,
    `sekey = ${key}`,
    `never-to-be-seen = x`,
    'user:never-to-be-seen@proxy = x',
  ]) {
    const all = said(pam(`${BASE}${line}\n`)).join();
    t.regex(all, /^\[4\] Unknown option '.*' in .*, line 5; it is ignored$/);
    t.false(all.includes(key) || all.includes('never-to-be-seen'), line);
  }
});

test('disable_ca_pinning and cafile exclude each other', (t) => {
  const lines = 'disable_ca_pinning = yes\ncafile = /etc/duo/ca.pem\n';
  for (const text of [lines, `noverify = yes\n${lines}`]) {
    const parsed = pam(`${BASE}${text}`);
    t.like(parsed, { ok: false, denies: false, failmode: 'safe' });
    t.deepEqual(said(parsed), [`[3] disable_ca_pinning and cafile cannot both be set in ${path}`]);
  }
  t.true(pam(`${BASE}${lines.replace('yes', 'no')}`).ok);
  t.true(pam(`${BASE}disable_ca_pinning = yes\nnoverify = yes\n`).ok);
});

test('an empty or relative cafile denies, and the log says why', (t) => {
  for (const value of ['', 'ca.pem', '; /etc/duo/ca.pem']) {
    for (const failmode of ['safe', 'secure']) {
      const parsed = pam(`${BASE}cafile = ${value}\nfailmode = ${failmode}\n`);
      t.like(parsed, { ok: false, denies: true });
      t.deepEqual(said(parsed), [
        `[3] Invalid cafile: '${value}' (must be an absolute path)`,
        "[3] Invalid pam_duo option: 'cafile'",
        `[3] Parse error in ${path}, line 5`,
      ]);
    }
  }
});

for (const [name, text, denies] of [
  ['nothing', '', true],
  ['blank lines', '\n \n\t\r\n', true],
  ['a section', '[duo]\n', true],
  ['comments', '; host = x\n# ikey = y\n', true],
  ['a byte order mark', '\ufeff', true],
  ['other options', '[duo]\nfailmode = safe\nprompts = 1\n', true],
  ['options that are not known', 'nosuch = 1\n', true],
  ['empty values', 'host =\nikey =\nskey =\nfailmode = safe\n', true],
  ['the beginning of a section', '[du', true],
  ['the beginning of a setting', '[duo]\nho', true],
  ['a host', '[duo]\nhost = x', false],
  ['an ikey', 'ikey = x', false],
  ['an skey', 'skey = x\nnonsense', false],
] as const) {
  test(`a file of ${name} ${denies ? 'denies' : 'leaves it to failmode'}`, (t) => {
    const parsed = pam(text);
    t.like(parsed, { ok: false, denies, failmode: 'safe' });
    t.is(
      said(parsed).includes(
        `[3] Missing host, ikey, or skey in ${path}; none of them is set, so every login is denied: restore the file or set them`,
      ),
      denies,
    );
  });
}

test('autopush and verified_push exclude each other', (t) => {
  const parsed = pam(`${BASE}autopush = yes\nverified_push = yes\n`);
  t.false(parsed.ok);
  t.deepEqual(said(parsed), [`[3] autopush and verified_push cannot both be enabled in ${path}`]);
});

test('deprecated options work, with a notice', (t) => {
  const parsed = pam(`${BASE}gecos_parsed = yes\ndev_fips_mode = yes\n`);
  t.true(parsed.ok);
  t.is(parsed.notices.length, 2);
});

for (const [name, lines, failmode] of [
  ['nothing', 'nosuch', 'safe'],
  ['safe', 'failmode = safe\nnosuch', 'safe'],
  ['secure, before the mistake', 'failmode = secure\nnosuch', 'secure'],
  ['secure, behind the mistake', 'nosuch\nfailmode = secure', 'secure'],
  ['something else', 'failmode = sfae', 'secure'],
  ['something else, and a host that is none', 'failmode = Secure\nhost = a b', 'secure'],
] as const) {
  test(`failmode of an invalid file: ${name}`, (t) => {
    const parsed = pam(`${BASE}${lines}\n`);
    t.true(!parsed.ok && parsed.failmode === failmode);
  });
}

test('no message shows the value of skey or http_proxy, wherever the mistake is', (t) => {
  const mistakes = [
    'nosuch = 1',
    'failmode = x',
    'gecos_delim = xx',
    'host = a b',
    'noise',
    '[',
    'prompts = x',
  ];
  for (const mistake of mistakes) {
    for (const program of ['pam', 'login_duo'] as const) {
      const text = `${mistake}\n${BASE}http_proxy = http://u:never-to-be-seen@p.test\n${mistake}\n`;
      t.false(
        JSON.stringify(parseConfig(text, { path, program })).includes('never'),
        `${program}: ${mistake}`,
      );
    }
  }
});

test('any text is a valid or an invalid configuration, never an exception', (t) => {
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .tuple(
        fc.constantFrom('host', 'skey', 'failmode', 'groups', 'prompts', 'gecos_delim', 'x'),
        fc.string(),
      )
      .map(([name, value]) => `${name} = ${value}`),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const parsed = pam(lines.join('\n'));
      t.true(parsed.ok || parsed.notices.some(({ priority }) => priority === Priority.error));
    }),
  );
});
