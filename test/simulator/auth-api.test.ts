/** The Auth API as HTTP: what is judged before anything is decided, and the envelopes. No socket is needed for it. */
import test from 'ava';
import { parse } from 'valibot';
import { authorization, duoDate, encodeParameters } from '../../src/duo/signature.ts';
import { Secret } from '../../src/lib/secret.ts';
import { authApi } from '../../src/simulator/auth-api.ts';
import { Service } from '../../src/simulator/service.ts';
import { Users } from '../../src/simulator/users.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';

const APPLICATION = { ikey: 'DIXXXXXXXXXXXXXXXXXX', skey: 'never-to-be-seen', name: 'x' };
const HOST = 'api.example.test';

interface Sent {
  readonly method?: 'GET' | 'POST';
  readonly parameters?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is sent, where it is not what was signed. */
  readonly body?: string;
}

function apiFor() {
  const clock = new FakeClock();
  const service = new Service(APPLICATION, parse(Users, { alice: { passcodes: ['123456'] } }), clock);
  const app = authApi(service);
  const call = async (name: string, { method = 'POST', parameters = {}, headers = {}, body }: Sent = {}) => {
    const path = `/auth/v2/${name}`;
    const date = duoDate(clock.now());
    const signed = { date, method, host: HOST, path, parameters };
    const encoded = body ?? encodeParameters(parameters);
    const get = method === 'GET';
    const response = await app.request(
      `https://${HOST}${path}${get && encoded !== '' ? `?${encoded}` : ''}`,
      {
        method,
        headers: {
          host: HOST,
          'x-duo-date': date,
          authorization: authorization(APPLICATION.ikey, new Secret(APPLICATION.skey), signed),
          ...(get ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
          ...headers,
        },
        ...(get ? {} : { body: encoded }),
      },
    );
    return { status: response.status, reply: await response.json().catch(() => 'no JSON') };
  };
  return { clock, service, call };
}

test('an answer lies in an envelope', async (t) => {
  const { call } = apiFor();
  const time = Date.UTC(2026, 0, 1) / 1000;
  t.deepEqual(await call('check', { method: 'GET' }), {
    status: 200,
    reply: { stat: 'OK', response: { time } },
  });
});

test('ping is answered for anybody', async (t) => {
  const { call } = apiFor();
  t.is((await call('ping', { method: 'GET', headers: { authorization: '' } })).status, 200);
});

const refused: readonly [string, string, Sent, number, object][] = [
  [
    'a wrong signature',
    'check',
    { method: 'GET', headers: { authorization: 'Basic RElYOng=' } },
    401,
    { code: 40102 },
  ],
  [
    'parameters that were not signed',
    'preauth',
    { parameters: { username: 'alice' }, body: 'username=root' },
    401,
    { code: 40103 },
  ],
  [
    'a query that was not signed',
    'auth_status',
    { method: 'GET', parameters: { txid: 'a' }, body: 'txid=b' },
    401,
    { code: 40103 },
  ],
  [
    'a date that is long ago',
    'preauth',
    { headers: { 'x-duo-date': 'Thu, 01 Jan 2026 00:05:01 -0000' } },
    401,
    { code: 40105 },
  ],
  [
    'a body that is no form',
    'preauth',
    { headers: { 'content-type': 'application/json' } },
    401,
    { code: 40106, message: 'Invalid content type' },
  ],
  [
    'no user',
    'preauth',
    {},
    400,
    { code: 40001, message: 'Missing required request parameters', message_detail: 'username' },
  ],
  [
    'a body beyond all measure',
    'preauth',
    { parameters: { username: 'x'.repeat(70_000) } },
    400,
    { code: 40002, message_detail: 'body' },
  ],
  ['a place that there is not', 'logs', { method: 'GET' }, 404, { code: 40401 }],
  ['the wrong method', 'preauth', { method: 'GET' }, 404, { code: 40401 }],
];
for (const [name, path, sent, status, reply] of refused) {
  test(`refused: ${name}`, async (t) => {
    const { call, service } = apiFor();
    const answer = await call(path, sent);
    t.is(answer.status, status);
    t.like(answer.reply, { stat: 'FAIL', ...reply });
    t.is(service.transactions.size, 0);
  });
}

test('a request that is refused uses up no passcode', async (t) => {
  const { call, service } = apiFor();
  const parameters = { username: 'alice', factor: 'passcode', passcode: '123456' };
  t.is((await call('auth', { parameters, headers: { authorization: 'x' } })).status, 401);
  t.deepEqual(service.users['alice']?.passcodes, ['123456']);
  t.like(await call('auth', { parameters }), { reply: { stat: 'OK', response: { result: 'allow' } } });
});

test('a delay is a delay, and then the answer', async (t) => {
  const { call, clock, service } = apiFor();
  service.faults.add('check', { kind: 'delay', ms: 5_000 });
  let answered = false;
  const answer = call('check', { method: 'GET' }).finally(() => {
    answered = true;
  });
  await settle();
  await clock.advance(4_999);
  t.false(answered);
  await clock.advance(1);
  t.is((await answer).status, 200);
});

test('a status, a response of its own, and far too much', async (t) => {
  const { call, service } = apiFor();
  service.faults.add('check', { kind: 'status', status: 503, body: '"away"' }, 1);
  service.faults.add('check', { kind: 'response', response: { time: 0 } }, 1);
  service.faults.add('check', { kind: 'huge' }, 1);
  t.deepEqual(await call('check', { method: 'GET' }), { status: 503, reply: 'away' });
  t.deepEqual((await call('check', { method: 'GET' })).reply, { stat: 'OK', response: { time: 0 } });
  t.true(JSON.stringify(await call('check', { method: 'GET' })).length > 1_048_576);
});

test('what fails inside tells nothing of it', async (t) => {
  const { call, service } = apiFor();
  service.preauth = () => {
    throw new Error('never-to-be-seen');
  };
  const answer = await call('preauth', { parameters: { username: 'alice' } });
  t.deepEqual(answer, { status: 500, reply: { stat: 'FAIL', code: 50000, message: 'Server error' } });
});

test('what was asked is noted, without its credentials', async (t) => {
  const { call, service } = apiFor();
  await call('preauth', { parameters: { username: 'alice' }, headers: { 'user-agent': 'test/1' } });
  t.deepEqual(service.calls, [{ call: 'preauth', form: { username: 'alice' }, userAgent: 'test/1' }]);
});
