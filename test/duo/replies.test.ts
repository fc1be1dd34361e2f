/** Invalid replies, field by field. Only an explicit "allow" lets a user in. */
import test from 'ava';
import fc from 'fast-check';
import { DuoError, DuoRateLimitError, DuoRequestError, DuoTryError } from '../../src/duo/errors.ts';
import {
  openReply,
  parseAuth,
  parseAuthStatus,
  parsePing,
  parsePreauth,
  parseTransaction,
} from '../../src/duo/replies.ts';

function failing(call: () => unknown): string {
  try {
    return `no error: ${JSON.stringify(call())}`;
  } catch (error) {
    if (error instanceof DuoError) return `${error.code} ${error.message}`;
    throw error;
  }
}

const prompt = { text: 'Passcode: ', factors: { default: 'push1', 1: 'push1' } };
const asking = { result: 'auth', status_msg: 'Account is active', prompt };
const without = (value: object, ...keys: readonly string[]): unknown =>
  JSON.parse(JSON.stringify(value, (key, inner: unknown) => (keys.includes(key) ? undefined : inner)));

const FIELDS: readonly [string, (response: unknown) => unknown, unknown][] = [
  ['time', parsePing, {}],
  ['time', parsePing, { time: '1' }],
  ['time', parsePing, { time: 1.5 }],
  ['time', parsePing, { time: 1e300 }],
  ['response', parsePing, null],
  ['response', parsePreauth, 'auth'],
  ['result', parsePreauth, {}],
  ['result', parsePreauth, { result: 1 }],
  ['status_msg', parsePreauth, { result: 'allow' }],
  ['prompt', parsePreauth, without(asking, 'prompt')],
  ['prompt', parsePreauth, { ...asking, prompt: 'x' }],
  ['text', parsePreauth, without(asking, 'text')],
  ['factors', parsePreauth, without(asking, 'factors')],
  ['default', parsePreauth, { ...asking, prompt: { text: 'x', factors: { default: 1 } } }],
  ['1', parsePreauth, { ...asking, prompt: { text: 'x', factors: { 1: null } } }],
  ['result', parseAuth, {}],
  ['status_msg', parseAuth, { result: 'allow', status: 'allow' }],
  ['txid', parseTransaction, {}],
  ['txid', parseTransaction, { txid: '' }],
  ['result', parseAuthStatus, {}],
  ['status_msg', parseAuthStatus, { result: 'waiting' }],
  ['response', parseAuthStatus, []],
];
for (const [field, parse, response] of FIELDS) {
  test(`${parse.name} misses ${field} in ${JSON.stringify(response)}`, (t) => {
    const message = failing(() => parse(response));
    const expected = Array.isArray(response) ? 'result' : field;
    t.is(message, `ERR_DUO_REPLY JSON missing valid '${expected}'`);
  });
}

const ENVELOPES: readonly [number, string, string][] = [
  [200, '{"stat":"OK"}', "ERR_DUO_REPLY JSON missing valid 'response'"],
  [200, '{}', "ERR_DUO_REPLY JSON missing valid 'stat'"],
  [200, '{"stat":"ok","response":{"result":"allow"}}', "ERR_DUO_REPLY JSON missing valid 'stat'"],
  [200, '{"response":{"result":"allow"}}', "ERR_DUO_REPLY JSON missing valid 'stat'"],
  [200, '{"stat":"FAIL","message":"x"}', "ERR_DUO_REPLY JSON missing valid 'code'"],
  [200, '{"stat":"FAIL","code":40002}', "ERR_DUO_REPLY JSON missing valid 'message'"],
  [200, '{"stat":"FAIL","code":40002,"message":"x"}', 'ERR_DUO_REQUEST 40002: x'],
  [
    200,
    '{"stat":"FAIL","code":40002,"message":"x","response":{"result":"allow"}}',
    'ERR_DUO_REQUEST 40002: x',
  ],
  [200, '', 'ERR_DUO_REPLY invalid JSON response'],
  [200, 'null', 'ERR_DUO_REPLY invalid JSON response'],
  [200, '{"stat":"OK","response":', 'ERR_DUO_REPLY invalid JSON response'],
  [
    400,
    '{"stat":"FAIL","code":40002,"message":"a\\u0007b","message_detail":"user"}',
    'ERR_DUO_REQUEST 40002: a?b (user)',
  ],
  [400, '{"stat":"OK","response":{"result":"allow"}}', 'ERR_DUO_REQUEST HTTP 400'],
  [403, '<html>', 'ERR_DUO_REQUEST HTTP 403'],
  [401, '{"stat":"OK","response":{"result":"allow"}}', 'ERR_DUO_UNAUTHORIZED Invalid ikey or skey'],
  [500, '{"stat":"OK","response":{"result":"allow"}}', 'ERR_DUO_SERVER HTTP 500'],
  ...[0, 100, 201, 202, 204, 206, 301, 302, 307, 399, 503, 599, 999].map(
    (status): [number, string, string] => [
      status,
      '{"stat":"OK","response":{"result":"allow","status_msg":""}}',
      `ERR_DUO_SERVER HTTP ${status}`,
    ],
  ),
];
for (const [status, body, expected] of ENVELOPES) {
  test(`HTTP ${status} ${body}`, (t) =>
    t.is(
      failing(() => openReply({ status, body })),
      expected,
    ));
}

test('a refusal is a refusal, even with other errors in the reply', (t) => {
  for (const more of [{}, { status_msg: 1 }, { status_msg: null }, { enroll_portal_url: [] }]) {
    t.deepEqual(parsePreauth({ result: 'deny', ...more }), { result: 'deny', message: '' });
    t.deepEqual(parsePreauth({ result: 'enroll', ...more }), { result: 'enroll', message: '' });
  }
});

const RESULTS = [
  'Allow',
  'ALLOW',
  ' allow',
  'allow ',
  'allow\u0000',
  'allowed',
  'true',
  '',
  'waiting',
  'auth\n',
];
for (const result of RESULTS) {
  test(`${JSON.stringify(result)} is no result`, (t) => {
    const status_msg = 'x';
    for (const parse of [parsePreauth, parseAuth, ...(result === 'waiting' ? [] : [parseAuthStatus])]) {
      t.regex(
        failing(() => parse({ result, status_msg, status: 'allow' })),
        /^ERR_DUO_REPLY JSON invalid 'result': /,
      );
    }
  });
}

test('the status field alone decides nothing', (t) => {
  t.is(parseAuth({ result: 'deny', status: 'allow', status_msg: '' }).result, 'deny');
  t.is(parseAuthStatus({ result: 'waiting', status: 'allow', status_msg: '' }).result, 'waiting');
  t.is(parseAuth({ result: 'allow', status: 'fraud', status_msg: '' }).result, 'allow');
});

test('only an explicit allow is an allow', (t) => {
  // Most fields are valid, so that fully valid replies occur as well.
  const mostly = (right: unknown, ...wrong: readonly unknown[]) =>
    fc.oneof({ arbitrary: fc.constant(right), weight: 3 }, fc.constantFrom(...wrong), fc.jsonValue());
  const result = mostly('allow', 'deny', 'Allow', 'allow ', true, ['allow'], null);
  const response = fc.record({
    result,
    status: mostly('allow', 'deny', 1),
    status_msg: mostly('x', null, 1),
  });
  const reply = fc.record({
    stat: mostly('OK', 'FAIL', 'ok', 1),
    response,
    code: mostly(40002, '1'),
    message: mostly('x', 1),
  });
  const status = fc.oneof(
    { arbitrary: fc.constant(200), weight: 3 },
    fc.constantFrom(201, 302, 400, 401, 500),
    fc.nat(999),
  );
  let allowed = 0;
  fc.assert(
    fc.property(status, reply, (code, whole) => {
      for (const parse of [parsePreauth, parseAuth, parseAuthStatus]) {
        const outcome = failing(() => parse(openReply({ status: code, body: JSON.stringify(whole) })));
        if (!outcome.includes('"result":"allow"')) continue;
        allowed += 1;
        t.is(code, 200);
        t.is(whole.stat, 'OK');
        t.like(whole.response, { result: 'allow' });
      }
    }),
    { numRuns: 1_000 },
  );
  t.true(allowed > 0, 'the property has met an allow');
});

test('control characters in Duo’s texts never reach a terminal', (t) => {
  const evil = '\u001b]0;x\u0007\u009b1m\u202e';
  const preauth = parsePreauth({
    result: 'auth',
    status_msg: evil,
    prompt: { text: evil, factors: { default: evil, [evil]: evil } },
    txid: 'x',
    verification_code: evil,
  });
  const { factors: _, ...shown } = preauth.result === 'auth' ? preauth : { factors: [] };
  t.notRegex(JSON.stringify(shown), /\\u|\u009b|\u202e/);
});

test('stat=FAIL with HTTP 200 is a failed try, a 4xx a refused request, and 429 neither', (t) => {
  const body = '{"stat":"FAIL","code":40002,"message":"x"}';
  t.true(t.throws(() => openReply({ status: 200, body })) instanceof DuoTryError);
  const refused = t.throws(() => openReply({ status: 400, body }));
  t.true(refused instanceof DuoRequestError && !(refused instanceof DuoTryError));
  t.true(t.throws(() => openReply({ status: 429, body })) instanceof DuoRateLimitError);
});

test('a Verified Push txid may come without a code, and a txid must be a string', (t) => {
  const asking = { result: 'auth', prompt: { text: 'x', factors: { 1: 'verified_push1' } } };
  const verified = (more: object) => {
    const preauth = parsePreauth({ ...asking, ...more });
    return preauth.result === 'auth' ? preauth.verifiedPush : undefined;
  };
  t.deepEqual(verified({ txid: 'v' }), { txid: 'v' });
  t.deepEqual(verified({ txid: 'v', verification_code: 376 }), { txid: 'v', code: '376' });
  t.deepEqual(verified({ txid: 'v', verification_code: {} }), { txid: 'v' });
  t.is(verified({ txid: 7 }), undefined);
  t.is(verified({}), undefined);
});

test('the enrolment text is used where Duo sends one', (t) => {
  const enroll = { result: 'enroll', status_msg: 'Enroll' };
  t.deepEqual(parsePreauth({ ...enroll, prompt: { text: 'Please enroll at x' } }), {
    result: 'enroll',
    message: 'Enroll',
    promptText: 'Please enroll at x',
  });
  t.deepEqual(parsePreauth({ ...enroll, prompt: 7 }), { result: 'enroll', message: 'Enroll' });
});
