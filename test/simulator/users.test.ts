import test from 'ava';
import { parse, safeParse } from 'valibot';
import { EXAMPLE_USERS, Users } from '../../src/simulator/users.ts';

test('a user without settings has a phone and must use it', (t) => {
  t.deepEqual(parse(Users, { alice: {} })['alice'], {
    status: 'auth',
    devices: [{ name: 'XXX-XXX-1234', push: true, phone: true, sms: true }],
    passcodes: [],
    verifiedPush: false,
    phone: 'ask',
  });
});

test('users share no state', (t) => {
  const { alice, bert } = parse(Users, { alice: {}, bert: {} });
  alice?.passcodes.push('123456');
  t.deepEqual(bert?.passcodes, []);
});

test('the example users are valid', (t) => {
  t.true(safeParse(Users, EXAMPLE_USERS).success);
});

for (const [name, user] of [
  ['a status that Duo does not have', { status: 'maybe' }],
  ['a word that means nothing', { passcode: '123456' }],
  ['a passcode of letters', { passcodes: ['secret'] }],
  ['a passcode that is too short', { passcodes: ['12345'] }],
  ['a phone that does something else', { phone: 'explode' }],
  ['a verified push of a third kind', { verifiedPush: 'menu' }],
  ['a device without a name', { devices: [{}] }],
] as const) {
  test(`refused: ${name}`, (t) => {
    t.false(safeParse(Users, { alice: user }).success);
  });
}
