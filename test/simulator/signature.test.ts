/**
 * Requests that Duo would refuse are refused. The signatures are made here from Duo's documentation, with
 * code of neither side.
 */
import { createHmac } from 'node:crypto';
import test from 'ava';
import { type Application, refusal, type SignedRequest } from '../../src/simulator/signature.ts';

const APPLICATION: Application = { ikey: 'DIXXXXXXXXXXXXXXXXXX', skey: 'a-secret', name: 'x' };
const NOW = Date.UTC(2026, 6, 29, 12, 0, 0);
const DATE = 'Wed, 29 Jul 2026 12:00:00 -0000';
const GOOD = {
  method: 'POST',
  host: 'api.example.test',
  path: '/auth/v2/preauth',
  parameters: 'ipaddr=192.0.2.7&username=alice%20%21',
  date: DATE,
};

interface Signing {
  readonly hash?: string;
  readonly skey?: string;
  readonly ikey?: string;
}

function sign(
  parts: typeof GOOD,
  { hash = 'sha512', skey = 'a-secret', ikey = APPLICATION.ikey }: Signing = {},
) {
  const text = [parts.date, parts.method, parts.host, parts.path, parts.parameters].join('\n');
  const hex = createHmac(hash, skey).update(text).digest('hex');
  return `Basic ${Buffer.from(`${ikey}:${hex}`).toString('base64')}`;
}

const request = (more: Partial<SignedRequest> = {}): SignedRequest => ({
  ...GOOD,
  json: undefined,
  duoHeaders: {},
  dated: true,
  authorization: sign(GOOD),
  ...more,
});
const judge = (more: Partial<SignedRequest>, now = NOW) => refusal(request(more), APPLICATION, now)?.code;

const taken: Readonly<Record<string, Partial<SignedRequest>>> = {
  'a good request': {},
  'a host with a port and capitals': { host: 'API.example.test:8443' },
  'the SHA-1 of older clients': { authorization: sign(GOOD, { hash: 'sha1' }) },
  'a date in GMT': {
    date: DATE.replace('-0000', 'GMT'),
    authorization: sign({ ...GOOD, date: DATE.replace('-0000', 'GMT') }),
  },
  'a date in another zone': {
    date: 'Wed, 29 Jul 2026 08:00:00 -0400',
    authorization: sign({ ...GOOD, date: 'Wed, 29 Jul 2026 08:00:00 -0400' }),
  },
};
for (const [name, more] of Object.entries(taken)) {
  test(`accepted: ${name}`, (t) => t.is(judge(more), undefined));
}

const refused: Readonly<Record<string, readonly [number, Partial<SignedRequest>]>> = {
  'no credentials': [40101, { authorization: undefined }],
  'no Basic': [40102, { authorization: 'Bearer x' }],
  'no base64': [40102, { authorization: 'Basic ***' }],
  'another application': [40102, { authorization: sign(GOOD, { ikey: 'DIYYYYYYYYYYYYYYYYYY' }) }],
  'no signature': [40103, { authorization: `Basic ${Buffer.from(APPLICATION.ikey).toString('base64')}` }],
  'another skey': [40103, { authorization: sign(GOOD, { skey: 'guessed' }) }],
  'another hash': [40103, { authorization: sign(GOOD, { hash: 'sha256' }) }],
  'another method': [40103, { method: 'GET' }],
  'another host': [40103, { host: 'api.elsewhere.test' }],
  'another path': [40103, { path: '/auth/v2/auth' }],
  'another parameter': [40103, { parameters: 'ipaddr=192.0.2.7&username=root' }],
  'one more parameter': [40103, { parameters: `${GOOD.parameters}&factor=auto` }],
  'another date': [40103, { date: DATE.replace('12:00:00', '12:00:01') }],
  'no date': [40104, { date: undefined }],
  'a date that is none': [40104, { date: 'yesterday' }],
  'a date in another form': [40104, { date: '2026-07-29T12:00:00Z' }],
  'a date of a day that does not exist': [40104, { date: 'Wed, 31 Jun 2026 12:00:00 -0000' }],
  'a date that is two hours off by its zone': [40105, { date: 'Wed, 29 Jul 2026 12:00:00 +0200' }],
};
for (const [name, [code, more]] of Object.entries(refused)) {
  test(`refused: ${name}`, (t) => t.is(judge(more), code));
}

test('parameters must be sorted and encoded as in RFC 3986', (t) => {
  for (const [signed, code] of [
    ['ipaddr=192.0.2.7&username=alice%20%21', undefined],
    ['username=alice%20%21&ipaddr=192.0.2.7', 40103],
    ['ipaddr=192.0.2.7&username=alice+%21', 40103],
    ['ipaddr=192.0.2.7&username=alice%20!', 40103],
  ] as const) {
    t.is(judge({ authorization: sign({ ...GOOD, parameters: signed }) }), code, signed);
  }
});

test("a client's clock may be five minutes off in both directions", (t) => {
  t.is(judge({}, NOW + 300_000), undefined);
  t.is(judge({}, NOW - 300_000), undefined);
  t.is(judge({}, NOW + 300_001), 40105);
  t.is(judge({}, NOW - 300_001), 40105);
});
