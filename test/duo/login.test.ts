/** duo_login as scripted conversations: the requests of one try, and its result. */
import test, { type ExecutionContext } from 'ava';
import type { AuthStatus } from '../../src/duo/api.ts';
import { DuoConnectionError, DuoRequestError } from '../../src/duo/errors.ts';
import { duoLogin, type LoginRequest, type LoginResult } from '../../src/duo/login.ts';
import {
  ALLOWED,
  auth,
  authAsync,
  authStatus,
  Gone,
  MENU,
  noReply,
  ping,
  preauth,
  prompt,
  reply,
  type Step,
  Story,
  shows,
  WAITING,
  WRONG,
} from '../lib/story.ts';

const SYNC = { auto: false, sync: true };
const ASYNC = { auto: false, sync: false };
/** sshd shows status messages only after the login. */
const HELD_BACK = { auto: false, sync: true, heldBack: true };
const AUTO = { auto: true, sync: true };

/** Runs one try; `mute`: without prompts. */
async function tell(
  t: ExecutionContext,
  request: Partial<LoginRequest>,
  steps: readonly Step[],
  mute = false,
): Promise<LoginResult> {
  const story = new Story(steps);
  const { conversation, signal } = story.context;
  const whole = {
    username: 'alice',
    failmode: 'closed',
    verifiedPush: false,
    flags: SYNC,
    ...request,
  } as const;
  return duoLogin(story.duo, whole, mute ? { status: conversation.status } : conversation, signal).finally(
    () => story.over(t),
  );
}

const { defaultFactor: _default, ...UNDECIDED } = MENU;
const VERIFIED = { ...MENU, verifiedPush: { txid: 'verified-1', code: '123' } };
/** As Duo sends it: factors have other names, and the code arrives while the phone waits. */
const VERIFIED_LATER = {
  ...MENU,
  defaultFactor: 'verified_push1',
  factors: [
    { key: '1', value: 'verified_push1' },
    { key: '2', value: 'phone1' },
  ],
  verifiedPush: { txid: 'verified-1' },
};
const CODE_TOLD: AuthStatus = { ...WAITING, message: 'Pushed. Enter verification code 376 in Duo Mobile.' };
const asking = [ping(), preauth(MENU), prompt(MENU.promptText)];

for (const [typed, factor] of [
  ['1', 'push1'],
  ['2', 'phone1'],
  [' 2 \n', 'phone1'],
  ['3', '3'],
  ['push2', 'push2'],
  ['123456', '123456'],
  ['default', 'default'],
  ['é'.repeat(127), 'é'.repeat(127)],
] as const) {
  test(`${JSON.stringify(typed.slice(0, 9))} is sent as ${factor.slice(0, 9)}`, async (t) => {
    const result = await tell(t, {}, [
      ...asking,
      reply(typed),
      auth(ALLOWED, { factor }),
      shows(ALLOWED.message),
    ]);
    t.deepEqual(result, { kind: 'allowed', stage: 'auth', message: ALLOWED.message });
  });
}

for (const [name, answer, kind] of [
  ['nothing', reply(''), 'failed'],
  ['white space', reply(' \t'), 'failed'],
  ['256 bytes', reply('é'.repeat(128)), 'unanswered'],
  ['no answer', noReply(), 'unanswered'],
] as const) {
  test(`${name} is not sent`, async (t) => {
    t.like(await tell(t, {}, [...asking, answer]), { kind, stage: 'prompt' });
  });
}

test('an asynchronous try reports each new state once', async (t) => {
  const dialing: AuthStatus = { result: 'waiting', status: 'calling', message: 'Dialing...' };
  const quiet: AuthStatus = { result: 'waiting', status: '', message: '' };
  const result = await tell(t, { flags: ASYNC }, [
    ...asking,
    reply('2'),
    authAsync('txid', { factor: 'phone1' }),
    shows(''),
    authStatus(dialing),
    shows('Dialing...'),
    authStatus(dialing),
    authStatus(quiet),
    authStatus(WRONG),
    shows(WRONG.message),
    shows(''),
  ]);
  t.deepEqual(result, { kind: 'failed', stage: 'auth_status', message: WRONG.message });
});

test('a try ends after twenty polls', async (t) => {
  const result = await tell(t, { flags: ASYNC }, [
    ...asking,
    reply('1'),
    authAsync('txid'),
    shows(''),
    authStatus(WAITING),
    shows(WAITING.message),
    ...Array.from({ length: 19 }, () => authStatus(WAITING)),
    shows(''),
  ]);
  t.deepEqual(result, { kind: 'failed', stage: 'auth_status', message: 'Authentication timed out' });
});

const ends = [
  [{ result: 'allow', status: 'deny', message: 'x' }, 'allowed'],
  [{ result: 'deny', status: 'allow', message: 'x' }, 'failed'],
  [{ result: 'deny', status: 'locked_out', message: 'x' }, 'denied'],
] as const;
for (const [end, kind] of ends) {
  test(`${end.result} with status ${end.status} is ${kind}`, async (t) => {
    const sync = await tell(t, {}, [...asking, reply('1'), auth(end), shows('x')]);
    t.is(sync.kind, kind);
    const shown = end.result === 'deny' ? [shows('x'), shows('')] : [shows('x')];
    const asynchronous: Step[] = [
      ...asking,
      reply('1'),
      authAsync('txid'),
      shows(''),
      authStatus(end),
      ...shown,
    ];
    t.is((await tell(t, { flags: ASYNC }, asynchronous)).kind, kind);
  });
}

test('a Verified Push shows its code and waits', async (t) => {
  const result = await tell(t, { flags: ASYNC, verifiedPush: true }, [
    ping(),
    preauth(VERIFIED, { verifiedPush: true }),
    prompt(MENU.promptText),
    reply('1'),
    authAsync('txid', { factor: 'push1', txid: 'verified-1' }),
    shows(/\b123\b/),
    shows(''),
    authStatus(ALLOWED),
    shows(ALLOWED.message),
  ]);
  t.is(result.kind, 'allowed');
});

test('where status messages are held back, the code of a Verified Push is shown in a prompt', async (t) => {
  const result = await tell(t, { flags: HELD_BACK, verifiedPush: true }, [
    ping(),
    preauth(VERIFIED),
    prompt(MENU.promptText),
    reply('1'),
    authAsync('txid', { factor: 'push1', txid: 'verified-1' }),
    prompt(/\b123\b/),
    reply(''),
    authStatus(WAITING),
    authStatus(ALLOWED),
    shows(ALLOWED.message),
  ]);
  t.is(result.kind, 'allowed');
});

test('a code that cannot be shown ends the try', async (t) => {
  const result = await tell(t, { flags: HELD_BACK, verifiedPush: true }, [
    ping(),
    preauth(VERIFIED),
    prompt(MENU.promptText),
    reply('1'),
    authAsync('txid'),
    prompt(/\b123\b/),
    noReply(),
  ]);
  t.like(result, { kind: 'unanswered', stage: 'prompt' });
});

test('a passcode instead of a Verified Push needs no code', async (t) => {
  await tell(t, { verifiedPush: true }, [
    ping(),
    preauth(VERIFIED),
    prompt(MENU.promptText),
    reply('123456'),
    auth(ALLOWED, { factor: '123456', txid: undefined }),
    shows(ALLOWED.message),
  ]);
  t.pass();
});

test('a Verified Push shows the code from a status message', async (t) => {
  const result = await tell(t, { flags: ASYNC, verifiedPush: true }, [
    ping(),
    preauth(VERIFIED_LATER, { verifiedPush: true }),
    prompt(MENU.promptText),
    reply('1'),
    authAsync('txid', { factor: 'verified_push1', txid: 'verified-1' }),
    shows(''),
    authStatus(CODE_TOLD),
    shows(CODE_TOLD.message),
    authStatus(ALLOWED),
    shows(ALLOWED.message),
  ]);
  t.is(result.kind, 'allowed');
});

test('where status messages are held back, that message is shown in one prompt', async (t) => {
  const result = await tell(t, { flags: HELD_BACK, verifiedPush: true }, [
    ping(),
    preauth(VERIFIED_LATER),
    prompt(MENU.promptText),
    reply('1'),
    authAsync('txid', { factor: 'verified_push1', txid: 'verified-1' }),
    authStatus(CODE_TOLD),
    prompt(`${CODE_TOLD.message}\nPress Enter to continue: `),
    reply(''),
    authStatus(CODE_TOLD),
    authStatus(ALLOWED),
    shows(ALLOWED.message),
  ]);
  t.is(result.kind, 'allowed');
});

test('a message that cannot be shown ends a Verified Push', async (t) => {
  const result = await tell(t, { flags: HELD_BACK, verifiedPush: true }, [
    ping(),
    preauth(VERIFIED_LATER),
    prompt(MENU.promptText),
    reply('1'),
    authAsync('txid'),
    authStatus(CODE_TOLD),
    prompt(/376/),
    noReply(),
  ]);
  t.like(result, { kind: 'unanswered', stage: 'prompt' });
});

test('a Verified Push is never a synchronous call, and works without a menu', async (t) => {
  const result = await tell(t, { flags: AUTO, verifiedPush: true }, [
    ping(),
    preauth(VERIFIED_LATER),
    shows('Autopushing login request to phone...'),
    authAsync('txid', { factor: 'verified_push1', txid: 'verified-1' }),
    authStatus(CODE_TOLD),
    shows(CODE_TOLD.message),
    authStatus(ALLOWED),
    shows(ALLOWED.message),
  ]);
  t.is(result.kind, 'allowed');
});

for (const [typed, factor] of [
  ['2', 'phone1'],
  ['sms1', 'sms1'],
  ['push1', 'push1'],
  ['123456', '123456'],
] as const) {
  test(`${factor} is sent without the txid of a Verified Push`, async (t) => {
    await tell(t, { verifiedPush: true }, [
      ping(),
      preauth(VERIFIED_LATER),
      prompt(MENU.promptText),
      reply(typed),
      auth(ALLOWED, { factor, txid: undefined }),
      shows(ALLOWED.message),
    ]);
    t.pass();
  });
}

for (const [factor, sentence] of [
  ['push1', 'Autopushing login request to phone...'],
  ['verified_push1', 'Autopushing login request to phone...'],
  ['phone1', 'Calling your phone...'],
  ['sms1', 'Using default second-factor authentication.'],
] as const) {
  test(`an automatic ${factor} is announced`, async (t) => {
    const verified = factor === 'verified_push1';
    const result = await tell(t, { flags: AUTO }, [
      ping(),
      preauth({ ...MENU, defaultFactor: factor }),
      shows(sentence),
      ...(verified ? [authAsync('txid', { factor }), authStatus(ALLOWED)] : [auth(ALLOWED, { factor })]),
      shows(ALLOWED.message),
    ]);
    t.is(result.kind, 'allowed');
  });
}

test('without a default factor the user is prompted', async (t) => {
  await tell(t, { flags: AUTO }, [ping(), preauth(UNDECIDED), prompt(MENU.promptText), noReply()]);
  t.like(await tell(t, { flags: AUTO }, [ping(), preauth(UNDECIDED)], true), { kind: 'unanswered' });
  t.like(await tell(t, { flags: SYNC }, [ping(), preauth(MENU)], true), { kind: 'unanswered' });
});

test('a factor given in advance is used without a prompt', async (t) => {
  await tell(t, { factor: '2', flags: AUTO }, [
    ping(),
    preauth(MENU),
    shows('Reading $DUO_PASSCODE...'),
    auth(ALLOWED, { factor: 'phone1' }),
    shows(ALLOWED.message),
  ]);
  t.pass();
});

for (const [name, preauthed, shown, kind] of [
  ['allowed', { result: 'allow', message: 'Skipped.' }, ['Skipped.'], 'skipped'],
  ['allowed without a word', { result: 'allow', message: '' }, [], 'skipped'],
  ['denied', { result: 'deny', message: 'No.' }, ['No.'], 'denied'],
  [
    'to enrol',
    { result: 'enroll', message: 'Enrol', portalUrl: 'https://x.test' },
    ['Enrol https://x.test'],
    'denied',
  ],
  [
    'to enrol with a text of its own',
    { result: 'enroll', message: 'Enrol', portalUrl: 'https://x.test', promptText: 'Please enroll at ...' },
    ['Please enroll at ...'],
    'denied',
  ],
  [
    'to enrol where the message says it all',
    { result: 'enroll', message: 'At https://x.test', portalUrl: 'https://x.test' },
    ['At https://x.test'],
    'denied',
  ],
] as const) {
  test(`preauth says: ${name}`, async (t) => {
    const result = await tell(t, {}, [ping(), preauth(preauthed), ...shown.map((text) => shows(text))]);
    t.like(result, { kind, stage: 'preauth' });
  });
}

const down = new DuoConnectionError('down');
for (const [stage, asked, story] of [
  ['ping', false, [ping(down)]],
  ['preauth', false, [ping(), preauth(down)]],
  ['auth', true, [...asking, reply('1'), authAsync(down)]],
  ['auth_status', true, [...asking, reply('1'), authAsync('txid'), shows(''), authStatus(down)]],
] as const) {
  test(`an error in ${stage} names the stage`, async (t) => {
    t.deepEqual(await tell(t, { flags: ASYNC }, story), { kind: 'error', stage, asked, error: down });
  });
}

test('an abort during any step is thrown unchanged', async (t) => {
  const gone = new Gone(new Error('gone'));
  const stories: readonly (readonly Step[])[] = [
    [ping(gone)],
    [ping(), preauth(gone)],
    [...asking, reply(gone)],
    [...asking, reply('1'), authAsync(gone)],
    [...asking, reply('1'), authAsync('txid'), shows(''), authStatus(gone)],
  ];
  for (const story of stories) {
    await t.throwsAsync(tell(t, { flags: ASYNC }, story), { is: gone.reason });
  }
});

test('a programming error is thrown unchanged', async (t) => {
  await t.throwsAsync(tell(t, {}, [ping(new RangeError('x'))]), { instanceOf: RangeError });
});

test('a refused auth request is an error after the user was prompted', async (t) => {
  const error = new DuoRequestError('40002: Invalid request parameters');
  t.like(await tell(t, {}, [...asking, reply('1'), auth(error)]), {
    kind: 'error',
    asked: true,
    stage: 'auth',
  });
});
