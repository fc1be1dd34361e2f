import test from 'ava';
import fc from 'fast-check';
import { Channel, Priority } from '../../src/bridge/messages.ts';
import { type ParsedConfig, parseConfig } from '../../src/config/config.ts';

const BASE = '[duo]\nhost = api.example.test\nikey = DIXXXXXXXXXXXXXXXXXX\nskey = never-to-be-seen\n';
const path = '/etc/duo/pam_duo.conf';
const pam = (text: string): ParsedConfig => parseConfig(text, { path, program: 'pam' });
/** Notices as `[priority] text`, or `[stderr] text`. */
const said = ({ notices }: ParsedConfig) =>
  notices.map(
    ({ priority, text, channel }) => `[${channel === Channel.stderr ? 'stderr' : priority}] ${text}`,
  );

test('the least that there has to be', (t) => {
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
  t.true(parsed.ok && parsed.config.skey.reveal() === 'never-to-be-seen');
});

test('a configuration is frozen', (t) => {
  const parsed = pam(BASE);
  t.true(parsed.ok && Object.isFrozen(parsed.config));
});

for (const missing of ['host', 'ikey', 'skey']) {
  test(`without ${missing} nothing works`, (t) => {
    const without = BASE.replace(new RegExp(`^${missing} = `, 'm'), `${missing} = ; `);
    for (const text of [BASE.replace(new RegExp(`^${missing}.*\n`, 'm'), ''), without]) {
      const parsed = pam(text);
      t.false(parsed.ok);
      t.deepEqual(said(parsed), [`[${Priority.error}] Missing host, ikey, or skey in ${path}`]);
    }
  });
}

test('an option that nobody knows is said with its line', (t) => {
  const parsed = pam(`${BASE}nosuch = 1\nother = 2\n`);
  t.false(parsed.ok);
  t.deepEqual(said(parsed), [
    "[3] Invalid pam_duo option: 'nosuch'",
    "[3] Invalid pam_duo option: 'other'",
    `[3] Parse error in ${path}, line 5`,
  ]);
});

test('autopush and verified_push exclude each other', (t) => {
  const parsed = pam(`${BASE}autopush = yes\nverified_push = yes\n`);
  t.false(parsed.ok);
  t.deepEqual(said(parsed), [`[3] autopush and verified_push cannot both be enabled in ${path}`]);
});

test('what is deprecated works, and is said', (t) => {
  const parsed = pam(`${BASE}gecos_parsed = yes\ndev_fips_mode = yes\n`);
  t.true(parsed.ok);
  t.is(parsed.notices.length, 2);
});

for (const [name, lines, failmode] of [
  ['nothing', 'nosuch = 1', 'safe'],
  ['safe', 'failmode = safe\nnosuch = 1', 'safe'],
  ['secure, before the mistake', 'failmode = secure\nnosuch = 1', 'secure'],
  ['secure, behind the mistake', 'nosuch = 1\nfailmode = secure', 'secure'],
  ['something else', 'failmode = sfae', 'secure'],
  ['something else, and a host that is none', 'failmode = Secure\nhost = a b', 'secure'],
] as const) {
  test(`a file that can't be used, and says failmode: ${name}`, (t) => {
    const parsed = pam(`${BASE}${lines}\n`);
    t.true(!parsed.ok && parsed.failmode === failmode);
  });
}

test('no message holds what skey or http_proxy said, wherever the mistake is', (t) => {
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

test('any text is a configuration or is not, and never an exception', (t) => {
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
