import test from 'ava';
import { defaults, InvalidValue, options, type Settings } from '../../src/config/options.ts';

/** Sets options in order. */
function set(...lines: readonly (readonly [string, string])[]): Settings {
  const settings = defaults();
  for (const [name, value] of lines) {
    const option = options.get(name);
    if (option === undefined) throw new Error(`there is no option ${name}`);
    option(settings, value);
  }
  return settings;
}

test('each configuration has defaults of its own', (t) => {
  t.not(defaults(), defaults());
  t.not(defaults().groups, set(['groups', 'a']).groups);
  t.deepEqual(defaults().groups, []);
});

test('every flag is off by default', (t) => {
  const names = Object.entries(defaults())
    .filter(([, value]) => typeof value === 'boolean')
    .map(([name]) => name);
  t.is(names.length, 10);
  for (const name of names) {
    const option = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const read = (value: string) => Reflect.get(set([option, value]), name);
    for (const value of ['yes', 'true', 'on', '1']) t.true(read(value), `${option} = ${value}`);
    for (const value of ['no', 'false', 'off', '0', '', 'yes!', '11', 'y'])
      t.false(read(value), `${option} = ${value}`);
  }
});

const hosts: readonly [string, string, number][] = [
  ['api-1.duosecurity.com', 'api-1.duosecurity.com', 443],
  ['API-1.DuoSecurity.COM', 'api-1.duosecurity.com', 443],
  ['localhost:8443', 'localhost', 8443],
  ['127.0.0.1:1', '127.0.0.1', 1],
  ['[::1]', '::1', 443],
  ['[::1]:65535', '::1', 65_535],
];
for (const [value, host, port] of hosts) {
  test(`host = ${value}`, (t) => t.like(set(['host', value]), { host, port }));
}

test('a host without a port resets an earlier port', (t) => {
  t.is(set(['host', 'a:8443'], ['host', 'b']).port, 443);
});

const invalid: readonly [string, string][] = [
  ['host', 'https://api.example.test'],
  ['host', 'api.example.test/path'],
  ['host', 'user@api.example.test'],
  ['host', 'api.example.test:0'],
  ['host', 'api.example.test:65536'],
  ['host', 'two hosts'],
  ['failmode', 'Safe'],
  ['failmode', ''],
  ['cafile', ''],
  ['cafile', 'ca.pem'],
  ['cafile', './ca.pem'],
  ['cafile', '; comment'],
  ...[
    '',
    '1',
    '1.0',
    '1.1',
    '1.4',
    '1.20',
    '1.2 ',
    '1x3',
    'TLSv1',
    'TLSv1.1',
    'SSLv3',
    'TLS 1.2',
    'yes',
    '2',
    '13',
  ].map((version): [string, string] => ['min_tls', version]),
  ['gecos_delim', ''],
  ['gecos_delim', ',,'],
  ['gecos_delim', ':'],
  ['gecos_delim', 'a'],
  ['gecos_delim', ' '],
  ['gecos_username_pos', '0'],
  ['gecos_username_pos', '-1'],
  ['gecos_username_pos', 'x'],
  ['groups', Array.from({ length: 257 }, (_, index) => `g${index}`).join(' ')],
];
for (const [name, value] of invalid) {
  test(`invalid: ${name} = ${JSON.stringify(value.slice(0, 30))}`, (t) => {
    t.throws(() => set([name, value]), { instanceOf: InvalidValue });
  });
}

for (const [value, version] of [
  ['1.2', 'TLSv1.2'],
  ['1.3', 'TLSv1.3'],
  ['TLSv1.2', 'TLSv1.2'],
  ['TLSv1.3', 'TLSv1.3'],
  ['tlsv1.3', 'TLSv1.3'],
] as const) {
  test(`min_tls = ${value}`, (t) => t.is(set(['min_tls', value]).minTls, version));
}

test('an invalid failmode does not become safe', (t) => {
  const settings = defaults();
  t.throws(() => options.get('failmode')?.(settings, 'safe!'), { instanceOf: InvalidValue });
  t.is(settings.failmode, 'secure');
});

test('groups and group add up, to 256 lists', (t) => {
  const many = Array.from({ length: 255 }, (_, index) => `g${index}`).join(' ');
  t.is(set(['groups', many], ['group', 'last']).groups.length, 256);
  t.throws(() => set(['groups', many], ['group', 'two more']), { message: 'Exceeded max 256 groups' });
});

for (const [value, prompts] of [
  ['1', 1],
  ['2', 2],
  ['3', 3],
  ['4', 3],
  ['0', 1],
  ['-5', 1],
  ['many', 1],
  ['999999999999', 3],
] as const) {
  test(`prompts = ${value} is ${prompts}`, (t) => t.is(set(['prompts', value]).prompts, prompts));
}

for (const [value, seconds] of [
  ['30', 30],
  ['0', 0],
  ['-1', 0],
  ['soon', 0],
] as const) {
  test(`https_timeout = ${value} is ${seconds}`, (t) =>
    t.is(set(['https_timeout', value]).httpsTimeout, seconds));
}

test('secret values are kept as Secret objects', (t) => {
  const settings = set(['skey', 'never-to-be-seen'], ['http_proxy', 'http://u:never-to-be-seen@proxy.test']);
  t.is(settings.skey?.reveal(), 'never-to-be-seen');
  t.is(settings.httpProxy?.reveal(), 'http://u:never-to-be-seen@proxy.test');
  t.false(JSON.stringify(settings).includes('never'));
});
