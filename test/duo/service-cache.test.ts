/** What the logins of one process share: connections that are reused, and never worse than new ones. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import test from 'ava';
import { MemoryResolver } from '../../src/duo/addresses.ts';
import { LookUpError } from '../../src/duo/look-up.ts';
import { ServiceCache } from '../../src/duo/service-cache.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { clientFor, never, simulatorFor, type Teardown } from '../lib/service.ts';

const alice = { username: 'alice', failmode: 'closed', verifiedPush: false } as const;
const passcode = { username: 'alice', factor: '100001' };

/** Forwards to the simulator, counts connections, and can break open ones. */
class Middle {
  connections = 0;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(t: Teardown, simulator: Simulator): Promise<Middle> {
    const server = createServer();
    const middle = new Middle(server);
    server.on('connection', (near) => {
      middle.connections += 1;
      const far = connect(simulator.port, '127.0.0.1');
      const pair = [near, far] as const;
      middle.#pairs.add(pair);
      near.pipe(far).pipe(near);
      for (const socket of pair) socket.on('error', () => {}).on('close', () => middle.#drop(pair));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(async () => {
      middle.cut();
      server.close();
    });
    return middle;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  /** Resets every connection, as a restarted server or a firewall does. */
  cut(): void {
    for (const pair of this.#pairs) this.#drop(pair);
  }

  /** From now on drops all data of the open connections silently. */
  swallow(): void {
    for (const [near, far] of this.#pairs) {
      near.unpipe(far);
      far.unpipe(near);
      near.resume();
      far.resume();
    }
  }

  /** Resets each connection when the client sends its next request, which has then arrived. */
  cutAtNextWord(): void {
    for (const [near, far] of this.#pairs) {
      near.unpipe(far);
      near.once('data', () => near.resetAndDestroy()).resume();
    }
  }

  #drop(pair: readonly [Socket, Socket]): void {
    this.#pairs.delete(pair);
    for (const socket of pair) socket.destroy();
  }
}

async function setUp(t: Teardown, clock = systemClock) {
  const simulator = await simulatorFor(t, clock instanceof FakeClock ? { clock } : {});
  const middle = await Middle.start(t, simulator);
  const problems: string[] = [];
  const serviceCache = new ServiceCache(clock, (problem) => problems.push(problem));
  t.teardown(async () => serviceCache.close());
  const open = () => clientFor(simulator, { serviceCache, clock, port: middle.port }).client;
  const calls = () => simulator.service.calls.map(({ call }) => call);
  return { simulator, middle, serviceCache, open, calls, problems };
}

test('a second login needs no new connection and no ping', async (t) => {
  const { middle, open, calls } = await setUp(t);
  for (const factor of ['100001', '100002']) {
    const client = open();
    await client.ping(never);
    await client.preauth(alice, never);
    await client.auth({ ...passcode, factor }, never);
    client.close();
  }
  t.deepEqual(calls(), ['ping', 'preauth', 'auth', 'preauth', 'auth']);
  t.is(middle.connections, 1);
});

test('concurrent logins use separate connections, which later logins reuse', async (t) => {
  const { middle, open } = await setUp(t);
  await open().ping(never);
  await Promise.all(Array.from({ length: 5 }, () => open().preauth(alice, never)));
  t.is(middle.connections, 5);
  await Promise.all(Array.from({ length: 5 }, () => open().preauth(alice, never)));
  t.is(middle.connections, 5);
});

test('logins with different trust settings share no connections', async (t) => {
  const { simulator, middle, open, serviceCache } = await setUp(t);
  await open().ping(never);
  const other = clientFor(simulator, { serviceCache, port: middle.port, trust: { kind: 'none' } }).client;
  await other.ping(never);
  t.is(middle.connections, 2);
  for (const minTls of ['TLSv1.3', 'TLSv1.3', 'TLSv1.2'] as const) {
    await clientFor(simulator, { serviceCache, port: middle.port, minTls }).client.ping(never);
  }
  t.is(middle.connections, 3, 'TLSv1.2 is what counts where nothing is said');
});

test('aborting a login closes no connection of another login', async (t) => {
  const { simulator, middle, open } = await setUp(t);
  const client = open();
  await client.ping(never);
  const stop = new AbortController();
  simulator.service.faults.add('preauth', { kind: 'hang' });
  const hanging = client.preauth(alice, stop.signal);
  await new Promise((resolve) => simulator.service.once('call', resolve));
  simulator.service.faults.clear();
  const answer = await open().preauth(alice, never);
  stop.abort(new Error('given up'));
  await t.throwsAsync(hanging, { message: 'given up' });
  t.is(answer.result, 'auth');
  await open().preauth(alice, never);
  t.is(middle.connections, 2);
});

test('connections that broke while idle do not fail a login', async (t) => {
  const { middle, open, calls } = await setUp(t);
  await open().ping(never);
  await Promise.all(Array.from({ length: 5 }, () => open().preauth(alice, never)));
  const before = calls().length;
  middle.cutAtNextWord();
  t.is((await open().preauth(alice, never)).result, 'auth');
  t.is(middle.connections, 6);
  t.deepEqual(calls().slice(before), ['preauth']);
});

test('dead idle connections delay a login by five seconds at most', async (t) => {
  const clock = new FakeClock(Date.now());
  const { middle, open } = await setUp(t, clock);
  await open().ping(never);
  middle.swallow();
  const { sleeping } = clock;
  const answer = open().preauth(alice, never);
  while (clock.sleeping === sleeping) await settle();
  await clock.advance(5000);
  t.is((await answer).result, 'auth');
  t.is(middle.connections, 2);
});

test('a call that cannot be repeated uses a connection that has just answered', async (t) => {
  const clock = new FakeClock(Date.now());
  const { middle, open, calls } = await setUp(t, clock);
  await open().ping(never);
  t.is((await open().preauth(alice, never)).result, 'auth');
  // While the user reads the prompt the server disappears silently.
  await clock.advance(10_000);
  middle.cutAtNextWord();
  t.is((await open().auth(passcode, never)).result, 'allow');
  t.deepEqual(calls(), ['ping', 'preauth', 'auth']);
  t.is(middle.connections, 2);
  // When it has not, one ping shows that.
  await clock.advance(10_000);
  t.is((await open().auth({ ...passcode, factor: '100002' }, never)).result, 'allow');
  t.deepEqual(calls(), ['ping', 'preauth', 'auth', 'ping', 'auth']);
  t.is(middle.connections, 2);
});

test('a step of the system clock makes the client ping again', async (t) => {
  const clock = new FakeClock(Date.now());
  const { open, calls } = await setUp(t, clock);
  await open().ping(never);
  await open().ping(never);
  t.deepEqual(calls(), ['ping']);
  clock.set(clock.now() + 3_600_000);
  await open().ping(never);
  t.deepEqual(calls(), ['ping', 'ping']);
  await clock.advance(600_001);
  await open().ping(never);
  t.is(calls().filter((call) => call === 'ping').length > 2, true);
});

test('the warm service connects before the first login and never idles out', async (t) => {
  const clock = new FakeClock(Date.now());
  const { simulator, middle, serviceCache, problems, calls } = await setUp(t, clock);
  const trust = { kind: 'authorities', pem: [simulator.ca] } as const;
  serviceCache.preconnect({ host: simulator.host, port: middle.port, trust, clock });
  const service = serviceCache.service({ host: simulator.host, port: middle.port, trust, clock });
  while (service.idleCount === 0) await settle();
  t.true(service.offsetIsRecent);
  t.is(service.keepAliveHint, 5);
  const interval = 3000;
  for (let turn = 0; turn < 3; turn += 1) {
    const before = calls().length;
    await clock.advance(interval);
    while (calls().length === before || service.idleCount === 0) await settle();
  }
  t.is(middle.connections, 1);
  middle.cut();
  while (service.idleCount > 0) await settle();
  await clock.advance(interval);
  while (service.idleCount === 0) await settle();
  t.is(middle.connections, 2);
  t.deepEqual(problems, []);
});

test('the service used last stays warm', async (t) => {
  const clock = new FakeClock(Date.now());
  const { simulator, serviceCache, calls } = await setUp(t, clock);
  const { middle: other } = await setUp(t, clock);
  const trust = { kind: 'authorities', pem: [simulator.ca] } as const;
  const options = { host: simulator.host, trust, clock };
  serviceCache.preconnect({ ...options, port: simulator.port });
  const first = serviceCache.service({ ...options, port: simulator.port });
  while (first.idleCount === 0) await settle();
  serviceCache.preconnect({ ...options, port: other.port });
  // Without logins the first service cools down, and the second is used all the time.
  await clock.advance(600_001);
  const before = calls().length;
  for (let turn = 0; turn < 3; turn += 1) await clock.advance(25_000);
  t.is(calls().length, before);
  t.true(other.connections > 0);
});

test('an unreachable service only stops being kept warm', async (t) => {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  t.teardown(async () => {
    process.off('unhandledRejection', note);
  });
  const clock = new FakeClock();
  const { simulator, serviceCache, problems } = await setUp(t, clock);
  // No header can contain this name; Node refuses it.
  const { client } = clientFor(simulator, { serviceCache, clock, host: 'api-\u{6f22}.example' });
  await t.throwsAsync(client.ping(never), { name: 'TypeError' });
  await clock.advance(30_000);
  await settle();
  t.deepEqual(unhandled, []);
  t.deepEqual(problems, ["this host can't open a connection: TypeError"]);
  await clock.advance(60_000);
  await settle();
  t.is(problems.length, 1);
});

test('addresses are cached, and looked up again when none answers', async (t) => {
  const clock = new FakeClock();
  const asked: string[] = [];
  let answer: readonly string[] | Error = ['192.0.2.1'];
  const resolver = new MemoryResolver(clock, async (name) => {
    asked.push(name);
    if (answer instanceof Error) throw answer;
    return answer;
  });
  await Promise.all([resolver.resolve('a.test'), resolver.resolve('a.test')]);
  t.deepEqual(await resolver.resolve('a.test'), { list: ['192.0.2.1'], remembered: true });
  t.is(asked.length, 1);
  answer = ['192.0.2.2'];
  resolver.forget('a.test');
  t.deepEqual(await resolver.resolve('a.test'), { list: ['192.0.2.2'], remembered: false });
  answer = new LookUpError('no name server', { evidence: false });
  await clock.advance(60_000);
  t.deepEqual(await resolver.resolve('a.test'), { list: ['192.0.2.2'], remembered: false });
  clock.set(clock.now() + 30 * 24 * 3_600_000 - 60_001);
  t.deepEqual(await resolver.resolve('a.test'), { list: ['192.0.2.2'], remembered: false });
  clock.set(clock.now() + 1);
  await t.throwsAsync(resolver.resolve('a.test'), { message: 'no name server' });
});
