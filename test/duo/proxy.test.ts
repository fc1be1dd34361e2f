/** http_proxy: its value, proxies that misbehave, and a real one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DuoError, DuoHandleError } from '../../src/duo/errors.ts';
import { parseProxy } from '../../src/duo/proxy.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { Secret } from '../../src/lib/secret.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { quietPort } from '../lib/quiet-port.ts';
import { tcpServerFor } from '../lib/raw-server.ts';
import { clientFor, never, simulatorFor } from '../lib/service.ts';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
const VALUES: readonly [string, string, number, string | undefined][] = [
  ['proxy.test', 'proxy.test', 80, undefined],
  ['proxy.test:3128', 'proxy.test', 3128, undefined],
  ['http://proxy.test', 'proxy.test', 80, undefined],
  ['HTTP://proxy.test:8080/', 'proxy.test', 8080, undefined],
  ['192.0.2.1:8080', '192.0.2.1', 8080, undefined],
  ['http://[2001:db8::1]:8080/', '2001:db8::1', 8080, undefined],
  ['[::1]', '::1', 80, undefined],
  ['user:hush@proxy.test:1', 'proxy.test', 1, basic('user:hush')],
  ['http://user:w@rd@[::1]:1/', '::1', 1, basic('user:w@rd')],
  ['http://user:p%40%3A%25@proxy.test', 'proxy.test', 80, basic('user:p@:%')],
  ['http://user:100%@proxy.test', 'proxy.test', 80, basic('user:100%')],
  ['http://@proxy.test', 'proxy.test', 80, undefined],
];
for (const [value, host, port, authorization] of VALUES) {
  test(`http_proxy = ${value}`, (t) => {
    const proxy = parseProxy(new Secret(value));
    t.like(proxy, { host, port });
    t.is(proxy.authorization?.reveal(), authorization);
  });
}

const UNUSABLE: readonly [string, string][] = [
  ['https://user:hush@proxy.test', 'http_proxy is not an HTTP proxy'],
  ['socks5://user:hush@proxy.test', 'http_proxy is not an HTTP proxy'],
  ...[
    'http://',
    'user:hush@',
    'user:hush@a:0',
    'user:hush@a:65536',
    'user:hush@a b',
    'user:hush@a/path',
    'user:hush@::1',
  ].map((value): [string, string] => [value, 'http_proxy must be [http://][user:password@]host[:port]']),
];
for (const [value, message] of UNUSABLE) {
  test(`http_proxy = ${value} is refused`, (t) => {
    const error = t.throws(() => parseProxy(new Secret(value)), { instanceOf: DuoHandleError, message });
    t.false(String(error?.stack).includes('hush'));
  });
}

async function failing(call: Promise<unknown>): Promise<string> {
  try {
    return `no error: ${JSON.stringify(await call)}`;
  } catch (error) {
    if (error instanceof DuoError)
      return `${error.code} ${error.message.replace(/^Couldn't connect to localhost:\d+: /, '')}`;
    throw error;
  }
}

/** A proxy that calls `serve` with the request's head, and a client of the simulator that uses it. */
async function through(
  t: ExecutionContext,
  serve: (socket: Socket, head: string) => void,
  { address = '127.0.0.1', user = '', clock = systemClock as Clock } = {},
) {
  const heads: string[] = [];
  const port = await tcpServerFor(
    t,
    (socket) => {
      let text = '';
      const read = (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (!text.endsWith('\r\n\r\n')) return;
        socket.off('data', read);
        heads.push(text);
        serve(socket, text);
      };
      socket.on('data', read);
    },
    address,
  );
  const simulator = await simulatorFor(t);
  const place = address.includes(':') ? `[${address}]` : address;
  const proxy = parseProxy(new Secret(`http://${user}${place}:${port}/`));
  const { client } = clientFor(simulator, { proxy, clock });
  t.teardown(() => client.close());
  return { client, simulator, heads };
}

/** Connects the client with its target. */
function tunnel(socket: Socket, head: string, reply = 'HTTP/1.1 200 Connection established\r\n\r\n'): void {
  const [, host = '', port = ''] = /^CONNECT ([^ ]+):(\d+) HTTP\/1\.1\r\n/.exec(head) ?? [];
  const onward = connect(Number(port), host, () => {
    socket.write(reply);
    socket.pipe(onward).pipe(socket);
  });
  onward.on('error', () => socket.destroy());
  socket.on('close', () => onward.destroy());
}

test('a login goes through a proxy, which sees only the API host and port', async (t) => {
  const { client, simulator, heads } = await through(t, tunnel);
  await client.ping(never);
  t.is((await client.auth({ username: 'alice', factor: '100001' }, never)).result, 'allow');
  const target = `localhost:${simulator.port}`;
  t.deepEqual(heads, [`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`]);
});

test('a proxy that demands a user name and a password gets them', async (t) => {
  const { client, heads } = await through(t, tunnel, { user: 'user:p%40ss@' });
  await client.ping(never);
  t.true(heads[0]?.includes(`\r\nProxy-Authorization: ${basic('user:p@ss')}\r\n\r\n`));
});

test('a proxy at an IPv6 address', async (t) => {
  try {
    const { client } = await through(t, tunnel, { address: '::1' });
    await t.notThrowsAsync(client.ping(never));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRNOTAVAIL')) throw error;
    t.log('skipped: this host has no ::1');
    t.pass();
  }
});

for (const reply of [
  'HTTP/1.0 200 OK\r\n\r\n',
  'HTTP/1.1 200\r\nVia: x\r\n\r\n',
  'HTTP/1.1 200 OK\nVia: x\n\n',
]) {
  test(`a proxy that says ${JSON.stringify(reply)}`, async (t) => {
    const { client } = await through(t, (socket, head) => tunnel(socket, head, reply));
    await t.notThrowsAsync(client.ping(never));
  });
}

const error = (line: string) => `ERR_DUO_CONNECTION Proxy error: ${line}`;
const REFUSALS: readonly [string, string, boolean, string][] = [
  [
    'refuses',
    'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno',
    false,
    error('HTTP/1.1 403 Forbidden'),
  ],
  [
    'wants a password',
    'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n',
    false,
    error('HTTP/1.1 407 Proxy Authentication Required'),
  ],
  ['redirects', 'HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n', false, error('HTTP/1.1 302 Found')],
  ['answers nonsense', 'SSH-2.0-x\r\n\r\n', false, error('SSH-2.0-x')],
  ['answers control characters', 'HTTP/1.1 500 \u001b[1m\u0007\r\n\r\n', false, error('HTTP/1.1 500 ?[1m?')],
  [
    'answers for the server',
    'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
    false,
    error('HTTP/1.1 200 OK'),
  ],
  ['says 2000', 'HTTP/1.1 2000 OK\r\n\r\n', false, error('HTTP/1.1 2000 OK')],
  [
    'never ends its answer',
    `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(4_000)}`,
    false,
    error('HTTP/1.1 200 OK'),
  ],
  ['closes', '', true, 'ERR_DUO_CONNECTION Connection closed'],
  ['closes midway', 'HTTP/1.1 200 O', true, 'ERR_DUO_CONNECTION Connection closed'],
  ['closes behind its answer', 'HTTP/1.1 200 OK\r\n\r\n', true, 'ERR_DUO_CONNECTION Connection closed'],
];
for (const [name, bytes, ends, expected] of REFUSALS) {
  test(`a proxy that ${name}`, async (t) => {
    const { client, simulator, heads } = await through(
      t,
      (socket) => void (ends ? socket.end(bytes) : socket.write(bytes)),
      {
        user: 'user:hush@',
      },
    );
    const message = await failing(client.ping(never));
    t.is(message, expected);
    t.false(message.includes('hush'));
    t.is(heads.length, 3);
    t.is(simulator.service.calls.length, 0);
  });
}

test('a proxy that does not reply is tried three times, ten seconds each', async (t) => {
  const clock = new FakeClock();
  const { client, heads } = await through(t, () => {}, { clock });
  const result = failing(client.ping(never));
  for (let tries = 1; tries <= 3; tries += 1) {
    while (heads.length < tries) await settle();
    await clock.advance(9_999);
    await clock.advance(1);
  }
  t.is(await result, 'ERR_DUO_CONNECTION Proxy connection timed out');
});

test('aborting a call while the proxy connects closes the connection', async (t) => {
  const { promise: begun, resolve } = Promise.withResolvers<Socket>();
  const { client } = await through(t, resolve);
  const gone = new AbortController();
  const over = t.throwsAsync(client.ping(gone.signal), { message: 'taken back' });
  const socket = await begun;
  gone.abort(new Error('taken back'));
  await over;
  if (!socket.closed) await once(socket.resume(), 'close');
});

test('a proxy cannot answer for Duo: its certificate is refused', async (t) => {
  const other = await simulatorFor(t);
  const { client } = await through(t, (socket) =>
    tunnel(socket, `CONNECT localhost:${other.port} HTTP/1.1\r\n\r\n`),
  );
  t.is(await failing(client.ping(never)), 'ERR_DUO_CONNECTION certificate verify failed');
});

test('the proxy variables of the environment are ignored', async (t) => {
  const names = [
    'http_proxy',
    'https_proxy',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'all_proxy',
    'ALL_PROXY',
    'NODE_USE_ENV_PROXY',
  ];
  const before = names.map((name) => [name, process.env[name]] as const);
  t.teardown(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  let asked = 0;
  const port = await tcpServerFor(t, (socket) => {
    asked += 1;
    socket.destroy();
  });
  for (const name of names)
    process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : `http://127.0.0.1:${port}`;
  const simulator = await simulatorFor(t);
  await t.notThrowsAsync(clientFor(simulator).client.ping(never));
  t.is(asked, 0);
});

const TINYPROXY = '/usr/bin/tinyproxy';

/** Debian's tinyproxy on loopback: allows CONNECT to `port` only, with the password. */
async function tinyproxyFor(t: ExecutionContext, port: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'pam-duo-ts-proxy-'));
  const own = await quietPort();
  const settings = [
    `Port ${own}`,
    'Listen 127.0.0.1',
    'Timeout 30',
    'MaxClients 10',
    'Allow 127.0.0.1',
    `ConnectPort ${port}`,
    'BasicAuth user hush',
    'DisableViaHeader Yes',
  ];
  writeFileSync(join(directory, 'tinyproxy.conf'), `${settings.join('\n')}\n`);
  const child = spawn(TINYPROXY, ['-d', '-c', join(directory, 'tinyproxy.conf')], { stdio: 'ignore' });
  const exit = once(child, 'exit');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exit;
    rmSync(directory, { recursive: true });
  });
  for (;;) {
    const socket = connect(own, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return own;
    if (child.exitCode !== null) throw new Error(`tinyproxy ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

(existsSync(TINYPROXY) ? test : test.skip)(
  'tinyproxy lets through who knows its password (needs tinyproxy-bin)',
  async (t) => {
    const simulator = await simulatorFor(t);
    const port = await tinyproxyFor(t, simulator.port);
    const login = (user: string, to = simulator) =>
      failing(
        clientFor(to, { proxy: parseProxy(new Secret(`http://${user}127.0.0.1:${port}`)) }).client.ping(
          never,
        ),
      );
    t.is(await login('user:hush@'), 'no error: undefined');
    t.is(simulator.service.calls.length, 1);
    t.regex(
      await login(''),
      /^ERR_DUO_CONNECTION Proxy error: HTTP\/1\.[01] 407 Proxy Authentication Required$/,
    );
    t.regex(await login('user:wrong@'), /^ERR_DUO_CONNECTION Proxy error: HTTP\/1\.[01] 40[17] /);
    const elsewhere = await simulatorFor(t);
    t.regex(await login('user:hush@', elsewhere), /^ERR_DUO_CONNECTION Proxy error: HTTP\/1\.[01] 403 /);
    t.is(elsewhere.service.calls.length, 0);
  },
);
