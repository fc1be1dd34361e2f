/** The Auth API over HTTPS: checks of requests, and the envelopes of replies. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { buffer, text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { authorization, duoDate, encodeParameters } from '../../src/duo/signature.ts';
import { Secret } from '../../src/lib/secret.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { simulatorFor } from '../lib/service.ts';

const application = { ikey: 'DIXXXXXXXXXXXXXXXXXX', skey: 'never-to-be-seen', name: 'x' };
const HOST = 'api.example.test';

interface Sent {
  readonly method?: 'GET' | 'POST';
  readonly parameters?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is sent, where it differs from what was signed. */
  readonly body?: string;
}

async function apiFor(t: ExecutionContext) {
  const clock = new FakeClock();
  const users = { alice: { passcodes: ['123456'] } };
  const { service, port, ca } = await simulatorFor(t, { application, users, clock, names: [HOST] });
  const call = async (name: string, { method = 'POST', parameters = {}, headers = {}, body }: Sent = {}) => {
    const path = `/auth/v2/${name}`;
    const date = duoDate(clock.now());
    const signed = { date, method, host: HOST, path, parameters };
    const encoded = body ?? encodeParameters(parameters);
    const get = method === 'GET';
    const sent = request({
      host: '127.0.0.1',
      port,
      servername: HOST,
      ca,
      method,
      path: get && encoded !== '' ? `${path}?${encoded}` : path,
      headers: {
        host: HOST,
        'x-duo-date': date,
        authorization: authorization(application.ikey, new Secret(application.skey), signed),
        ...(get ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...headers,
      },
    });
    sent.end(get ? '' : encoded);
    const [response]: IncomingMessage[] = await once(sent, 'response');
    if (response === undefined) throw new Error('no response');
    const reply: unknown = JSON.parse(await text(response));
    return { status: response.statusCode, reply };
  };
  return { clock, service, call };
}

test("a reply has Duo's envelope", async (t) => {
  const { call } = await apiFor(t);
  const time = Date.UTC(2026, 0, 1) / 1000;
  t.deepEqual(await call('check', { method: 'GET' }), {
    status: 200,
    reply: { stat: 'OK', response: { time } },
  });
});

test('ping needs no credentials', async (t) => {
  const { call } = await apiFor(t);
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
    { headers: { 'content-type': 'text/plain' } },
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
    const { call, service } = await apiFor(t);
    const answer = await call(path, sent);
    t.is(answer.status, status);
    t.like(answer.reply, { stat: 'FAIL', ...reply });
    t.is(service.transactions.size, 0);
  });
}

test('the logo is a PNG without an envelope', async (t) => {
  const { port, ca } = await simulatorFor(t, { application, names: [HOST] });
  const date = duoDate(Date.now());
  const signed = { date, method: 'GET', host: HOST, path: '/auth/v2/logo', parameters: {} } as const;
  const get = async (headers: object) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      servername: HOST,
      ca,
      path: signed.path,
      headers: { host: HOST, ...headers },
    });
    sent.end();
    const [response]: IncomingMessage[] = await once(sent, 'response');
    if (response === undefined) throw new Error('no response');
    return { type: response.headers['content-type'], body: await buffer(response) };
  };
  const skey = new Secret(application.skey);
  const { type, body } = await get({
    'x-duo-date': date,
    authorization: authorization(application.ikey, skey, signed),
  });
  t.is(type, 'image/png');
  t.is(body.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
  t.is(body.subarray(-8, -4).toString('latin1'), 'IEND');
  t.is((await get({})).type, 'application/json');
});

test('a refused request uses up no passcode', async (t) => {
  const { call, service } = await apiFor(t);
  const parameters = { username: 'alice', factor: 'passcode', passcode: '123456' };
  t.is((await call('auth', { parameters, headers: { authorization: 'x' } })).status, 401);
  t.deepEqual(service.users['alice']?.passcodes, ['123456']);
  t.like(await call('auth', { parameters }), { reply: { stat: 'OK', response: { result: 'allow' } } });
});

test('a delayed reply arrives after its delay', async (t) => {
  const { call, clock, service } = await apiFor(t);
  service.faults.add('check', { kind: 'delay', ms: 5_000 });
  let answered = false;
  const answer = call('check', { method: 'GET' }).finally(() => {
    answered = true;
  });
  while (clock.sleeping === 0) await settle();
  await clock.advance(4_999);
  t.false(answered);
  t.is(clock.sleeping, 1);
  await clock.advance(1);
  t.is((await answer).status, 200);
});

test('faults: a status, a given response, and an oversized one', async (t) => {
  const { call, service } = await apiFor(t);
  service.faults.add('check', { kind: 'status', status: 503, body: '"away"' }, 1);
  service.faults.add('check', { kind: 'response', response: { time: 0 } }, 1);
  service.faults.add('check', { kind: 'huge' }, 1);
  t.deepEqual(await call('check', { method: 'GET' }), { status: 503, reply: 'away' });
  t.deepEqual((await call('check', { method: 'GET' })).reply, { stat: 'OK', response: { time: 0 } });
  t.true(JSON.stringify(await call('check', { method: 'GET' })).length > 1_048_576);
});

test('an internal error shows no details', async (t) => {
  const { call, service } = await apiFor(t);
  service.preauth = () => {
    throw new Error('never-to-be-seen');
  };
  const answer = await call('preauth', { parameters: { username: 'alice' } });
  t.deepEqual(answer, { status: 500, reply: { stat: 'FAIL', code: 50000, message: 'Server error' } });
});

test('requests are recorded without their credentials', async (t) => {
  const { call, service } = await apiFor(t);
  await call('preauth', { parameters: { username: 'alice' }, headers: { 'user-agent': 'test/1' } });
  t.deepEqual(service.calls, [{ call: 'preauth', form: { username: 'alice' }, userAgent: 'test/1' }]);
});
