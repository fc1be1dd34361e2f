/** Concurrent logins in one process, driven frame by frame over pairs of streams. */
import { type Duplex, duplexPair } from 'node:stream';
import test from 'ava';
import { factsToFrame } from '../../src/bridge/facts.ts';
import {
  encodeFrame,
  type Frame,
  FrameReader,
  FrameType,
  MAX_FRAME,
  PROTOCOL_VERSION,
} from '../../src/bridge/frame.ts';
import { type Account, DuoCode, type Facts, type Login, Outcome } from '../../src/login/messages.ts';
import {
  FACTS_MS,
  LEAVE_MS,
  LOGIN_MS,
  MAX_FACTS,
  MAX_LOOKUPS,
  ResidentServer,
} from '../../src/resident/server.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';

const ALICE: Account = { name: 'alice', uid: 1000, gecos: 'Alice' };
const FACTS: Facts = {
  program: 'pam',
  service: 'screenlock',
  user: 'alice',
  silent: false,
  noConversation: false,
  callerUid: 0,
  hostName: 'liar.example.test',
  deadline: 4_000_000_000,
};
const HELLO = encodeFrame(FrameType.hostHello, [
  ['version', PROTOCOL_VERSION],
  ['release', '1'],
]);

const pass = { outcome: Outcome.pass, code: DuoCode.ok, error: '' } as const;

/** A server whose logins end on request, and the facts that it got. */
function setUp(
  unprivileged = true,
  accountOf: (uid: number) => Promise<Account | undefined> = async (uid) =>
    uid === ALICE.uid ? ALICE : undefined,
) {
  const clock = new FakeClock();
  const log: string[] = [];
  const logins: { readonly facts: Facts; readonly pass: () => void; readonly signal: AbortSignal }[] = [];
  const login: Login = (facts, { signal }) => {
    const { promise, resolve } = Promise.withResolvers<typeof pass>();
    logins.push({ facts, pass: () => resolve(pass), signal });
    return promise;
  };
  const server = new ResidentServer({
    login,
    clock,
    release: '1',
    log: (_priority, text) => log.push(text),
    settings: { unprivileged, unprivilegedServices: ['screenlock'], idleMs: 60_000 },
    config: { path: '/credentials/pam_duo.conf', text: 'ikey = X' },
    hostName: 'host.example.test',
    accountOf,
    groupsOf: async (uid) => ({ names: [`groups of ${uid}`] }),
    forget: () => 0,
  });
  return { clock, log, logins, server };
}

class Peer {
  readonly frames: Frame[] = [];
  closed = false;
  readonly #stream: Duplex;

  constructor(server: ResidentServer, uid: number) {
    const [near, far] = duplexPair();
    const reader = new FrameReader(MAX_FRAME);
    this.#stream = near;
    near.on('data', (chunk: Buffer) => this.frames.push(...reader.push(chunk)));
    // The server's end: destroying one end of a pair does not notify the other.
    far.on('close', () => {
      this.closed = true;
    });
    server.accept(far, uid);
  }

  say(...bytes: Buffer[]): this {
    for (const each of bytes) this.#stream.write(each);
    return this;
  }

  hangUp(): void {
    this.#stream.end();
  }

  get verdict(): { outcome: number; error: string } | undefined {
    const frame = this.frames.find(({ type }) => type === FrameType.verdict);
    return frame && { outcome: frame.number('outcome'), error: frame.text('error') };
  }
}

test('each connection is a separate login', async (t) => {
  const { logins, server } = setUp();
  const facts = { ...FACTS, config: { path: '/etc/duo/pam_duo.conf', text: 'ikey = Y' } };
  const peers = ['a', 'b', 'c'].map((user) =>
    new Peer(server, 0).say(HELLO, factsToFrame({ ...facts, user })),
  );
  await settle();
  t.deepEqual(
    logins.map((each) => each.facts),
    ['a', 'b', 'c'].map((user) => ({ ...facts, user })),
  );
  logins[1]?.pass();
  peers[2]?.hangUp();
  await settle();
  t.is(peers[0]?.verdict, undefined);
  t.is(peers[1]?.verdict?.outcome, Outcome.pass);
  t.true(logins[2]?.signal.aborted);
  t.false(logins[0]?.signal.aborted);
});

test('a client that sends too little is disconnected', async (t) => {
  const { clock, server, logins } = setUp();
  const silent = new Peer(server, 0);
  const slow = new Peer(server, 0).say(HELLO, factsToFrame(FACTS).subarray(0, 20));
  const good = new Peer(server, 0).say(HELLO, factsToFrame(FACTS));
  await clock.advance(FACTS_MS);
  t.true(silent.closed);
  t.true(slow.closed);
  t.false(good.closed);
  logins[0]?.pass();
  await settle();
  t.is(good.verdict?.outcome, Outcome.pass);
});

test('a client cannot set too long a deadline, and none is left after the verdict', async (t) => {
  const { clock, server, logins } = setUp();
  const peer = new Peer(server, 0).say(HELLO, factsToFrame(FACTS));
  await clock.advance(LOGIN_MS);
  t.true(logins[0]?.signal.aborted);
  logins[0]?.pass();
  await settle();
  t.is(server.inFlight, 1);
  await clock.advance(LEAVE_MS);
  t.is(server.inFlight, 0);
  t.true(peer.closed);
});

test('it is idle from the end of its last connection until the next one', async (t) => {
  const { clock, server, logins } = setUp();
  t.is(server.idleMs, 60_000);
  await clock.advance(1000);
  t.is(server.idleFor, 1000);
  const first = new Peer(server, 0).say(HELLO, factsToFrame(FACTS));
  const second = new Peer(server, 0).say(HELLO, factsToFrame(FACTS));
  await clock.advance(1000);
  t.is(server.idleFor, 0);
  for (const login of logins) login.pass();
  await settle();
  first.hangUp();
  await settle();
  await clock.advance(1000);
  t.is(server.idleFor, 0);
  second.hangUp();
  await settle();
  await clock.advance(1000);
  t.is(server.idleFor, 1000);
});

test('a reloaded configuration applies to later logins', async (t) => {
  const { logins, server } = setUp(false);
  const refused = new Peer(server, 1000).say(HELLO, factsToFrame(FACTS));
  await settle();
  t.regex(refused.verdict?.error ?? '', /^only root is served here/);
  const settings = { unprivileged: true, unprivilegedServices: ['screenlock'], idleMs: 0 };
  server.reconfigure({ settings, config: { path: '/new', text: 'ikey = Y' } });
  new Peer(server, 1000).say(HELLO, factsToFrame(FACTS));
  await settle();
  t.deepEqual(logins[0]?.facts.config, { path: '/new', text: 'ikey = Y' });
  t.is(server.idleMs, 0);
});

test('a user authenticates himself, and his own claims are ignored', async (t) => {
  const { logins, server } = setUp();
  new Peer(server, 1000).say(
    HELLO,
    factsToFrame({
      ...FACTS,
      rhost: '192.0.2.1',
      tty: 'tty1',
      command: 'harmless',
      duoUser: 'root',
      account: { name: 'alice', uid: 0, gecos: 'root' },
      caller: { name: 'root', uid: 0, gecos: 'root' },
    }),
  );
  await settle();
  t.deepEqual(logins[0]?.facts, {
    program: 'pam',
    service: 'screenlock',
    user: 'alice',
    silent: false,
    noConversation: false,
    callerUid: 1000,
    account: ALICE,
    caller: ALICE,
    config: { path: '/credentials/pam_duo.conf', text: 'ikey = X' },
    hostName: 'host.example.test',
    deadline: FACTS.deadline,
  });
});

for (const [what, facts, uid, error] of [
  ['somebody else', { user: 'root' }, 1000, 'alice (uid 1000) can authenticate only itself'],
  [
    'a service that is not listed',
    { service: 'sudo' },
    1000,
    "service 'sudo' is not among unprivileged_services of resident.conf",
  ],
  ['a uid without a name', {}, 4711, 'there is no passwd entry for uid 4711'],
  [
    'a configuration',
    { config: { path: 'mine', text: 'failmode = safe' } },
    1000,
    'uid 1000 brings a configuration, which only root may',
  ],
  [
    'another program',
    { program: 'login_duo' },
    1000,
    'login_duo of uid 1000 is not served by a resident engine',
  ],
] as const) {
  test(`a user who brings ${what} is refused`, async (t) => {
    const { log, logins, server } = setUp();
    const peer = new Peer(server, uid).say(HELLO, factsToFrame({ ...FACTS, ...facts }));
    await settle();
    t.deepEqual(peer.verdict, { outcome: Outcome.serviceError, error });
    t.is(logins.length, 0);
    t.true(log[0]?.endsWith(`is refused: ${error}`));
    const told = peer.frames.find(({ type }) => type === FrameType.log);
    t.regex(told?.text('text') ?? '', /^Error in Duo login for '.*': /);
  });
}

test('users are refused unless the administrator allows them', async (t) => {
  const { logins, server } = setUp(false);
  const peer = new Peer(server, 1000).say(HELLO, factsToFrame(FACTS));
  await settle();
  t.is(peer.verdict?.outcome, Outcome.serviceError);
  t.is(logins.length, 0);
});

test('a user with too many connections affects only himself', async (t) => {
  const { logins, server } = setUp();
  const peers = Array.from({ length: 9 }, () => new Peer(server, 1000).say(HELLO, factsToFrame(FACTS)));
  const root = new Peer(server, 0).say(HELLO, factsToFrame(FACTS));
  await settle();
  t.is(logins.length, 5);
  t.deepEqual(
    peers.map(({ verdict, closed }) => verdict?.error ?? (closed ? 'closed' : 'in progress')),
    [
      ...Array.from({ length: 4 }, () => 'in progress'),
      ...Array.from({ length: 4 }, () => 'uid 1000 has 4 logins in progress'),
      'closed',
    ],
  );
  logins.find(({ facts }) => facts.callerUid === 0)?.pass();
  await settle();
  t.is(root.verdict?.outcome, Outcome.pass);
});

test('users cannot send large FACTS', async (t) => {
  const { logins, server } = setUp();
  const facts = factsToFrame({ ...FACTS, command: 'x'.repeat(MAX_FACTS) });
  const alice = new Peer(server, 1000).say(HELLO, facts);
  const root = new Peer(server, 0).say(HELLO, facts);
  await settle();
  t.true(alice.closed);
  t.is(alice.verdict, undefined);
  t.false(root.closed);
  t.deepEqual(
    logins.map(({ facts }) => facts.callerUid),
    [0],
  );
});

test('a slow name service blocks few threads and is not an unreachable Duo', async (t) => {
  const asked: (() => void)[] = [];
  const { clock, logins, server } = setUp(true, () => {
    const { promise, resolve } = Promise.withResolvers<Account>();
    asked.push(() => resolve(ALICE));
    return promise;
  });
  const peers = Array.from({ length: 4 }, () => new Peer(server, 1000).say(HELLO, factsToFrame(FACTS)));
  await settle();
  t.is(asked.length, MAX_LOOKUPS);
  asked[0]?.();
  await settle();
  t.is(asked.length, MAX_LOOKUPS + 1);
  t.is(logins.length, 1);
  await clock.advance(LOGIN_MS);
  for (const each of asked) each();
  await settle();
  for (const each of asked) each();
  await settle();
  t.is(logins.length, 1, 'nobody is logged in when his time is over');
  t.deepEqual(
    peers.slice(1).map(({ verdict }) => verdict?.outcome),
    Array(3).fill(Outcome.serviceError),
  );
});

test('draining waits for the last login and refuses new ones', async (t) => {
  const { logins, server } = setUp();
  const peers = [0, 0].map((uid) => new Peer(server, uid).say(HELLO, factsToFrame(FACTS)));
  await settle();
  let drained = false;
  void server.drain().then(() => {
    drained = true;
  });
  logins[0]?.pass();
  await settle();
  peers[0]?.hangUp();
  await settle();
  t.false(drained);
  const late = new Peer(server, 0).say(HELLO, factsToFrame(FACTS));
  await settle();
  t.true(late.closed);
  t.deepEqual(late.frames, []);
  t.is(logins.length, 2);
  logins[1]?.pass();
  await settle();
  peers[1]?.hangUp();
  await settle();
  t.true(drained);
});

test('repeated messages are logged once in ten seconds', async (t) => {
  const { clock, log, server } = setUp(false);
  const refuse = async () => {
    new Peer(server, 1000).say(HELLO, factsToFrame(FACTS)).hangUp();
    await settle();
  };
  await refuse();
  await refuse();
  t.is(log.length, 1);
  await clock.advance(10_000);
  await refuse();
  t.is(log.length, 2);
});

test('a user cannot fill the log with different claims or by alternating', async (t) => {
  const { clock, log, server } = setUp();
  const refuse = async (uid: number, service: string) => {
    new Peer(server, uid).say(HELLO, factsToFrame({ ...FACTS, service })).hangUp();
    await settle();
  };
  for (const turn of ['a', 'b', 'c']) for (const uid of [1000, 1001]) await refuse(uid, turn);
  t.is(log.length, 2);
  await clock.advance(10_000);
  await refuse(1000, `${'x'.repeat(50_000)}\nforged`);
  t.is(log.length, 3);
  t.true((log[2]?.length ?? 0) < 1000, 'a line is short');
  t.notRegex(log[2] ?? '', /\n/);
  await clock.advance(10_000);
  for (let uid = 2000; uid < 2100; uid += 1) await refuse(uid, 'a');
  t.true(log.length < 70, 'users who are many write few lines all the same');
});
