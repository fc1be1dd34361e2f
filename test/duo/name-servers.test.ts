/**
 * The conclusion from each possible result of a query: of the name server, of the kernel, and of this host.
 */
import test, { type ExecutionContext } from 'ava';
import { askNameServers, type NameServerOptions, type Opinion } from '../../src/duo/name-servers.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { blockedListener } from '../lib/blocked.ts';
import {
  type NameServer,
  type NameServerOptions as ServerBehaviour,
  startNameServer,
} from '../lib/name-server.ts';
import { quietPort } from '../lib/quiet-port.ts';

const NAME = 'api-12345678.duo.test';

/** Shortened sleeps, so that a timeout does not take real seconds. */
const hasty: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms / 10, signal),
};

async function serverFor(t: ExecutionContext, behaviour: ServerBehaviour): Promise<NameServer> {
  const server = await startNameServer(behaviour);
  t.teardown(() => server.close());
  return server;
}

function ask(
  servers: readonly { readonly host: string; readonly port: number }[],
  more: Partial<NameServerOptions> = {},
): Promise<Opinion> {
  return askNameServers(NAME, {
    clock: hasty,
    servers: () => servers,
    // The test servers run on this host; the tests treat them as remote ones.
    isOwn: () => false,
    hasRoute: async () => true,
    ...more,
  });
}

for (const host of ['127.0.0.1', '::1']) {
  test(`a name server at ${host} with addresses of both families`, async (t) => {
    const list = ['192.0.2.7', '192.0.2.8', '2001:db8::7'];
    const opinion = await ask([await serverFor(t, { host, udp: list })]);
    t.is(opinion.kind, 'addresses');
    if (opinion.kind === 'addresses') t.deepEqual([...opinion.list].sort(), list);
  });
}

test('addresses of one family are enough', async (t) => {
  t.deepEqual(await ask([await serverFor(t, { udp: ['192.0.2.7'] })]), {
    kind: 'addresses',
    list: ['192.0.2.7'],
  });
});

for (const [what, udp] of [
  ['no such name', 3],
  ['no address for it', []],
] as const) {
  test(`a name server that answers ${what}`, async (t) => {
    const server = await serverFor(t, { udp });
    t.deepEqual(await ask([server]), { kind: 'unknown name' });
    t.deepEqual(await ask([server], { isOwn: () => true }), { kind: 'unknown name' });
  });
}

for (const [rcode, name] of [
  [2, 'SERVFAIL'],
  [5, 'REFUSED'],
] as const) {
  test(`${name} is evidence from a remote name server, and not from one on this host`, async (t) => {
    const server = await serverFor(t, { udp: rcode });
    const reason = `the name server 127.0.0.1 says ${name}`;
    t.deepEqual(await ask([server]), { kind: 'no service', reason });
    const isOwn = () => true;
    t.deepEqual(await ask([server], { isOwn }), { kind: 'undecided', reason });
    t.deepEqual(await ask([server], { isOwn, hasRoute: async () => false }), {
      kind: 'no service',
      reason: 'Network is unreachable',
    });
  });
}

test('a refused query is evidence, unless the name server is on this host', async (t) => {
  const server = { host: '127.0.0.1', port: await quietPort() };
  const reason = `the name server 127.0.0.1 can't be reached: ECONNREFUSED`;
  t.deepEqual(await ask([server]), { kind: 'no service', reason });
  t.deepEqual(await ask([server], { isOwn: () => true }), { kind: 'undecided', reason });
});

test('local name servers are recognised by their address and by our source address', async (t) => {
  for (const host of ['127.0.0.1', '127.0.0.53', '::1']) {
    const server = await serverFor(t, { host, udp: 2 });
    const opinion = await askNameServers(NAME, {
      clock: hasty,
      servers: () => [server],
      hasRoute: async () => true,
    });
    t.like(opinion, { kind: 'undecided' }, host);
  }
});

test('no answer over UDP, and an answer over TCP', async (t) => {
  const server = await serverFor(t, { udp: 'silent', tcp: ['192.0.2.7', '2001:db8::7'] });
  t.like(await ask([server]), { kind: 'addresses' });
  t.is(server.asked(), 8, 'three times both questions, and once over TCP');
  t.deepEqual(await ask([await serverFor(t, { udp: 'silent', tcp: 3 })]), { kind: 'unknown name' });
});

test('a name server that accepts a connection and stays silent is not evidence', async (t) => {
  const reason = 'the name server 127.0.0.1 does not answer';
  const server = await serverFor(t, { udp: 'silent', tcp: 'silent' });
  t.deepEqual(await ask([server]), { kind: 'undecided', reason });
});

test('no answer over UDP, and the TCP port is closed', async (t) => {
  const reason = `the name server 127.0.0.1 can't be reached: ECONNREFUSED`;
  t.deepEqual(await ask([await serverFor(t, { udp: 'silent' })]), { kind: 'no service', reason });
});

test('no answer over UDP and TCP, while this process runs without a stall', async (t) => {
  const port = await blockedListener(t);
  await serverFor(t, { udp: 'silent', port });
  const reason = 'the name server 127.0.0.1 does not answer';
  const server = { host: '127.0.0.1', port };
  t.deepEqual(await ask([server]), { kind: 'no service', reason });
  t.deepEqual(await ask([server], { isOwn: () => true }), { kind: 'undecided', reason });
});

test('no answer while this process was stalled is not evidence', async (t) => {
  const port = await blockedListener(t);
  await serverFor(t, { udp: 'silent', port });
  let stopped = 0;
  const clock: Clock = { ...hasty, monotonic: () => hasty.monotonic() + stopped };
  const asking = ask([{ host: '127.0.0.1', port }], { clock });
  setTimeout(() => {
    stopped = 60_000;
  }, 100);
  const opinion = await asking;
  t.is(opinion.kind, 'undecided');
  t.regex(
    opinion.kind === 'undecided' ? opinion.reason : '',
    /does not answer; but this host kept the engine from running for \d+ seconds/,
  );
});

/** The reply, changed in place. */
const changed = (change: (reply: Buffer) => unknown) => (reply: Buffer) => {
  change(reply);
  return reply;
};

for (const [what, twist] of Object.entries<(reply: Buffer) => Buffer>({
  'of another id': changed((reply) => reply.writeUInt16BE(reply.readUInt16BE() ^ 1)),
  'that is a question': changed((reply) => reply.writeUInt8((reply[2] ?? 0) & 0x7f, 2)),
  'to another question': changed((reply) => reply.writeUInt8((reply[13] ?? 0) ^ 1, 13)),
  'that was cut short': changed((reply) => reply.writeUInt8((reply[2] ?? 0) | 0x02, 2)),
  'without an end': (reply) => reply.subarray(0, 14),
  'of no bytes': () => Buffer.of(),
  'whose names point in a circle': changed((reply) => reply.writeUInt16BE(0xc00c, 12)),
})) {
  test(`a reply ${what} is ignored`, async (t) => {
    const server = await serverFor(t, { udp: ['192.0.2.7'], tcp: 3, twist });
    t.deepEqual(await ask([server]), { kind: 'unknown name' }, 'TCP has the answer');
  });
}

test('one name server that answers is enough, whatever the others do', async (t) => {
  const silent = await serverFor(t, { udp: 'silent', tcp: 'silent' });
  const failing = await serverFor(t, { udp: 2 });
  const good = await serverFor(t, { udp: ['192.0.2.7'] });
  t.like(await ask([failing, silent, good]), { kind: 'addresses' });
});

test('a local failure of one name server does not hide the remote failure of another', async (t) => {
  const own = await serverFor(t, { host: '127.0.0.53', udp: 2 });
  const other = await serverFor(t, { udp: 2 });
  const isOwn = ({ host }: { host: string }) => host === '127.0.0.53';
  t.like(await ask([own, other], { isOwn }), { kind: 'no service' });
  const silent = await serverFor(t, { udp: 'silent', tcp: 'silent' });
  t.like(await ask([silent, other]), { kind: 'undecided' });
});

test('no name server is configured', async (t) => {
  t.deepEqual(await ask([]), { kind: 'undecided', reason: 'no name server is configured' });
});

test('an invalid host name', async (t) => {
  const server = await serverFor(t, { udp: 3 });
  const options = { clock: hasty, servers: () => [server], isOwn: () => false };
  for (const name of ['a'.repeat(64), 'a..b', '']) {
    t.notThrows(async () => askNameServers(name, options));
    t.not((await askNameServers(name, options)).kind, 'addresses', name);
  }
});
