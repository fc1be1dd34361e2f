import { connect, createServer, type Server, type Socket } from 'node:net';
import test from 'ava';
import type { AuthStatus } from '../../src/duo/api.ts';
import { DuoError, DuoLocalError } from '../../src/duo/errors.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { CertificateKind } from '../../src/simulator/certificates.ts';
import type { Fault } from '../../src/simulator/faults.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { quietPort } from '../lib/quiet-port.ts';
import { clientFor, never, simulatorFor } from '../lib/service.ts';

const alice = { username: 'alice', failmode: 'closed', verifiedPush: false } as const;

/** The error that a call ends with, as `code message`. */
async function failing(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof DuoError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'no error';
}

test('a passcode logs in', async (t) => {
  const simulator = await simulatorFor(t);
  const { client } = clientFor(simulator);
  await client.ping(never);
  t.deepEqual(await client.preauth(alice, never), {
    result: 'auth',
    message: 'Account is active',
    promptText:
      'Duo two-factor login for alice\n\nEnter a passcode or select one of the following options:\n\n' +
      ' 1. Duo Push to XXX-XXX-1234\n 2. Phone call to XXX-XXX-1234\n 3. SMS passcodes to XXX-XXX-1234\n\n' +
      'Passcode or option (1-3): ',
    defaultFactor: 'push1',
    factors: [
      { key: '1', value: 'push1' },
      { key: '2', value: 'phone1' },
      { key: '3', value: 'sms1' },
    ],
  });
  const request = {
    username: 'alice',
    factor: '100001',
    ipaddr: '192.0.2.7',
    hostname: 'host',
    pushinfo: 'a=b%20c',
  };
  t.deepEqual(await client.auth(request, never), {
    result: 'allow',
    status: 'allow',
    message: 'Success. Logging you in...',
  });
  t.is((await client.auth(request, never)).result, 'deny');
  t.deepEqual(simulator.service.calls[2], {
    call: 'auth',
    form: {
      username: 'alice',
      factor: 'prompt',
      prompt: '100001',
      async: '0',
      ipaddr: '192.0.2.7',
      hostname: 'host',
      pushinfo: 'a=b%20c',
    },
    userAgent: 'test/1 (test) libduo/1',
  });
  client.close();
});

test('a push is polled until the user decides', async (t) => {
  const simulator = await simulatorFor(t);
  const { client } = clientFor(simulator);
  const txid = await client.authAsync({ username: 'alice', factor: 'push1' }, never);
  const states: AuthStatus[] = [await client.authStatus(txid, never)];
  const next = client.authStatus(txid, never);
  t.true(simulator.service.transactions.get(txid)?.approve());
  states.push(await next);
  t.deepEqual(
    states.map(({ status }) => status),
    ['pushed', 'allow'],
  );
});

test('a long poll that times out means that Duo is still waiting', async (t) => {
  const clock = new FakeClock(Date.now());
  const simulator = await simulatorFor(t, { clock });
  const { client } = clientFor(simulator);
  const txid = await client.authAsync({ username: 'alice', factor: 'push1' }, never);
  const body = '{"stat":"FAIL","code":40002,"message":"Long poll timed out"}';
  simulator.service.faults.add('auth_status', { kind: 'status', status: 400, body }, 1);
  t.deepEqual(await client.authStatus(txid, never), { result: 'waiting', status: '', message: '' });
});

const refused: Record<string, string> = {
  bob: 'allow',
  carol: 'deny',
  erin: 'enroll',
  lock: 'deny',
  nobody: 'enroll',
};
for (const [username, result] of Object.entries(refused)) {
  test(`preauth answers ${result} for ${username}`, async (t) => {
    const { client } = clientFor(await simulatorFor(t));
    t.is((await client.preauth({ ...alice, username }, never)).result, result as 'allow');
  });
}

const certificates: Record<Exclude<CertificateKind, 'good' | 'name-in-cn' | 'utf8-name-in-cn'>, RegExp> = {
  expired: /: certificate verify failed: expired, if this host's clock is right \(\d{4}-\d\d-\d\d\)$/,
  'not-yet-valid':
    /: certificate verify failed: not valid yet, if this host's clock is right \(\d{4}-\d\d-\d\d\)$/,
  'self-signed': /: certificate verify failed$/,
  'wrong-name': /: Certificate name validation failed$/,
};
for (const [certificate, reason] of Object.entries(certificates)) {
  test(`a certificate that is ${certificate} is refused, and is tried three times`, async (t) => {
    const simulator = await simulatorFor(t, { certificate: certificate as CertificateKind });
    let handshakes = 0;
    const counter = await listenFor(t, (socket) => {
      handshakes += 1;
      const onward = connect(simulator.port, '127.0.0.1');
      socket.pipe(onward).pipe(socket);
      socket.on('error', () => onward.destroy());
      onward.on('error', () => socket.destroy());
    });
    const { client } = clientFor(simulator, { host: '127.0.0.1', port: counter });
    const failure = await failing(client.ping(never));
    t.true(failure.startsWith(`ERR_DUO_CONNECTION Couldn't connect to 127.0.0.1:${counter}: `), failure);
    t.regex(failure, reason);
    t.is(handshakes, 3);
    t.is(simulator.service.calls.length, 0);
  });
}

test('a certificate of another authority is refused', async (t) => {
  const simulator = await simulatorFor(t);
  const other = await simulatorFor(t);
  const { client } = clientFor(simulator, { trust: { kind: 'authorities', pem: [other.ca] } });
  t.regex(await failing(client.ping(never)), /certificate verify failed$/);
});

test('the certificate chain is checked before the name', async (t) => {
  const simulator = await simulatorFor(t, { certificate: 'wrong-name' });
  const other = await simulatorFor(t);
  const { client } = clientFor(simulator, { trust: { kind: 'authorities', pem: [other.ca] } });
  t.regex(await failing(client.ping(never)), /certificate verify failed$/);
});

for (const certificate of ['name-in-cn', 'utf8-name-in-cn'] as const) {
  test(`${certificate}: the name in CN alone is accepted behind a cafile, but not under Duo's own anchors`, async (t) => {
    const simulator = await simulatorFor(t, { certificate });
    const trust = { kind: 'authorities', pem: [simulator.ca] } as const;
    await t.notThrowsAsync(
      clientFor(simulator, { trust: { ...trust, commonName: true } }).client.ping(never),
    );
    t.regex(
      await failing(clientFor(simulator, { trust }).client.ping(never)),
      /Certificate name validation failed$/,
    );
  });
}

test('without verification any certificate is accepted', async (t) => {
  const simulator = await simulatorFor(t, { certificate: 'wrong-name' });
  const { client } = clientFor(simulator, { trust: { kind: 'none' } });
  await t.notThrowsAsync(client.ping(never));
});

const replies: readonly [string, Fault, string | RegExp][] = [
  [
    'a dropped connection',
    { kind: 'drop' },
    /^ERR_DUO_CONNECTION Couldn't connect to localhost:\d+: Connection closed$/,
  ],
  ['bytes that are no HTTP', { kind: 'garbage' }, /^ERR_DUO_CONNECTION .*: the reply is not HTTP$/],
  ['a truncated reply', { kind: 'truncated' }, /^ERR_DUO_CONNECTION .*: Connection closed$/],
  ['a huge reply', { kind: 'huge' }, 'ERR_DUO_REPLY the reply is longer than 262144 bytes'],
  ['5xx', { kind: 'status', status: 503 }, 'ERR_DUO_SERVER HTTP 503'],
  [
    'a redirect',
    { kind: 'status', status: 302, headers: { location: 'https://x.test' } },
    'ERR_DUO_SERVER HTTP 302',
  ],
  ['401', { kind: 'status', status: 401 }, 'ERR_DUO_UNAUTHORIZED Invalid ikey or skey'],
  ['404', { kind: 'status', status: 404 }, 'ERR_DUO_REQUEST HTTP 404'],
  [
    '400 in words',
    {
      kind: 'status',
      status: 400,
      body: '{"stat":"FAIL","code":40002,"message":"Invalid \\u001b[1m","message_detail":"x"}',
    },
    'ERR_DUO_REQUEST 40002: Invalid ?[1m (x)',
  ],
  ['no JSON', { kind: 'status', status: 200, body: 'hello' }, 'ERR_DUO_REPLY invalid JSON response'],
  ['another JSON', { kind: 'status', status: 200, body: '[]' }, "ERR_DUO_REPLY JSON missing valid 'stat'"],
  [
    'a nameless failure',
    { kind: 'status', status: 200, body: '{"stat":"FAIL"}' },
    "ERR_DUO_REPLY JSON missing valid 'code'",
  ],
  [
    'no response',
    { kind: 'status', status: 200, body: '{"stat":"OK"}' },
    "ERR_DUO_REPLY JSON missing valid 'response'",
  ],
  ['an empty response', { kind: 'response', response: {} }, "ERR_DUO_REPLY JSON missing valid 'result'"],
  [
    'an unknown result',
    { kind: 'response', response: { result: 'maybe' } },
    "ERR_DUO_REPLY JSON invalid 'result': maybe",
  ],
  [
    'no prompt',
    { kind: 'response', response: { result: 'auth' } },
    "ERR_DUO_REPLY JSON missing valid 'prompt'",
  ],
  [
    'a prompt without text',
    { kind: 'response', response: { result: 'auth', prompt: { factors: {} } } },
    "ERR_DUO_REPLY JSON missing valid 'text'",
  ],
  [
    'no factors',
    { kind: 'response', response: { result: 'auth', prompt: { text: 'x' } } },
    "ERR_DUO_REPLY JSON missing valid 'factors'",
  ],
];
for (const [name, fault, expected] of replies) {
  test(`preauth answered by ${name}`, async (t) => {
    const simulator = await simulatorFor(t);
    simulator.service.faults.add('preauth', fault);
    const { client } = clientFor(simulator);
    const error = await failing(client.preauth(alice, never));
    if (typeof expected === 'string') t.is(error, expected);
    else t.regex(error, expected);
    const connection = error.startsWith('ERR_DUO_CONNECTION');
    t.is(simulator.service.calls.length, connection ? 3 : 1);
  });
}

test('a call succeeds at the third try after two broken connections', async (t) => {
  const simulator = await simulatorFor(t);
  simulator.service.faults.add('preauth', { kind: 'drop' }, 2);
  const { client } = clientFor(simulator);
  t.is((await client.preauth(alice, never)).result, 'auth');
});

test('auth is never sent twice', async (t) => {
  const simulator = await simulatorFor(t);
  simulator.service.faults.add('auth', { kind: 'drop' });
  const { client } = clientFor(simulator);
  await client.ping(never);
  t.regex(await failing(client.auth({ username: 'alice', factor: 'push1' }, never)), /Connection closed$/);
  t.is(simulator.service.calls.filter(({ call }) => call === 'auth').length, 1);
});

test('a closed port is an unreachable Duo', async (t) => {
  const simulator = await simulatorFor(t);
  const port = await quietPort();
  const { client } = clientFor(simulator, { port });
  t.is(
    await failing(client.ping(never)),
    `ERR_DUO_CONNECTION Couldn't connect to localhost:${port}: Failed to connect`,
  );
});

test('a host name that does not exist is an unreachable Duo', async (t) => {
  const simulator = await simulatorFor(t);
  const { client } = clientFor(simulator, { host: 'nowhere.invalid', port: 443 });
  t.is(
    await failing(client.ping(never)),
    "ERR_DUO_CONNECTION Couldn't connect to nowhere.invalid:443: Name or service not known",
  );
});

test('a TLS handshake that does not finish is given up after five seconds', async (t) => {
  const clock = new FakeClock();
  const sockets: Socket[] = [];
  const { promise: third, resolve } = Promise.withResolvers<void>();
  let next = Promise.withResolvers<void>();
  const port = await listenFor(t, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', () => {
      next.resolve();
      if (sockets.length === 3) resolve();
    });
  });
  const { client } = clientFor(await simulatorFor(t), { host: '127.0.0.1', port, clock });
  const result = failing(client.ping(never));
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await next.promise;
    next = Promise.withResolvers();
    await settle();
    await clock.advance(5_000);
  }
  await third;
  t.regex(await result, /SSL handshake timed out$/);
});

test('a reply that does not come times out, and an abort ends it at once', async (t) => {
  const clock = new FakeClock(Date.now());
  const simulator = await simulatorFor(t);
  simulator.service.faults.add('*', { kind: 'hang' });
  const { client } = clientFor(simulator, { clock, timeout: 7_000 });
  const result = failing(client.authAsync({ username: 'alice', factor: 'push1' }, never));
  await called(simulator, 1);
  await settle();
  await clock.advance(7_000);
  t.regex(await result, /no reply in time$/);

  const gone = new AbortController();
  const waiting = client.preauth(alice, gone.signal);
  await called(simulator, 2);
  gone.abort(new Error('given up'));
  await t.throwsAsync(waiting, { message: 'given up' });
  await t.throwsAsync(client.ping(gone.signal), { message: 'given up' });
});

test('after 429 the client waits as long as Duo asks and tells the user', async (t) => {
  const clock = new FakeClock(Date.now());
  const simulator = await simulatorFor(t, { clock });
  simulator.service.faults.add(
    'preauth',
    { kind: 'status', status: 429, headers: { 'Retry-After': '3' } },
    1,
  );
  const { client, notices } = clientFor(simulator, { clock });
  const preauth = client.preauth(alice, never);
  await untilSleeping(clock);
  await clock.advance(3_000);
  t.is((await preauth).result, 'auth');
  t.deepEqual(notices, [
    'Rate-limiting response received from server. Waiting for 3 seconds before retrying.',
  ]);
});

test('a 429 with too long a wait is given up', async (t) => {
  const simulator = await simulatorFor(t);
  simulator.service.faults.add('preauth', { kind: 'status', status: 429, headers: { 'Retry-After': '33' } });
  const { client } = clientFor(simulator);
  t.is(await failing(client.preauth(alice, never)), 'ERR_DUO_RATE_LIMIT HTTP 429');
});

test('ping corrects a wrong clock, and again when Duo complains', async (t) => {
  const clock = new FakeClock(Date.now() - 86_400_000);
  const simulator = await simulatorFor(t);
  const { client } = clientFor(simulator, { clock });
  t.is((await client.preauth(alice, never)).result, 'auth');
  t.deepEqual(
    simulator.service.calls.map(({ call }) => call),
    ['preauth', 'ping', 'preauth'],
  );
  clock.set(0);
  t.is((await client.preauth(alice, never)).result, 'auth');
});

test('a client that trusts its clock sends no ping until Duo complains', async (t) => {
  const simulator = await simulatorFor(t);
  const calls = () => simulator.service.calls.splice(0).map(({ call }) => call);
  const right = clientFor(simulator, { trustsClock: true }).client;
  await right.ping(never);
  t.is((await right.preauth(alice, never)).result, 'auth');
  t.deepEqual(calls(), ['preauth']);

  const clock = new FakeClock(Date.now() - 86_400_000);
  const wrong = clientFor(simulator, { trustsClock: true, clock }).client;
  await wrong.ping(never);
  t.is((await wrong.preauth(alice, never)).result, 'auth');
  t.deepEqual(calls(), ['preauth', 'ping', 'preauth']);
  // The measured offset also applies to later calls of the login.
  await wrong.ping(never);
  t.is((await wrong.preauth(alice, never)).result, 'auth');
  t.deepEqual(calls(), ['preauth']);
});

test('a wrong skey is an unauthorized call, and no message shows its value', async (t) => {
  const simulator = await simulatorFor(t);
  const { client } = clientFor(simulator, { skey: new Secret('wrong-and-secret') });
  const error = await t.throwsAsync(client.preauth(alice, never), { message: 'Invalid ikey or skey' });
  t.false(JSON.stringify(error, Object.getOwnPropertyNames(error)).includes('secret'));
});

test('every address of the API host is tried', async (t) => {
  const simulator = await simulatorFor(t);
  // `localhost` is ::1 and 127.0.0.1; the simulator listens on the latter only.
  const { client } = clientFor(simulator, { host: 'localhost' });
  await t.notThrowsAsync(client.ping(never));
});

for (const code of ['EMFILE', 'ENFILE', 'ENOBUFS', 'EAI_MEMORY', 'ERR_ACCESS_DENIED']) {
  test(`${code} is a local failure, not an unreachable Duo`, async (t) => {
    const { asDuoError } = await import('../../src/duo/connect.ts');
    const cause = Object.assign(new Error('x'), { code });
    t.true(asDuoError({ host: 'h', port: 1 }, 'Failed to connect', cause) instanceof DuoLocalError);
  });
}

async function called(simulator: Awaited<ReturnType<typeof simulatorFor>>, count: number): Promise<void> {
  while (simulator.service.calls.length < count) {
    await new Promise<void>((resolve) => simulator.service.once('call', () => resolve()));
  }
}

async function untilSleeping(clock: FakeClock): Promise<void> {
  // A request's own time limit sleeps too. The wait for the rate limit is the sleep that remains after the request.
  for (let calm = 0; calm < 20; calm = clock.sleeping === 1 ? calm + 1 : 0) await settle();
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function listenFor(
  t: { teardown(end: () => void): void },
  serve: (socket: Socket) => void,
): Promise<number> {
  const server = createServer(serve);
  t.teardown(() => {
    server.close();
  });
  return listening(server);
}
