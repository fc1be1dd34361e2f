import test from 'ava';
import { type Config, parseConfig } from '../../src/config/config.ts';
import type { Account, Facts } from '../../src/login/messages.ts';
import { whoAuthenticates } from '../../src/policy/identity.ts';

const ALICE: Account = { name: 'alice', uid: 1000, gecos: '' };
const ROOT: Account = { name: 'root', uid: 0, gecos: '' };
/** Another account of uid 0. */
const TOOR: Account = { ...ROOT, name: 'toor' };

function configOf(lines = ''): Config {
  const parsed = parseConfig(`[duo]\nhost=h\nikey=i\nskey=s\n${lines}\n`, { path: 'F', program: 'pam' });
  if (!parsed.ok) throw new Error(parsed.notices.map(({ text }) => text).join());
  return parsed.config;
}

function factsOf(more: Partial<Facts> = {}): Facts {
  return {
    program: 'pam',
    service: 'login',
    user: 'alice',
    silent: false,
    noConversation: false,
    callerUid: 1000,
    account: ALICE,
    hostName: 'host.example.test',
    deadline: 100_000,
    ...more,
  };
}

const WHO: readonly [string, Partial<Facts>, string][] = [
  ['su to root', { service: 'su', account: ROOT, caller: ALICE }, 'alice'],
  ['su - to root', { service: 'su-l', account: ROOT, caller: ALICE }, 'alice'],
  ['su to another account of uid 0', { service: 'su', account: TOOR, caller: ALICE }, 'alice'],
  [
    'su to root by a caller without an entry',
    { service: 'su', account: ROOT, callerUid: 7 },
    'unknown uid 7',
  ],
  ['su to another user', { service: 'su', caller: ROOT }, 'alice'],
  ['sudo', { service: 'sudo', account: ALICE, caller: ALICE }, 'alice'],
  ['sshd as root', { service: 'sshd', account: ROOT, caller: ROOT }, 'root'],
  ['another service with a root target', { service: 'sux', account: ROOT, caller: ALICE }, 'root'],
];
for (const [name, facts, expected] of WHO) {
  test(`who authenticates: ${name}`, (t) => {
    const who = whoAuthenticates(factsOf(facts), configOf());
    t.is(who.kind === 'known' ? who.account.name : `unknown ${who.name}`, expected);
    if (who.kind === 'known') t.is(who.duoUser, expected);
  });
}

test('a user without a passwd entry is unknown', (t) => {
  const { account: _, ...facts } = factsOf();
  t.deepEqual(whoAuthenticates(facts, configOf()), { kind: 'unknown', name: 'alice' });
});

const said = (user: string) => `[6] Presenting GECOS-derived Duo username for 'alice': ${user}`;
const GECOS: readonly [string, string, string, readonly string[]][] = [
  ['', 'Alice,duo', 'alice', []],
  ['gecos_delim = /', 'Alice,duo', 'alice', []],
  ['send_gecos = yes', 'Alice A.,1', 'Alice A.,1', [said('Alice A.,1')]],
  ['send_gecos = yes', '', 'alice', ["[4] Empty GECOS field for 'alice'"]],
  ['gecos_username_pos = 2', 'Alice,duo,x', 'duo', [said('duo')]],
  ['send_gecos = yes\ngecos_username_pos = 2', 'Alice,duo,x', 'duo', [said('duo')]],
  ['gecos_username_pos = 3\ngecos_delim = /', 'a/b/duo', 'duo', [said('duo')]],
  ['gecos_username_pos = 1', 'duo', 'duo', [said('duo')]],
  ['gecos_username_pos = 2', 'Alice', 'alice', ["[7] Could not parse GECOS field for 'alice'"]],
  ['gecos_username_pos = 2', 'Alice,,x', 'alice', ["[7] Could not parse GECOS field for 'alice'"]],
  ['gecos_username_pos = 2', '', 'alice', ["[4] Empty GECOS field for 'alice'"]],
  ['send_gecos = yes', 'a\u001b\nb', 'a\u001b\nb', [said('a? b')]],
];
for (const [lines, gecos, name, notices] of GECOS) {
  test(`${JSON.stringify(lines)} with GECOS ${JSON.stringify(gecos)}`, (t) => {
    const who = whoAuthenticates(factsOf({ account: { ...ALICE, gecos } }), configOf(lines));
    if (who.kind !== 'known') return t.fail();
    t.is(who.duoUser, name);
    t.deepEqual(
      who.notices.map(({ priority, text }) => `[${priority}] ${text}`),
      notices,
    );
  });
}
