import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import test from 'ava';
import { startDelayProxy } from '../../bench/delay-proxy.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { quietPort } from '../lib/quiet-port.ts';
import { clientFor, never, simulatorFor, type Teardown } from '../lib/service.ts';

const DELAY = 40;

/** A client, its peer behind the proxy, and the clock between them. */
async function distant(t: Teardown) {
  const clock = new FakeClock();
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const proxy = await startDelayProxy({ port, delay: DELAY, clock });
  const near = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  near.on('error', () => {});
  t.teardown(async () => {
    near.destroy();
    await proxy.close();
    server.close();
  });
  /** Waits until that many parts are delayed. */
  const loginsInProgress = async (count: number) => {
    while (clock.sleeping < count) await settle();
  };
  return { clock, server, proxy, near, loginsInProgress };
}

/** The peer's socket, after the round trip of a distant handshake. */
async function reached({
  clock,
  server,
  loginsInProgress,
}: Awaited<ReturnType<typeof distant>>): Promise<Socket> {
  const accepted = once(server, 'connection');
  await loginsInProgress(1);
  await clock.advance(2 * DELAY);
  const [far]: Socket[] = await accepted;
  if (far === undefined) throw new Error('nobody came');
  return far;
}

/** The data read so far. */
function reading(socket: Socket): () => string {
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  return () => text;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await settle();
}

/** Advances the clock until the condition holds. */
async function driven(clock: FakeClock, holds: () => boolean): Promise<void> {
  while (!holds()) {
    await settle();
    await clock.advance(1);
  }
}

test('both directions are delayed, and connecting takes a round trip', async (t) => {
  const way = await distant(t);
  const { clock, near, server, loginsInProgress } = way;
  near.write('question');
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  await loginsInProgress(1);
  await clock.advance(2 * DELAY - 1);
  t.is(connections, 0);
  const accepted = once(server, 'connection');
  await clock.advance(1);
  const [far]: Socket[] = await accepted;
  if (far === undefined) throw new Error('nobody came');
  const question = reading(far);
  await loginsInProgress(1);
  await clock.advance(DELAY - 1);
  t.is(question(), '');
  await clock.advance(1);
  await until(() => question() === 'question');
  const answer = reading(near);
  far.write('answer');
  await loginsInProgress(1);
  await clock.advance(DELAY - 1);
  t.is(answer(), '');
  await clock.advance(1);
  await until(() => answer() === 'answer');
  t.is(clock.monotonic(), 4 * DELAY);
});

test('data sent during the delay keeps its order and its own delay', async (t) => {
  const way = await distant(t);
  const { clock, near, loginsInProgress } = way;
  const far = await reached(way);
  const read = reading(far);
  near.write('a');
  await loginsInProgress(1);
  await clock.advance(DELAY / 2);
  near.write('b');
  await settle();
  await clock.advance(DELAY / 2);
  await until(() => read() === 'a');
  await loginsInProgress(1);
  await clock.advance(DELAY);
  await until(() => read() === 'ab');
  const parts = Array.from({ length: 200 }, (_, index) => `${index};`);
  for (const part of parts) near.write(part);
  near.end();
  let over = false;
  far.on('end', () => {
    over = true;
  });
  await driven(clock, () => over);
  t.is(read(), `ab${parts.join('')}`);
});

test('each direction can be closed alone', async (t) => {
  const way = await distant(t);
  const { clock, near } = way;
  const far = await reached(way);
  const question = reading(far);
  const answer = reading(near);
  let ends = 0;
  for (const socket of [near, far]) {
    socket.on('end', () => {
      ends += 1;
    });
  }
  near.end('last words');
  await driven(clock, () => ends === 1);
  t.is(question(), 'last words');
  far.end('still here');
  await driven(clock, () => ends === 2);
  t.is(answer(), 'still here');
});

test('a reset on one side resets the other', async (t) => {
  const way = await distant(t);
  const { clock, near } = way;
  const far = await reached(way);
  far.on('error', () => {});
  let closed = false;
  near.resume().on('close', () => {
    closed = true;
  });
  far.resetAndDestroy();
  await driven(clock, () => closed);
  t.pass();
});

test('closing the proxy closes its connections', async (t) => {
  const way = await distant(t);
  const { near, proxy, loginsInProgress } = way;
  const far = await reached(way);
  const heard = reading(far);
  near.resume().on('end', () => near.end());
  near.write('never arrives');
  await loginsInProgress(1);
  const gone = Promise.all(
    [near, far].map((socket) => new Promise((resolve) => socket.on('close', resolve))),
  );
  far.on('error', () => {}).on('end', () => far.end());
  await proxy.close();
  await gone;
  t.is(heard(), '');
});

test('an unreachable target closes the connection', async (t) => {
  const clock = new FakeClock();
  const proxy = await startDelayProxy({ port: await quietPort(), delay: DELAY, clock });
  t.teardown(() => proxy.close());
  const near = connect(proxy.port, '127.0.0.1').on('error', () => {});
  near.resume();
  let closed = false;
  near.on('close', () => {
    closed = true;
  });
  await driven(clock, () => closed);
  t.pass();
});

test('a Duo client works through it', async (t) => {
  const simulator = await simulatorFor(t);
  const proxy = await startDelayProxy({ port: simulator.port, delay: 1 });
  t.teardown(() => proxy.close());
  const { client } = clientFor(simulator, { port: proxy.port });
  await client.ping(never);
  t.deepEqual(
    simulator.service.calls.map(({ call }) => call),
    ['ping'],
  );
});
