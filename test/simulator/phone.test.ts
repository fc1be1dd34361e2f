/** The phone page, over HTTP as a browser uses it. */
import test, { type ExecutionContext } from 'ava';
import type { UsersInput } from '../../src/simulator/users.ts';
import { fieldOf, simulatorFor } from '../lib/service.ts';

async function phoneFor(
  t: ExecutionContext,
  users: UsersInput = { alice: {}, vera: { verifiedPush: true } },
) {
  const { service, phoneUrl } = await simulatorFor(t, { users });
  const begin = async (username: string, more: Readonly<Record<string, string>> = {}) => {
    const form = { username, factor: 'prompt', prompt: 'push1', async: '1', ...more };
    const transaction = service.transactions.get(fieldOf(await service.auth(form), 'txid'));
    if (transaction === undefined) throw new Error('no transaction');
    return transaction;
  };
  /** Presses a button as the page's own form does. */
  const press = async (
    path: string,
    form: Readonly<Record<string, string>> = {},
    origin = new URL(phoneUrl).origin,
  ) =>
    fetch(new URL(path, phoneUrl), {
      method: 'POST',
      redirect: 'manual',
      headers: { origin },
      body: new URLSearchParams(form),
    });
  const look = async (path = '/') => (await fetch(new URL(path, phoneUrl))).text();
  return { service, phoneUrl, begin, press, look };
}

test('the page says when there are no requests', async (t) => {
  const { look } = await phoneFor(t);
  t.true((await look()).includes('No login requests yet.'));
});

test('a request shows what Duo received', async (t) => {
  const { begin, look } = await phoneFor(t);
  const { txid } = await begin('alice', {
    ipaddr: '192.0.2.7',
    hostname: 'host.example.test',
    pushinfo: 'Command=%2Fbin%2Fls',
  });
  for (const page of [await look(), await look('/requests')]) {
    for (const text of ['alice', '192.0.2.7', 'host.example.test', '/bin/ls', `/requests/${txid}/approve`]) {
      t.true(page.includes(text), text);
    }
  }
});

test('texts from clients are escaped in the page', async (t) => {
  const { begin, look } = await phoneFor(t);
  await begin('alice', { hostname: '<img src=x onerror=alert(1)>', pushinfo: '%3Cb%3E=%22%3E%3Cscript%3E' });
  const page = await look('/requests');
  t.notRegex(page, /<(?:img|b|script)\b/);
  t.true(page.includes('&lt;img src=x'));
});

for (const [button, result, status] of [
  ['approve', 'allow', 'allow'],
  ['deny', 'deny', 'deny'],
  ['fraud', 'deny', 'fraud'],
] as const) {
  test(`${button} decides once`, async (t) => {
    const { begin, press, look } = await phoneFor(t);
    const push = await begin('alice');
    const answer = await press(`/requests/${push.txid}/${button}`);
    t.is(answer.status, 303);
    t.is(answer.headers.get('location'), '/');
    t.like(push.state, { result, status });
    t.is((await press(`/requests/${push.txid}/approve`)).status, 409);
    t.is(push.state.status, status);
    t.false((await look()).includes(`/requests/${push.txid}/approve`));
  });
}

test('a Verified Push requires its code', async (t) => {
  const { service, begin, press, look } = await phoneFor(t);
  const opened = service.preauth({ username: 'vera', client_supports_verified_push: '1' });
  const txid = fieldOf(opened, 'txid');
  const push = await begin('vera', { txid, prompt: 'verified_push1' });
  const code = push.code ?? '';
  t.regex(code, /^\d{3}$/);
  t.true((await look()).includes('name="code"'));
  t.notRegex(
    await look('/requests'),
    new RegExp(`\\b${code}\\b`),
    'the phone does not show what is to be typed',
  );
  const approve = `/requests/${push.txid}/approve`;
  t.is((await press(approve)).status, 409);
  t.is((await press(approve, { code: code === '123' ? '124' : '123' })).status, 409);
  t.true(push.pending);
  t.is((await press(approve, { code: ` ${code} ` })).status, 303);
  t.is(push.state.result, 'allow');
});

test('a request that is gone cannot be answered', async (t) => {
  const { begin, press } = await phoneFor(t);
  const { txid } = await begin('alice');
  t.is((await press('/requests/nobody/approve')).status, 404);
  t.is((await press(`/requests/${txid}/maybe`)).status, 409);
});

test('a page of another origin cannot answer a request', async (t) => {
  const { begin, press } = await phoneFor(t);
  const push = await begin('alice');
  t.is((await press(`/requests/${push.txid}/approve`, {}, 'https://evil.test')).status, 403);
  t.true(push.pending);
});

test('the page gets each change, and its listener is removed when it closes', async (t) => {
  const { service, phoneUrl, begin } = await phoneFor(t);
  const before = service.listenerCount('change');
  const leave = new AbortController();
  const { body, headers } = await fetch(new URL('/events', phoneUrl), { signal: leave.signal });
  t.regex(headers.get('content-type') ?? '', /^text\/event-stream/);
  const events = body?.pipeThrough(new TextDecoderStream()).getReader();
  let heard = '';
  const hears = async (text: string) => {
    while (!heard.includes(text)) heard += (await events?.read())?.value ?? '';
    heard = heard.slice(heard.indexOf(text) + text.length);
  };
  await hears('data: hello\n\n');
  const push = await begin('alice');
  await hears('data: change\n\n');
  heard = '';
  push.deny();
  await hears('data: change\n\n');
  t.is(service.listenerCount('change'), before + 1);
  leave.abort();
  while (service.listenerCount('change') > before) await new Promise((resolve) => setImmediate(resolve));
});
