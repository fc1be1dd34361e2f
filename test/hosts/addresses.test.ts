/** An API host with several addresses: `localhost` is 127.0.0.1 and ::1. */
import { lookup } from 'node:dns/promises';
import { createServer as createTcpServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { createClient } from '../../src/duo/client.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { Secret } from '../../src/lib/secret.ts';
import { makeCertificates } from '../../src/simulator/certificates.ts';
import { httpReply, listenFor } from '../lib/raw-server.ts';

const PONG = '{"stat":"OK","response":{"time":1767225600}}';
const never = new AbortController().signal;

function clientOf(t: ExecutionContext, port: number, ca: string) {
  const client = createClient({
    host: 'localhost',
    port,
    ikey: 'DI',
    skey: new Secret('never-to-be-seen'),
    trust: { kind: 'authorities', pem: [ca] },
    timeout: 0,
    userAgent: 'test/1',
    clock: systemClock,
    notify: () => {},
  });
  t.teardown(() => client.close());
  return client;
}

test.before(async (t) => {
  const addresses = (await lookup('localhost', { all: true })).map(({ address }) => address);
  t.deepEqual(addresses.sort(), ['127.0.0.1', '::1']);
});

test('after an address with a bad certificate the next one is tried', async (t) => {
  const good = await makeCertificates('good', ['localhost'], [], Date.now());
  const bad = await makeCertificates('good', ['localhost'], [], Date.now());
  let strangers = 0;
  for (const [first, second] of [
    ['127.0.0.1', '::1'],
    ['::1', '127.0.0.1'],
  ] as const) {
    const port = await listenFor(
      t,
      createTlsServer({ cert: good.cert, key: good.key }, (socket) => {
        socket.on('error', () => {}).on('data', () => socket.write(httpReply(PONG)));
      }),
      first,
    );
    const stranger = createTlsServer({ cert: bad.cert, key: bad.key });
    stranger
      .on('tlsClientError', () => {})
      .on('connection', () => {
        strangers += 1;
      });
    await listenFor(t, stranger, second, port);
    await t.notThrowsAsync(clientOf(t, port, good.ca).ping(never));
  }
  t.is(strangers, 1, 'one of the two came first, and was passed over');
});

test('after an address that refuses or does not exist the next one is tried', async (t) => {
  const { ca, cert, key } = await makeCertificates('good', ['localhost'], [], Date.now());
  const serve = () =>
    createTlsServer({ cert, key }, (socket) => {
      socket.on('error', () => {}).on('data', () => socket.write(httpReply(PONG)));
    });
  for (const address of ['127.0.0.1', '::1']) {
    const port = await listenFor(t, serve(), address);
    await t.notThrowsAsync(clientOf(t, port, ca).ping(never), address);
  }
});

test('every address is tried three times before Duo counts as unreachable', async (t) => {
  const seen: string[] = [];
  const serve = (name: string) =>
    createTcpServer((socket) => {
      seen.push(name);
      socket.destroy();
    });
  const port = await listenFor(t, serve('4'), '127.0.0.1');
  await listenFor(t, serve('6'), '::1', port);
  await t.throwsAsync(clientOf(t, port, '').ping(never), {
    message: `Couldn't connect to localhost:${port}: Connection closed`,
  });
  t.deepEqual(seen.sort(), ['4', '4', '4', '6', '6', '6']);
});
