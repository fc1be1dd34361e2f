/**
 * Verified Push as Duo does it: the name of the factor, the txid of preauth, and where the code is
 * returned.
 */
import test from 'ava';
import { parse } from 'valibot';
import { ApiFailure, type Form } from '../../src/simulator/failure.ts';
import { Service } from '../../src/simulator/service.ts';
import { Users } from '../../src/simulator/users.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { fieldOf } from '../lib/service.ts';

const USERS = {
  vera: { verifiedPush: true },
  una: { verifiedPush: true },
  paul: { verifiedPush: 'preauth' },
  alice: {},
} as const;

function opened() {
  const clock = new FakeClock();
  const service = new Service({ ikey: 'DI', skey: 's', name: 'x' }, parse(Users, USERS), clock);
  const preauth = (username: string, more: Form = { client_supports_verified_push: '1' }) =>
    service.preauth({ username, text_prompt: '1', ...more });
  const push = async (form: Form) => {
    const txid = fieldOf(await service.auth({ factor: 'prompt', async: '1', ...form }), 'txid');
    return service.transaction(txid);
  };
  /** The parameter named by the error reply. */
  const refused = async (form: Form): Promise<string> => {
    try {
      await push(form);
    } catch (error) {
      if (error instanceof ApiFailure) return `${error.code} ${error.detail}`;
      throw error;
    }
    return 'taken';
  };
  return { clock, service, preauth, push, refused };
}

test('preauth names the factor and returns a txid without a code', (t) => {
  const answer = opened().preauth('vera');
  t.deepEqual(answer.prompt?.factors, {
    default: 'verified_push1',
    1: 'verified_push1',
    2: 'phone1',
    3: 'sms1',
  });
  t.truthy(answer.txid);
  t.false('verification_code' in answer);
  t.false('expiration' in answer);
});

for (const [what, username, more] of [
  ['a client that does not know it', 'vera', {}],
  ['a client that says no', 'vera', { client_supports_verified_push: '0' }],
  ['a user without it', 'alice', { client_supports_verified_push: '1' }],
] as const) {
  test(`${what} gets plain pushes`, async (t) => {
    const { preauth, push } = opened();
    const answer = preauth(username, more);
    t.like(answer.prompt?.factors, { default: 'push1', 1: 'push1' });
    t.false('txid' in answer);
    const plain = await push({ username, prompt: 'push1' });
    t.is(plain.code, undefined);
    t.true(plain.approve());
  });
}

test('auth_status returns the code once the push is sent', async (t) => {
  const { preauth, push, service } = opened();
  const { txid = '' } = preauth('vera');
  const transaction = await push({ username: 'vera', prompt: 'verified_push1', txid });
  t.regex(transaction.code ?? '', /^\d{3}$/);
  t.deepEqual(await service.authStatus({ txid: transaction.txid }), {
    result: 'waiting',
    status: 'pushed',
    status_msg: `Pushed a login request to your device. Open Duo Mobile and enter verification code ${transaction.code}.`,
  });
});

test('a synchronous call never returns the code', async (t) => {
  const { preauth, service } = opened();
  const { txid = '' } = preauth('vera');
  const answer = service.auth({ username: 'vera', factor: 'prompt', prompt: 'verified_push1', txid });
  await settle();
  const [push] = service.transactions.values();
  const code = push?.code ?? 'none';
  t.true(push?.approve(code));
  t.deepEqual(await answer, { result: 'allow', status: 'allow', status_msg: 'Success. Logging you in...' });
});

test('a Verified Push is approved only with its code, and denied without it', async (t) => {
  const { preauth, push } = opened();
  const { txid = '' } = preauth('vera');
  const form = { username: 'vera', prompt: 'verified_push1', txid };
  const first = await push(form);
  t.false(first.approve());
  t.false(first.approve(first.code === '123' ? '124' : '123'));
  t.true(first.pending);
  t.true(first.approve(first.code));
  t.true((await push(form)).deny());
});

test('another txid, factor or user is refused', async (t) => {
  const { preauth, refused, service } = opened();
  const vera = { username: 'vera', txid: preauth('vera').txid ?? '' };
  const una = preauth('una').txid ?? '';
  const paul = { username: 'paul', txid: preauth('paul').txid ?? '' };
  const device = { factor: 'push', device: 'auto' };
  for (const [form, failure] of [
    [{ username: 'vera', prompt: 'verified_push1' }, '40002 txid'],
    [{ username: 'vera', prompt: 'verified_push1', txid: '' }, '40002 txid'],
    [{ username: 'vera', prompt: 'verified_push1', txid: 'made-up' }, '40002 txid'],
    [{ username: 'vera', prompt: 'verified_push1', txid: una }, '40002 txid'],
    [{ ...vera, prompt: 'push1' }, '40002 txid'],
    [{ ...vera, prompt: 'phone1' }, '40002 txid'],
    [{ ...vera, prompt: 'sms1' }, '40002 txid'],
    [{ ...vera, prompt: '123456' }, '40002 txid'],
    [{ ...vera, ...device }, '40002 txid'],
    [{ ...vera, prompt: 'verified_push2' }, '40002 prompt'],
    [{ username: 'alice', prompt: 'verified_push1' }, '40002 prompt'],
    [{ username: 'alice', prompt: 'push1', txid: una }, '40002 txid'],
    [{ ...paul, prompt: 'verified_push1' }, '40002 prompt'],
    [{ ...paul, prompt: 'phone1' }, '40002 txid'],
    [{ username: 'paul', prompt: 'push1', txid: 'made-up' }, '40002 txid'],
  ] as const) {
    t.is(await refused(form), failure, JSON.stringify(form));
  }
  t.is(service.transactions.size, 0);
});

test('preauth returns the code to clients that show it themselves', async (t) => {
  const { preauth, push, clock, service } = opened();
  const { prompt, txid = '', verification_code: code = '', expiration } = preauth('paul');
  t.is(prompt?.factors?.['default'], 'push1');
  t.regex(code, /^\d{3}$/);
  t.is(expiration, clock.now() / 1000 + 60);
  for (const form of [{ prompt: 'push1' }, { factor: 'push', device: 'auto' }]) {
    const transaction = await push({ username: 'paul', txid, ...form });
    t.is(transaction.code, code);
    t.false(transaction.approve());
    t.false((await service.authStatus({ txid: transaction.txid })).status_msg.includes(code));
    t.true(transaction.approve(code));
  }
});
