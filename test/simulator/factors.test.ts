/** The factor that `auth` uses, and users who need none. */
import test from 'ava';
import { parse } from 'valibot';
import { chosenFactor } from '../../src/simulator/factors.ts';
import { ApiFailure, type Form } from '../../src/simulator/failure.ts';
import { deviceId, userId } from '../../src/simulator/ids.ts';
import { Service } from '../../src/simulator/service.ts';
import { Users } from '../../src/simulator/users.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { fieldOf } from '../lib/service.ts';

const users = parse(Users, {
  alice: {
    passcodes: ['123456'],
    devices: [
      { name: 'landline', push: false, sms: false },
      { name: 'mobile', phone: false },
      { name: 'pager', push: false, phone: false },
    ],
  },
  bert: { devices: [] },
  tina: { devices: [{ name: 'pager', push: false, phone: false }] },
});
const ALICE = [0, 1, 2].map((index) => deviceId('alice', index));

const chosen: readonly [Form, string][] = [
  [{ factor: 'push', device: 'auto' }, 'push mobile'],
  [{ factor: 'phone', device: 'auto' }, 'phone landline'],
  [{ factor: 'sms', device: 'auto' }, 'sms mobile'],
  [{ factor: 'auto', device: 'auto' }, 'push mobile'],
  [{ factor: 'auto', device: ALICE[0] ?? '' }, 'phone landline'],
  [{ factor: 'auto', device: ALICE[1] ?? '' }, 'push mobile'],
  [{ factor: 'auto', device: ALICE[2] ?? '' }, '40002 device'],
  [{ factor: 'push', device: ALICE[1] ?? '' }, 'push mobile'],
  [{ factor: 'push', device: ALICE[0] ?? '' }, '40002 device'],
  [{ factor: 'phone', device: ALICE[1] ?? '' }, '40002 device'],
  [{ factor: 'sms', device: ALICE[2] ?? '' }, 'sms pager'],
  [{ factor: 'push', device: deviceId('alice', 3) }, '40002 device'],
  [{ factor: 'push', device: deviceId('tina', 0) }, '40002 device'],
  [{ factor: 'push', device: 'DPXXXXXXXXXXXXXXXXXX' }, '40002 device'],
  [{ factor: 'push', device: 'mobile' }, '40002 device'],
  [{ factor: 'push' }, '40001 device'],
  [{ factor: 'sms' }, '40001 device'],
  [{ factor: 'auto' }, '40001 device'],
  [{ factor: 'passcode', passcode: '123456' }, 'passcode 123456'],
  [{ factor: 'passcode', passcode: 'push1' }, 'passcode push1'],
  [{ factor: 'passcode' }, '40001 passcode'],
  [{ factor: 'nose', device: 'auto' }, '40002 factor'],
  [{ factor: 'prompt', prompt: 'push' }, 'push mobile'],
  [{ factor: 'prompt', prompt: 'sms2' }, 'sms pager'],
  [{ factor: 'prompt', prompt: 'phone2' }, '40002 prompt'],
  [{ factor: 'prompt', prompt: '123456' }, 'passcode 123456'],
];
for (const [form, expected] of chosen) {
  test(`${JSON.stringify(form)} is ${expected}`, (t) => t.is(choose('alice', form), expected));
}

test('a factor needs a device that supports it', (t) => {
  t.is(choose('bert', { factor: 'auto', device: 'auto' }), '40002 device');
  t.is(choose('bert', { factor: 'prompt', prompt: 'auto' }), '40002 prompt');
  t.is(choose('tina', { factor: 'auto', device: 'auto' }), '40002 device');
});

function choose(username: string, form: Form): string {
  const user = users[username];
  if (user === undefined) throw new Error(`${username} is not known`);
  try {
    const factor = chosenFactor(form, username, user);
    return `${factor.kind} ${factor.kind === 'passcode' ? factor.passcode : factor.device.name}`;
  } catch (error) {
    if (error instanceof ApiFailure) return `${error.code} ${error.detail}`;
    throw error;
  }
}

const PEOPLE = {
  alice: { phone: 'approve' },
  bob: { status: 'allow', devices: [], passcodes: ['123456'] },
  carol: { status: 'deny', phone: 'approve', passcodes: ['123456'] },
  erin: { status: 'enroll', devices: [] },
  lock: { status: 'locked_out', phone: 'approve' },
} as const;
const people = () => new Service({ ikey: 'DI', skey: 's', name: 'x' }, parse(Users, PEOPLE), new FakeClock());

for (const [username, result, status] of [
  ['bob', 'allow', 'bypass'],
  ['carol', 'deny', 'deny'],
  ['erin', 'deny', 'deny'],
  ['lock', 'deny', 'locked_out'],
] as const) {
  test(`auth answers ${username} at once: ${status}`, async (t) => {
    const service = people();
    for (const form of [
      { factor: 'push', device: 'auto' },
      { factor: 'passcode', passcode: '123456' },
      { factor: 'prompt', prompt: 'phone1' },
    ]) {
      t.like(await service.auth({ username, ...form }), { result, status });
      const txid = fieldOf(await service.auth({ username, async: '1', ...form }), 'txid');
      t.like(await service.authStatus({ txid }), { result, status });
    }
    const { passcodes } = parse(Users, PEOPLE)[username] ?? {};
    t.deepEqual(service.users[username]?.passcodes, passcodes, 'no passcode is used up');
    await t.throwsAsync(service.auth({ username }), { instanceOf: ApiFailure });
  });
}

test('a user is given by name or by id, not by both', async (t) => {
  const service = people();
  const user_id = userId('alice');
  t.regex(user_id, /^DU[0-9A-F]{18}$/);
  t.like(service.preauth({ user_id }), { result: 'auth' });
  t.like(service.preauth({ user_id: userId('carol') }), { result: 'deny' });
  const push = { factor: 'push', device: 'auto' };
  t.like(await service.auth({ user_id, ...push }), { result: 'allow' });
  t.is([...service.transactions.values()][0]?.occasion.username, 'alice');
  for (const [form, code] of [
    [{ user_id, username: 'alice' }, 40002],
    [{ user_id: userId('nobody') }, 40002],
    [{ user_id: 'alice' }, 40002],
    [{}, 40001],
  ] as const) {
    t.is(t.throws(() => service.preauth(form), { instanceOf: ApiFailure })?.code, code);
    t.is((await t.throwsAsync(service.auth({ ...form, ...push }), { instanceOf: ApiFailure }))?.code, code);
  }
});

test('property names of Object.prototype are not user names', (t) => {
  const service = people();
  for (const username of ['__proto__', 'constructor', 'toString']) {
    t.like(service.preauth({ username }), { result: 'enroll' });
    t.is(service.enrolments.begin({ username }).username, username);
  }
});

test("an enrolment has a text for clients that show Duo's texts", (t) => {
  const service = people();
  for (const username of ['erin', 'nobody']) {
    const url = service.preauth({ username }).enroll_portal_url ?? '';
    t.regex(url, /^https:/);
    t.false('prompt' in service.preauth({ username }));
    t.deepEqual(service.preauth({ username, text_prompt: '1' }).prompt, { text: `Please enroll at ${url}` });
  }
});

test('preauth names devices that auth accepts', async (t) => {
  const service = people();
  const [device] = service.preauth({ username: 'alice' }).devices ?? [];
  const id = fieldOf(device, 'device');
  t.regex(id, /^DP[0-9A-F]{18}$/);
  t.like(await service.auth({ username: 'alice', factor: 'push', device: id }), { result: 'allow' });
});
