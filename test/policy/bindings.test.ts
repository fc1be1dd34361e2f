import test from 'ava';
import { type Account, type Facts, NO_LOGIN_UID } from '../../src/login/messages.ts';
import { bindingOf } from '../../src/policy/bindings.ts';
import { ALICE, configOf, factsOf } from '../lib/facts.ts';

const KEY = 'publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==\n';
const OTHER_KEY = KEY.replace('AAAAC3', 'AAAAD3');
const SESSION: Partial<Facts> = {
  service: 'sudo',
  callerUid: 1000,
  loginUid: 1000,
  session: 7,
  tty: '/dev/pts/3',
};
const SSH: Partial<Facts> = { service: 'sshd', tty: 'ssh', rhost: '192.0.2.7', authInfo: KEY };

const place = (more: Partial<Facts>, account: Account = ALICE, duoUser = 'alice') =>
  bindingOf(factsOf(more), account, duoUser)?.value;

test('a session and a key are different places', (t) => {
  t.is(bindingOf(factsOf(SESSION), ALICE, 'alice')?.place, 'session');
  t.is(bindingOf(factsOf(SSH), ALICE, 'alice')?.place, 'key and network');
  t.not(place(SESSION), place(SSH));
});

const SAME: readonly [string, Partial<Facts>, Partial<Facts>][] = [
  ['another service', SESSION, { service: 'su' }],
  ['a terminal with and without /dev', SESSION, { tty: 'pts/3' }],
  ['another command', SESSION, { command: '/bin/id' }],
  ['an address of the same network', SSH, { rhost: '192.0.2.250' }],
  ['a mapped IPv4 address', SSH, { rhost: '::ffff:192.0.2.9' }],
  [
    'an IPv6 address of the same network',
    { ...SSH, rhost: '2001:db8::1' },
    { rhost: '2001:0db8:0:0:ffff::2' },
  ],
  ['the same with another method', SSH, { authInfo: `${KEY}password\n` }],
];
for (const [what, first, change] of SAME) {
  test(`the same place: ${what}`, (t) => {
    t.is(place({ ...first, ...change }), place(first));
  });
}

const OTHER: readonly [string, Partial<Facts>, Partial<Facts>][] = [
  ['another session', SESSION, { session: 8 }],
  ['another login uid', SESSION, { loginUid: 1001 }],
  ['another real uid', SESSION, { callerUid: 1001 }],
  ['another terminal', SESSION, { tty: '/dev/pts/4' }],
  ['another host', SESSION, { hostName: 'other' }],
  ['another configuration', SESSION, { config: configOf('pushinfo = yes') }],
  ['another path of the configuration', SESSION, { config: { ...configOf(), path: '/etc/duo/other.conf' } }],
  ['another network', SSH, { rhost: '192.0.3.7' }],
  ['another IPv6 network', { ...SSH, rhost: '2001:db8::1' }, { rhost: '2001:db8:0:1::1' }],
  ['another key', SSH, { authInfo: OTHER_KEY }],
  ['one more key', SSH, { authInfo: KEY + OTHER_KEY }],
];
for (const [what, first, change] of OTHER) {
  test(`another place: ${what}`, (t) => {
    t.not(place(first), undefined);
    t.not(place({ ...first, ...change }), undefined);
    t.not(place({ ...first, ...change }), place(first));
  });
}

test('nothing is remembered: no session is known', (t) => {
  const { session: _, ...facts } = SESSION;
  t.is(place(facts), undefined);
});

test('another account, or another Duo user, is another place', (t) => {
  t.not(place(SESSION, { ...ALICE, uid: 1001 }), place(SESSION));
  t.not(place(SESSION, { ...ALICE, name: 'bert' }), place(SESSION));
  t.not(place(SESSION, ALICE, 'bert'), place(SESSION));
});

const NOWHERE: readonly [string, Partial<Facts>][] = [
  ['outside sessions', { ...SESSION, session: NO_LOGIN_UID }],
  ['no login uid is set', { ...SESSION, loginUid: NO_LOGIN_UID }],
  ['without a terminal', { ...SESSION, tty: '' }],
  ['a service of the network in the session of an administrator', { ...SESSION, tty: 'ssh' }],
  ['a client', { ...SESSION, rhost: '192.0.2.7' }],
  ['a terminal of another kind', { ...SESSION, tty: ':0' }],
  ['sshd without a key', { ...SESSION, ...SSH, authInfo: 'password\n' }],
  ['sshd with a key, and the name of a client', { ...SSH, rhost: 'client.example.test' }],
  ['sshd with a key, and no client', { ...SSH, rhost: '' }],
];
for (const [what, facts] of NOWHERE) {
  test(`nothing is remembered: ${what}`, (t) => {
    t.is(place(facts), undefined);
  });
}
