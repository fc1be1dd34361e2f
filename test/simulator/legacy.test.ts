/** The REST API v1 on the wire. */
import { createHmac } from 'node:crypto';
import { request } from 'node:https';
import { buffer } from 'node:stream/consumers';
import test from 'ava';
import { deserialize } from 'bson';
import { EXAMPLE_APPLICATION, type Simulator } from '../../src/simulator/simulator.ts';
import { LONG_POLL_MS } from '../../src/simulator/transactions.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { simulatorFor } from '../lib/service.ts';

const { ikey, skey } = EXAMPLE_APPLICATION;

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}

interface Changes {
  readonly sign?: (lines: readonly string[]) => string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

function sha1(lines: readonly string[]): string {
  const hex = createHmac('sha1', skey).update(lines.join('\n')).digest('hex');
  return `Basic ${Buffer.from(`${ikey}:${hex}`).toString('base64')}`;
}

/** One request, as the packaged client makes it except for `changes`. */
async function send(
  { host, port, ca }: Simulator,
  method: 'GET' | 'POST',
  name: string,
  parameters: string,
  { sign = sha1, headers = {} }: Changes = {},
): Promise<Reply> {
  const path = `/rest/v1/${name}.bson`;
  const authorization = sign([method, host, path, parameters]);
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const outgoing = request(
    {
      host,
      port,
      ca,
      method,
      agent: false,
      path: method === 'GET' && parameters !== '' ? `${path}?${parameters}` : path,
      headers: {
        ...(authorization === undefined ? {} : { Authorization: authorization }),
        ...(method === 'POST' ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {}),
        ...headers,
      },
    },
    (incoming) => {
      buffer(incoming).then(
        (body) =>
          resolve({
            status: incoming.statusCode ?? 0,
            type: incoming.headers['content-type'] ?? '',
            body,
          }),
        reject,
      );
    },
  );
  outgoing.on('error', reject).end(method === 'POST' ? parameters : undefined);
  return promise;
}

/** The document in a reply. */
function documentOf({ type, body }: Reply) {
  if (type !== 'application/bson') throw new Error(`${type} is not BSON`);
  return deserialize(body);
}

async function ok(...call: Parameters<typeof send>): Promise<unknown> {
  const reply = await send(...call);
  const { stat, response } = documentOf(reply);
  if (reply.status !== 200 || stat !== 'OK') throw new Error(`${reply.status} ${stat}`);
  return response;
}

test('every call answers in BSON', async (t) => {
  const simulator = await simulatorFor(t, {
    users: {
      alice: { passcodes: ['123456'], phone: 'approve' },
      bob: { status: 'allow' },
      carol: { status: 'deny' },
    },
  });
  t.is(await ok(simulator, 'GET', 'ping', ''), 'pong');
  t.is(await ok(simulator, 'GET', 'check', ''), 'valid');
  t.deepEqual(await ok(simulator, 'POST', 'preauth', 'failmode=open&hostname=host&user=alice'), {
    result: 'auth',
    prompt:
      'Duo two-factor login for alice\n\nEnter a passcode or select one of the following options:\n\n' +
      ' 1. Duo Push to XXX-XXX-1234\n 2. Phone call to XXX-XXX-1234\n 3. SMS passcodes to XXX-XXX-1234\n\n' +
      'Passcode or option (1-3): ',
    factors: { default: 'push1', '1': 'push1', '2': 'phone1', '3': 'sms1' },
  });
  t.deepEqual(await ok(simulator, 'POST', 'preauth', 'user=bob'), {
    result: 'allow',
    status: 'Skipped two-factor authentication.',
  });
  t.deepEqual(await ok(simulator, 'POST', 'preauth', 'user=carol'), {
    result: 'deny',
    status: 'Your account is disabled and cannot access this application.',
  });
  t.deepEqual(await ok(simulator, 'POST', 'preauth', 'user=nobody'), {
    result: 'enroll',
    status:
      'Enroll an authentication device to proceed: https://enroll.example.test/portal?code=48bac5d9393fb2c2',
  });
  const passcode = 'async=0&auto=123456&factor=auto&user=alice';
  t.deepEqual(await ok(simulator, 'POST', 'auth', passcode), {
    result: 'allow',
    status: 'Success. Logging you in...',
  });
  t.deepEqual(await ok(simulator, 'POST', 'auth', passcode), {
    result: 'deny',
    status: 'Incorrect passcode. Please try again.',
  });
});

test('a push reports each state, and no news is not an error', async (t) => {
  const clock = new FakeClock();
  const simulator = await simulatorFor(t, { users: { alice: {} }, clock });
  await ok(
    simulator,
    'POST',
    'auth',
    'async=1&auto=push1&factor=auto&hostname=host&ipaddr=192.0.2.7&pushinfo=Server%2BIP%3D%28null%29%26Command%3Did&user=alice',
  );
  const [push] = simulator.service.transactions.values();
  if (push === undefined) throw new Error('there is no push');
  t.deepEqual(push.occasion, {
    username: 'alice',
    application: EXAMPLE_APPLICATION.name,
    ipaddr: '192.0.2.7',
    hostname: 'host',
    pushinfo: { 'Server IP': '(null)', Command: 'id' },
  });
  const status = () => ok(simulator, 'GET', 'status', `txid=${push.txid}`);
  const pushed = { event: 'pushed', status: 'Pushed a login request to your device...' };
  t.deepEqual(await status(), pushed);
  const silence = status();
  // The push has its own timer; the other sleep is the long poll.
  while (clock.sleeping < 2) await settle();
  await clock.advance(LONG_POLL_MS);
  t.deepEqual(await silence, pushed);
  push.approve();
  t.deepEqual(await status(), { event: 'allow', result: 'allow', status: 'Success. Logging you in...' });
});

test('a recorded request of the packaged client has a valid version 1 signature', async (t) => {
  const simulator = await simulatorFor(t, {
    application: { ikey: 'DIXXXXXXXXXXXXXXXXXX', skey, name: 'UNIX Application' },
    users: { alice: { status: 'allow' } },
  });
  const recorded =
    'Basic RElYWFhYWFhYWFhYWFhYWFhYWFg6YjRiZDA0Yzc4YjE2ZTgxMzQxZGJhYzM3ZmY2M2E5YjRkMDUxMWQyYg==';
  t.like(
    await ok(simulator, 'POST', 'preauth', 'failmode=open&hostname=host.example.test&user=alice', {
      sign: () => recorded,
    }),
    { result: 'allow' },
  );
});

test('invalid requests are refused', async (t) => {
  const simulator = await simulatorFor(t);
  const user = 'user=alice';
  const stale = 'Tue, 21 Aug 2012 17:29:18 -0000';
  const basic = (text: string) => () => `Basic ${Buffer.from(text).toString('base64')}`;
  const json = { 'Content-Type': 'application/json' };
  const cases: readonly [string, Parameters<typeof send>[1], string, string, Changes, number, string][] = [
    ['no call of this API', 'POST', 'nothing', user, {}, 40401, ''],
    ['the other method', 'GET', 'preauth', user, {}, 40401, ''],
    ['no credentials', 'POST', 'preauth', user, { sign: () => undefined }, 40101, ''],
    ['credentials of another kind', 'POST', 'preauth', user, { sign: () => 'Bearer x' }, 40102, ''],
    ['another ikey', 'POST', 'preauth', user, { sign: basic(`DIOTHER:${'0'.repeat(40)}`) }, 40102, ''],
    ['another signature', 'POST', 'preauth', user, { sign: basic(`${ikey}:${'0'.repeat(40)}`) }, 40103, ''],
    ['no signature', 'POST', 'preauth', user, { sign: basic(`${ikey}:`) }, 40103, ''],
    [
      'a signature of other parameters',
      'POST',
      'preauth',
      user,
      { sign: ([method = '', host = '', path = '']) => sha1([method, host, path, 'user=bob']) },
      40103,
      '',
    ],
    [
      'a signature with the port in it',
      'POST',
      'preauth',
      user,
      {
        sign: ([method = '', host = '', path = '', parameters = '']) =>
          sha1([method, `${host}:${simulator.port}`, path, parameters]),
      },
      40103,
      '',
    ],
    [
      'a date that is not signed',
      'POST',
      'preauth',
      user,
      { headers: { Date: new Date().toUTCString() } },
      40103,
      '',
    ],
    ['an old date', 'POST', 'preauth', user, { headers: { Date: stale } }, 40105, ''],
    ['another kind of body', 'POST', 'preauth', user, { headers: json }, 40106, ''],
    ['no user', 'POST', 'preauth', '', {}, 40001, 'user'],
    ['no factor', 'POST', 'auth', user, {}, 40001, 'factor'],
    ['a factor of the other API', 'POST', 'auth', `factor=prompt&prompt=push1&${user}`, {}, 40002, 'factor'],
    ['nothing chosen', 'POST', 'auth', `factor=auto&${user}`, {}, 40001, 'auto'],
    ['a device that is not there', 'POST', 'auth', `auto=push9&factor=auto&${user}`, {}, 40002, 'prompt'],
    ['no txid', 'GET', 'status', '', {}, 40001, 'txid'],
    ['an unknown txid', 'GET', 'status', 'txid=nobody', {}, 40002, 'txid'],
  ];
  for (const [what, method, name, parameters, changes, code, detail] of cases) {
    const reply = await send(simulator, method, name, parameters, changes);
    const { stat, code: given, message, message_detail } = documentOf(reply);
    t.deepEqual([stat, given, message_detail ?? ''], ['FAIL', code, detail], what);
    t.is(typeof message, 'string', what);
    t.is(reply.status, Math.floor(code / 100), what);
  }
});

test('a signed date is accepted', async (t) => {
  const simulator = await simulatorFor(t);
  const date = new Date().toUTCString();
  t.is(
    await ok(simulator, 'GET', 'check', '', {
      headers: { Date: date },
      sign: (lines) => sha1([date, ...lines]),
    }),
    'valid',
  );
});

test('faults apply to this API too', async (t) => {
  const simulator = await simulatorFor(t);
  const { faults } = simulator.service;
  const preauth = () => send(simulator, 'POST', 'preauth', 'user=bob');
  faults.add('preauth', { kind: 'status', status: 503 }, 1);
  t.is((await preauth()).status, 503);
  faults.add('preauth', { kind: 'response', response: { result: 'maybe' } }, 1);
  t.deepEqual(documentOf(await preauth()), { stat: 'OK', response: { result: 'maybe' } });
  faults.add('preauth', { kind: 'huge' }, 1);
  t.true((await preauth()).body.length > 1_048_576);
  for (const kind of ['drop', 'garbage', 'truncated'] as const) {
    faults.add('preauth', { kind }, 1);
    await t.throwsAsync(preauth, undefined, kind);
  }
  t.like(documentOf(await preauth()), { stat: 'OK' });
});
