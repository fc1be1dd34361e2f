/**
 * Requests of other clients, as data: see `provenance` in the file. They are sent over TLS, header by
 * header.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import test from 'ava';
import * as v from 'valibot';
import { FakeClock } from '../lib/fake-clock.ts';
import { simulatorFor } from '../lib/service.ts';

const Fixtures = v.object({
  ikey: v.string(),
  skey: v.string(),
  host: v.string(),
  now: v.number(),
  requests: v.array(
    v.object({
      name: v.string(),
      method: v.string(),
      path: v.string(),
      headers: v.record(v.string(), v.string()),
      body: v.string(),
      code: v.number(),
    }),
  ),
});
const { ikey, skey, host, now, requests } = v.parse(
  Fixtures,
  JSON.parse(readFileSync('test/fixtures/duo-requests.json', 'utf8')),
);

for (const { name, method, path, headers, body, code } of requests) {
  test(`${code === 0 ? 'accepted' : `refused with ${code}`}: ${name}`, async (t) => {
    const { service, port, ca } = await simulatorFor(t, {
      application: { ikey, skey, name: 'x' },
      users: { alice: {}, 'née alice': {}, née: {} },
      names: [host],
      clock: new FakeClock(now),
    });
    const sent = request({ host: '127.0.0.1', port, servername: host, ca, method, path, headers });
    sent.end(body);
    const [response]: IncomingMessage[] = await once(sent, 'response');
    if (response === undefined) throw new Error('no response');
    const reply: unknown = JSON.parse(await text(response));
    if (code !== 0) return t.like(reply, { stat: 'FAIL', code });
    t.like(reply, { stat: 'OK', response: method === 'GET' ? { time: now / 1000 } : { result: 'auth' } });
    return t.is(service.calls.length, 1);
  });
}

test('numbers and booleans in JSON equal their form values', async (t) => {
  const { service, port, ca } = await simulatorFor(t, {
    application: { ikey, skey, name: 'x' },
    names: [host],
    clock: new FakeClock(now),
  });
  const recorded = requests.find(({ name }) => name === 'version 5: numbers and truth values');
  const sent = request({ host: '127.0.0.1', port, servername: host, ca, ...recorded });
  sent.end(recorded?.body);
  const [response]: IncomingMessage[] = await once(sent, 'response');
  response?.resume();
  t.deepEqual(service.calls[0]?.form, { username: 'alice', text_prompt: '1', x: '1' });
});
