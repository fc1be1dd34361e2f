/** Enrolments over the wire of the Auth API, as Duo's own client sends them, and on the phone page. */
import test, { type ExecutionContext } from 'ava';
import { parse } from 'valibot';
import { Enrolments } from '../../src/simulator/enrolment.ts';
import { ApiFailure } from '../../src/simulator/failure.ts';
import { userId } from '../../src/simulator/ids.ts';
import { Users } from '../../src/simulator/users.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { simulatorFor } from '../lib/service.ts';

function begun(form: Readonly<Record<string, string>> = { username: 'nina' }) {
  const clock = new FakeClock();
  const users = parse(Users, { alice: {} });
  const enrolments = new Enrolments(users, clock, () => {});
  const enrolment = enrolments.begin(form);
  const { user_id, activation_code } = enrolment;
  return { clock, users, enrolments, enrolment, form: { user_id, activation_code } };
}

function refused(t: ExecutionContext, code: number, call: () => unknown) {
  t.is(t.throws(call, { instanceOf: ApiFailure })?.code, code);
}

test('an enrolment waits for the phone, then the user can log in', (t) => {
  const { users, enrolments, enrolment, form } = begun();
  t.is(enrolment.username, 'nina');
  t.is(enrolment.user_id, userId('nina'));
  t.is(enrolment.expiration, Date.UTC(2026, 0, 2) / 1000);
  t.is(enrolments.status(form), 'waiting');
  t.is(users['nina']?.status, 'enroll');
  t.false(enrolments.activate('duo://made-up'));
  t.true(enrolments.activate(enrolment.activation_code));
  t.is(enrolments.status(form), 'success');
  t.like(users['nina'], { status: 'auth', devices: [{ push: true }] });
  t.false(enrolments.activate(enrolment.activation_code));
});

test('an expired enrolment cannot be activated', async (t) => {
  const { clock, users, enrolments, enrolment, form } = begun({ username: 'nina', valid_secs: '60' });
  await clock.advance(59_999);
  t.is(enrolments.status(form), 'waiting');
  await clock.advance(1);
  t.is(enrolments.status(form), 'invalid');
  t.deepEqual(enrolments.waiting, []);
  t.false(enrolments.activate(enrolment.activation_code));
  t.is(users['nina']?.status, 'enroll');
});

test('the status needs the right user and code', (t) => {
  const { enrolments, form } = begun();
  t.is(enrolments.status({ ...form, user_id: userId('alice') }), 'invalid');
  t.is(enrolments.status({ ...form, activation_code: 'duo://x' }), 'invalid');
  refused(t, 40001, () => enrolments.status({ user_id: form.user_id }));
  refused(t, 40001, () => enrolments.status({ activation_code: form.activation_code }));
});

test('a user without a name gets one, and a name in use is refused', (t) => {
  const { enrolments, enrolment } = begun({});
  t.regex(enrolment.username, /^[0-9a-f]{32}$/);
  refused(t, 40003, () => enrolments.begin({ username: 'alice' }));
  refused(t, 40003, () => enrolments.begin({ username: enrolment.username }));
  for (const valid_secs of ['0', '-1', 'x', '']) {
    refused(t, 40002, () => enrolments.begin({ username: 'otto', valid_secs }));
  }
});

test('the phone page shows an enrolment and activates it', async (t) => {
  const { service, phoneUrl } = await simulatorFor(t, { users: {} });
  const { activation_code: code, user_id } = service.enrolments.begin({ username: '<b>nina' });
  const page = await (await fetch(phoneUrl)).text();
  t.true(page.includes(`value="${code}"`) && page.includes('&lt;b&gt;nina'));
  const press = (sent: string, origin = new URL(phoneUrl).origin) =>
    fetch(new URL('/enrolments', phoneUrl), {
      method: 'POST',
      redirect: 'manual',
      headers: { origin },
      body: new URLSearchParams({ code: sent }),
    });
  t.is((await press(code, 'https://evil.test')).status, 403);
  t.is((await press('duo://x')).status, 409);
  t.is(service.enrolments.status({ user_id, activation_code: code }), 'waiting');
  t.is((await press(code)).status, 303);
  t.is(service.enrolments.status({ user_id, activation_code: code }), 'success');
  t.false((await (await fetch(phoneUrl)).text()).includes(code));
});
