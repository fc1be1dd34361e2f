/** Decisions of the simulated Duo, and their time. */
import test from 'ava';
import { parse } from 'valibot';
import { ApiFailure, type Form } from '../../src/simulator/failure.ts';
import { Service } from '../../src/simulator/service.ts';
import { LONG_POLL_MS, type State } from '../../src/simulator/transactions.ts';
import { Users, type UsersInput } from '../../src/simulator/users.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { fieldOf } from '../lib/service.ts';

const APPLICATION = { ikey: 'DI', skey: 's', name: 'UNIX Application' };

function serviceFor(users: UsersInput = { alice: { passcodes: ['123456'] } }) {
  const clock = new FakeClock();
  const service = new Service(APPLICATION, parse(Users, users), clock);
  /** Starts an asynchronous authentication. */
  const begin = async (form: Form): Promise<string> =>
    fieldOf(await service.auth({ username: 'alice', async: '1', ...form }), 'txid');
  const factor = (prompt: string): Promise<State> =>
    service.auth({ username: 'alice', factor: 'prompt', prompt }) as Promise<State>;
  const phone = (txid: string) => {
    const transaction = service.transactions.get(txid);
    if (transaction === undefined) throw new Error('no such transaction');
    return transaction;
  };
  return { clock, service, begin, factor, phone };
}

/** `code message detail` of a call that fails. */
async function failing(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof ApiFailure) return `${error.code} ${error.message} ${error.detail}`.trim();
    throw error;
  }
  return 'no failure';
}

const MISSING = '40001 Missing required request parameters';
const INVALID = '40002 Invalid request parameters';

test('ping and check return the time in seconds', (t) => {
  t.deepEqual(serviceFor().service.time(), { time: Date.UTC(2026, 0, 1) / 1000 });
});

for (const [status, result] of [
  ['auth', 'auth'],
  ['allow', 'allow'],
  ['deny', 'deny'],
  ['enroll', 'enroll'],
  ['locked_out', 'deny'],
] as const) {
  test(`preauth of a user whose status is ${status}`, (t) => {
    const { service } = serviceFor({ alice: { status } });
    t.like(service.preauth({ username: 'alice' }), { result });
  });
}

test('an unknown user must enrol', (t) => {
  t.like(serviceFor().service.preauth({ username: 'nobody' }), { result: 'enroll' });
});

test('clients that ask for a menu get one of what the devices support', (t) => {
  const { service } = serviceFor({
    alice: {
      devices: [
        { name: 'A', sms: false },
        { name: 'B', push: false },
      ],
    },
  });
  t.false('prompt' in (service.preauth({ username: 'alice' }) as object));
  t.like(service.preauth({ username: 'alice', text_prompt: '1' }), {
    prompt: {
      text:
        'Duo two-factor login for alice\n\nEnter a passcode or select one of the following options:\n\n' +
        ' 1. Duo Push to A\n 2. Phone call to A\n 3. Phone call to B\n 4. SMS passcodes to B\n\nPasscode or option (1-4): ',
      factors: { default: 'push1', 1: 'push1', 2: 'phone1', 3: 'phone2', 4: 'sms1' },
    },
  });
});

test('a user without devices can use passcodes only and has no default factor', (t) => {
  const { service } = serviceFor({ alice: { devices: [] } });
  t.like(service.preauth({ username: 'alice', text_prompt: '1' }), {
    prompt: { text: 'Duo two-factor login for alice\n\nPasscode: ', factors: {} },
  });
});

const malformed: readonly [string, Form, string][] = [
  ['no user', { factor: 'push', device: 'auto' }, `${MISSING} username`],
  ['an empty user', { username: '', factor: 'push', device: 'auto' }, `${MISSING} username`],
  ['an unknown user', { username: 'nobody', factor: 'push', device: 'auto' }, `${INVALID} username`],
  ['no factor', { username: 'alice' }, `${MISSING} factor`],
  ['an unknown factor', { username: 'alice', factor: 'nose', device: 'auto' }, `${INVALID} factor`],
  ['a factor without a device', { username: 'alice', factor: 'push' }, `${MISSING} device`],
  ['prompt without a prompt', { username: 'alice', factor: 'prompt' }, `${MISSING} prompt`],
  ['passcode without a passcode', { username: 'alice', factor: 'passcode' }, `${MISSING} passcode`],
  [
    'a device that there is not',
    { username: 'alice', factor: 'prompt', prompt: 'push2' },
    `${INVALID} prompt`,
  ],
  [
    'too much pushinfo',
    { username: 'alice', factor: 'prompt', prompt: 'push1', pushinfo: 'x'.repeat(20_000) },
    `${INVALID} pushinfo`,
  ],
];
for (const [name, form, failure] of malformed) {
  test(`auth with ${name} is refused and sends nothing to a phone`, async (t) => {
    const { service } = serviceFor();
    t.is(await failing(() => service.auth(form)), failure);
    t.is(service.transactions.size, 0);
  });
}

test('a passcode works once', async (t) => {
  const { factor } = serviceFor();
  t.like(await factor('123456'), { result: 'allow', status: 'allow' });
  t.like(await factor('123456'), { result: 'deny', status: 'deny' });
});

test('a passcode works for its user only', async (t) => {
  const { factor } = serviceFor({ alice: {}, bert: { passcodes: ['654321'] } });
  t.is((await factor('654321')).result, 'deny');
});

test('ten wrong passcodes lock a user out, even from the right one', async (t) => {
  const { factor, service } = serviceFor();
  for (let failures = 1; failures < 10; failures += 1) t.is((await factor('000000')).status, 'deny');
  t.is((await factor('000000')).status, 'locked_out');
  t.like(await factor('123456'), { result: 'deny', status: 'locked_out' });
  t.like(await factor('push1'), { result: 'deny', status: 'locked_out' });
  t.like(service.preauth({ username: 'alice' }), { result: 'deny' });
});

test('a right passcode resets the count of wrong ones', async (t) => {
  const { factor } = serviceFor({ alice: { passcodes: ['123456', '234567'] } });
  for (let failures = 1; failures < 10; failures += 1) await factor('000000');
  t.is((await factor('123456')).result, 'allow');
  for (let failures = 1; failures < 10; failures += 1) t.is((await factor('000000')).status, 'deny');
  t.is((await factor('234567')).result, 'allow');
});

test('a text message does not log in but sends a passcode that does', async (t) => {
  const { factor, service } = serviceFor();
  t.like(await factor('sms1'), { result: 'deny', status: 'sent' });
  const passcode = service.users['alice']?.passcodes.at(-1) ?? '';
  t.is((await factor(passcode)).result, 'allow');
});

test('a synchronous push returns when the phone answers', async (t) => {
  const { factor, service } = serviceFor();
  let answered = false;
  const result = factor('push1').finally(() => {
    answered = true;
  });
  await settle();
  t.false(answered);
  const [push] = service.transactions.values();
  t.true(push?.approve());
  t.is((await result).result, 'allow');
  t.false(push?.deny(), 'what is over stays as it is');
  t.is(push?.state.result, 'allow');
});

test('auth_status returns news at once and otherwise waits', async (t) => {
  const { clock, service, begin, phone } = serviceFor();
  const txid = await begin({ factor: 'push', device: 'auto' });
  t.is((await service.authStatus({ txid })).status, 'pushed');
  const long = service.authStatus({ txid });
  await clock.advance(LONG_POLL_MS - 1);
  phone(txid).deny();
  t.like(await long, { result: 'deny', status: 'deny' });
});

test('the result can be read again, since a reply can be lost', async (t) => {
  const { service, begin, phone } = serviceFor();
  const txid = await begin({ factor: 'push', device: 'auto' });
  phone(txid).approve();
  for (let time = 0; time < 2; time += 1) t.is((await service.authStatus({ txid })).result, 'allow');
});

test('a poll without news returns the last state after half a minute', async (t) => {
  const { clock, service, begin } = serviceFor();
  const txid = await begin({ factor: 'push', device: 'auto' });
  const pushed = await service.authStatus({ txid });
  let answered = false;
  const long = service.authStatus({ txid }).finally(() => {
    answered = true;
  });
  await clock.advance(LONG_POLL_MS - 1);
  t.false(answered);
  await clock.advance(1);
  t.deepEqual(await long, pushed);
});

test('auth_status of an unknown transaction is refused', async (t) => {
  const { service } = serviceFor();
  t.is(await failing(() => service.authStatus({})), `${MISSING} txid`);
  t.is(await failing(() => service.authStatus({ txid: 'x' })), `${INVALID} txid`);
});

/** The phone's actions, second by second. */
const phones: readonly [NonNullable<UsersInput[string]['phone']>, string, readonly [number, string][]][] = [
  ['approve', 'push', [[0, 'allow']]],
  ['deny', 'push', [[0, 'deny']]],
  ['fraud', 'push', [[0, 'fraud']]],
  ['unreachable', 'push', [[0, 'push_failed']]],
  [
    'ignore',
    'push',
    [
      [0, 'pushed'],
      [59_999, 'pushed'],
      [1, 'timeout'],
    ],
  ],
  [
    'approve',
    'phone',
    [
      [0, 'calling'],
      [2_000, 'answered'],
      [3_000, 'allow'],
    ],
  ],
  ['unreachable', 'phone', [[0, 'push_failed']]],
];
for (const [does, kind, story] of phones) {
  test(`a ${kind} to a phone whose owner does this: ${does}`, async (t) => {
    const { clock, begin, phone } = serviceFor({ alice: { phone: does } });
    const txid = await begin({ factor: kind, device: 'auto' });
    for (const [ms, status] of story) {
      await clock.advance(ms);
      t.is(phone(txid).state.status, status);
    }
    if (!phone(txid).pending) t.is(clock.sleeping, 0, 'no timer is left');
  });
}

test('the phone shows what the client sent', async (t) => {
  const { begin, phone } = serviceFor();
  const pushinfo = 'Server%20IP=192.0.2.1&Command=%2Fbin%2Fls%20-l';
  const txid = await begin({ factor: 'push', device: 'auto', ipaddr: '::1', hostname: 'host', pushinfo });
  t.deepEqual(phone(txid).occasion, {
    username: 'alice',
    application: 'UNIX Application',
    ipaddr: '::1',
    hostname: 'host',
    pushinfo: { 'Server IP': '192.0.2.1', Command: '/bin/ls -l' },
  });
});

test('every call is recorded and published', (t) => {
  const { service } = serviceFor();
  const told: unknown[] = [];
  service.on('call', (seen) => told.push(seen));
  const seen = { call: 'ping', form: {}, userAgent: 'x' };
  service.note(seen);
  t.deepEqual(told, [seen]);
  t.deepEqual(service.calls, [seen]);
});
