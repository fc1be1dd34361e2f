/** Replies of a broken or hostile server: invalid, too long, too slow, incomplete; and aborted calls. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { createClient } from '../../src/duo/client.ts';
import { DuoError } from '../../src/duo/errors.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { Secret } from '../../src/lib/secret.ts';
import { blockedListener } from '../lib/blocked.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { httpReply, tcpServerFor, tlsServerFor } from '../lib/raw-server.ts';

const PONG = '{"stat":"OK","response":{"time":1767225600}}';
const ALLOW = '{"stat":"OK","response":{"result":"allow","status":"allow","status_msg":"x"}}';
const auth = { username: 'alice', factor: '1' } as const;

function clientOf(
  t: ExecutionContext,
  port: number,
  ca: string,
  clock: Clock = systemClock,
  host = 'localhost',
) {
  const client = createClient({
    host,
    port,
    ikey: 'DI',
    skey: new Secret('never-to-be-seen'),
    trust: { kind: 'authorities', pem: ca === '' ? [] : [ca] },
    timeout: 0,
    userAgent: 'test/1',
    clock,
    notify: () => {},
    random: () => 0,
  });
  t.teardown(() => client.close());
  return client;
}

const never = new AbortController().signal;

async function failing(call: Promise<unknown>): Promise<string> {
  try {
    return `no error: ${JSON.stringify(await call)}`;
  } catch (error) {
    if (error instanceof DuoError)
      return `${error.code} ${error.message.replace(/^Couldn't connect to [^ ]+: /, '')}`;
    throw error;
  }
}

const NO_HTTP = 'ERR_DUO_CONNECTION the reply is not HTTP';
const CLOSED = 'ERR_DUO_CONNECTION Connection closed';
const NO_JSON = 'ERR_DUO_REPLY invalid JSON response';

/** Bytes sent in answer to every request, with or without closing the connection. */
const REPLIES: readonly [string, string, boolean, string][] = [
  ['nothing at all', '', true, CLOSED],
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', true, NO_HTTP],
  ['zeroes', '\0'.repeat(1000), false, NO_HTTP],
  ['HTTP of another age', `HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}`, false, NO_HTTP],
  ['a status that is none', `HTTP/1.1 OK\r\n\r\n${ALLOW}`, true, NO_HTTP],
  ['a body without a head', ALLOW, true, NO_HTTP],
  ['half a head', 'HTTP/1.1 200 OK\r\nContent-Le', true, CLOSED],
  ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(40_000)}`, false, NO_HTTP],
  ['too many headers', `HTTP/1.1 200 OK\r\n${'X-Y: z\r\n'.repeat(8_000)}\r\n`, false, NO_HTTP],
  ['a body shorter than promised', `HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n${ALLOW}`, true, CLOSED],
  ['a body longer than promised', `HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n${ALLOW}`, false, NO_HTTP],
  ['a negative length', `HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n${ALLOW}`, true, NO_HTTP],
  ['two lengths', `HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x`, true, NO_HTTP],
  [
    'a length and chunks',
    `HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    true,
    NO_HTTP,
  ],
  [
    'chunks that are none',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n',
    true,
    NO_HTTP,
  ],
  ['chunks without end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n', true, CLOSED],
  ['a promise to go on, and then nothing', 'HTTP/1.1 100 Continue\r\n\r\n', true, CLOSED],
  [
    'another protocol to switch to',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
    false,
    CLOSED,
  ],
  ['no content', 'HTTP/1.1 204 No Content\r\n\r\n', false, 'ERR_DUO_SERVER HTTP 204'],
  ['not modified', 'HTTP/1.1 304 Not Modified\r\n\r\n', false, 'ERR_DUO_SERVER HTTP 304'],
];
for (const [name, bytes, ends, expected] of REPLIES) {
  test(`a reply of ${name}`, async (t) => {
    const server = await tlsServerFor(t, (socket) => void (ends ? socket.end(bytes) : socket.write(bytes)));
    const client = clientOf(t, server.port, server.ca);
    t.is(await failing(client.auth(auth, never)), expected);
    t.is(server.requests.length, 1, 'auth is sent once');
    t.is(await failing(client.authStatus('txid', never)), expected);
    t.is(server.requests.length, expected.startsWith('ERR_DUO_CONNECTION') ? 4 : 2, 'others three times');
  });
}

test('informational replies before the reply are skipped', async (t) => {
  const early = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n';
  const server = await tlsServerFor(t, (socket) => socket.write(early + httpReply(ALLOW)));
  t.is((await clientOf(t, server.port, server.ca).auth(auth, never)).result, 'allow');
});

test('a body without a length ends with the connection', async (t) => {
  const server = await tlsServerFor(t, (socket) => socket.end(`HTTP/1.0 200 OK\r\n\r\n${ALLOW}`));
  t.is((await clientOf(t, server.port, server.ca).auth(auth, never)).result, 'allow');
});

test('an unsolicited reply is not taken as the answer to the next call', async (t) => {
  const server = await tlsServerFor(t, (socket, head) => {
    socket.write(
      head.startsWith('GET /auth/v2/ping') ? httpReply(PONG) + httpReply(ALLOW) : httpReply(NO_JSON),
    );
  });
  const client = clientOf(t, server.port, server.ca);
  await client.ping(never);
  t.regex(await failing(client.auth(auth, never)), /^ERR_DUO_/);
});

test('an endless reply is dropped once it exceeds the size limit', async (t) => {
  const left = Promise.withResolvers<void>();
  const server = await tlsServerFor(t, (socket) => {
    const chunk = `1000\r\n${' '.repeat(4096)}\r\n`;
    const write = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', write).on('close', () => left.resolve());
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    write();
  });
  const client = clientOf(t, server.port, server.ca);
  t.is(await failing(client.ping(never)), 'ERR_DUO_REPLY the reply is longer than 262144 bytes');
  await left.promise;
});

for (const [name, bytes] of [
  ['head', 'HTTP/1.1 200 OK\r\nX'],
  ['body', 'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{'],
  ['row of promises to go on', 'HTTP/1.1 100 Continue\r\n\r\n'],
] as const) {
  test(`a ${name} that comes drop by drop is left after thirty seconds`, async (t) => {
    const clock = new FakeClock();
    const server = await tlsServerFor(t, (socket) => socket.write(bytes));
    const result = failing(clientOf(t, server.port, server.ca, clock).authAsync(auth, never));
    while (server.requests.length === 0 || clock.sleeping === 0) await settle();
    for (let second = 0; second < 29; second += 1) await clock.advance(1_000);
    t.is(await Promise.race([result, settle().then(() => 'waiting')]), 'waiting');
    await clock.advance(1_000);
    t.is(await result, 'ERR_DUO_CONNECTION no reply in time');
  });
}

test('waiting for the user has no time limit', async (t) => {
  const clock = new FakeClock();
  const decided = Promise.withResolvers<void>();
  const server = await tlsServerFor(
    t,
    (socket) => void decided.promise.then(() => socket.write(httpReply(ALLOW))),
  );
  const result = clientOf(t, server.port, server.ca, clock).auth(auth, never);
  while (server.requests.length === 0) await settle();
  await clock.advance(600_000);
  decided.resolve();
  t.is((await result).result, 'allow');
});

test('redirects are not followed, cookies not kept and compression not requested', async (t) => {
  const server: Awaited<ReturnType<typeof tlsServerFor>> = await tlsServerFor(t, (socket) => {
    const away = `https://localhost:${server.port}/elsewhere`;
    const found = `HTTP/1.1 302 Found\r\nLocation: ${away}\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n`;
    socket.write(server.requests.length === 1 ? found : httpReply(PONG));
  });
  const client = clientOf(t, server.port, server.ca);
  t.is(await failing(client.ping(never)), 'ERR_DUO_SERVER HTTP 302');
  t.is(server.requests.length, 1);
  await client.ping(never);
  for (const head of server.requests) {
    t.regex(head, /^GET \/auth\/v2\/ping HTTP\/1\.1\r\n/);
    const names = head
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(':')[0]?.toLowerCase());
    t.deepEqual(names.sort(), ['authorization', 'host', 'user-agent', 'x-duo-date']);
    t.true(head.includes(`\r\nHost: localhost:${server.port}\r\n`));
  }
});

test('headers named like properties of Object.prototype are harmless', async (t) => {
  const names = ['__proto__', 'constructor', 'toString', 'get', 'set', 'has', 'then', 'toJSON', 'normalize'];
  const headers = names.map((name) => `${name}: 1`);
  const server = await tlsServerFor(t, (socket) => socket.write(httpReply(ALLOW, ...headers)));
  t.is((await clientOf(t, server.port, server.ca).auth(auth, never)).result, 'allow');
});

test('a compressed reply is refused as invalid JSON', async (t) => {
  const body = gzipSync(ALLOW);
  const server = await tlsServerFor(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`);
    socket.write(body);
  });
  t.is(await failing(clientOf(t, server.port, server.ca).auth(auth, never)), NO_JSON);
});

test('a reply with a byte order mark is refused as invalid JSON', async (t) => {
  const server = await tlsServerFor(t, (socket) => socket.write(httpReply(`\uFEFF${ALLOW}`)));
  t.is(await failing(clientOf(t, server.port, server.ca).auth(auth, never)), NO_JSON);
});

test('a local failure during a reply is not reported as an unreachable Duo', async (t) => {
  const server = await tlsServerFor(t, (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{'),
  );
  const fail = (message: unknown) => {
    if (typeof message !== 'object' || message === null || !('request' in message)) return;
    const { request } = message;
    if (!(request instanceof ClientRequest) || request.getHeader('host') !== `localhost:${server.port}`)
      return;
    setImmediate(() => request.socket?.destroy(Object.assign(new Error('x'), { code: 'ENOBUFS' })));
  };
  subscribe('http.client.response.finish', fail);
  t.teardown(() => void unsubscribe('http.client.response.finish', fail));
  const result = failing(clientOf(t, server.port, server.ca).auth(auth, never));
  t.is(await result, "ERR_DUO_LOCAL this host can't open a connection: ENOBUFS");
});

test('random bytes as a reply never crash the client or let anyone in', async (t) => {
  let bytes = Buffer.alloc(0);
  const server = await tlsServerFor(t, (socket) => socket.end(bytes));
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)),
    fc
      .constantFrom(
        'HTTP/1.1 200 OK\r\n',
        'HTTP/1.1 ',
        '401',
        '\r\n\r\n',
        'Transfer-Encoding: chunked\r\n',
        'f\r\n',
        '0\r\n\r\n',
        '{"stat":"OK"',
        'Content-Length: 9\r\n',
      )
      .map((text) => Buffer.from(text)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
      bytes = Buffer.concat(pieces);
      t.regex(await failing(clientOf(t, server.port, server.ca).auth(auth, never)), /^ERR_DUO_/);
    }),
    { numRuns: 60 },
  );
});

test('TLS 1.1 is refused', async (t) => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const server = await tlsServerFor(t, (socket) => socket.write(httpReply(ALLOW)), old);
  const willing = tlsConnect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false, ...old });
  await once(willing, 'secureConnect');
  t.is(willing.getProtocol(), 'TLSv1.1', 'the server itself works');
  willing.destroy();
  t.regex(
    await failing(clientOf(t, server.port, server.ca).auth(auth, never)),
    /^ERR_DUO_CONNECTION SSL handshake failed \(.*(?:version|protocol).*\)$/,
  );
  t.deepEqual(server.requests, []);
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version} is spoken`, async (t) => {
    const only = { minVersion: version, maxVersion: version };
    const server = await tlsServerFor(t, (socket) => socket.write(httpReply(ALLOW)), only);
    t.is((await clientOf(t, server.port, server.ca).auth(auth, never)).result, 'allow');
  });
}

test('a connection that is not accepted is tried three times, ten seconds each', async (t) => {
  const port = await blockedListener(t);
  const clock = new FakeClock();
  const result = failing(clientOf(t, port, '', clock, '127.0.0.1').ping(never));
  for (let tries = 0; tries < 3; tries += 1) {
    while (clock.sleeping === 0) await settle();
    await clock.advance(9_999);
    t.true(clock.sleeping > 0);
    await clock.advance(1);
  }
  t.is(await result, 'ERR_DUO_CONNECTION Failed to connect');
});

/** Runs a call until `begun`, aborts it, and waits until its socket is closed. */
async function takenBack(
  t: ExecutionContext,
  port: number,
  ca: string,
  begun: () => Promise<unknown>,
  host = 'localhost',
): Promise<void> {
  const gone = new AbortController();
  const reason = new Error('taken back');
  const call = clientOf(t, port, ca, new FakeClock(), host).ping(gone.signal);
  const over = t.throwsAsync(call, { is: reason });
  await begun();
  gone.abort(reason);
  await over;
}

test('aborting a call during the name lookup ends it at once', (t) =>
  takenBack(t, 1, '', async () => {}, 'nowhere.invalid'));

test('aborting a call while it connects ends it at once', async (t) => {
  const port = await blockedListener(t);
  await takenBack(t, port, '', settle, '127.0.0.1');
});

test('aborting a call during the TLS handshake closes its connection', async (t) => {
  const { promise: begun, resolve } = Promise.withResolvers<Socket>();
  const port = await tcpServerFor(t, (socket) => void socket.once('data', () => resolve(socket)));
  await takenBack(t, port, '', () => begun);
  const socket = await begun;
  if (!socket.closed) await once(socket, 'close');
});

test('aborting a call while it waits for the reply closes its connection', async (t) => {
  const { promise: begun, resolve } = Promise.withResolvers<Socket>();
  const { port, ca } = await tlsServerFor(t, resolve);
  await takenBack(t, port, ca, () => begun);
  const socket = await begun;
  if (!socket.closed) await once(socket, 'close');
});
