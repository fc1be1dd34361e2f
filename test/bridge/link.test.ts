/** The engine's side of the bridge, driven frame by frame by a scripted host. */
import { type Duplex, duplexPair } from 'node:stream';
import test from 'ava';
import { factsToFrame, groupsToFrame } from '../../src/bridge/facts.ts';
import {
  encodeFrame,
  type Field,
  type Frame,
  FrameReader,
  FrameType,
  MAX_FRAME,
  PROTOCOL_VERSION,
} from '../../src/bridge/frame.ts';
import { serveLogin } from '../../src/bridge/link.ts';
import {
  CancelledError,
  Channel,
  ConversationError,
  DeadlineError,
  DuoCode,
  type Login,
  type LoginContext,
  Outcome,
  Priority,
  type Verdict,
} from '../../src/login/messages.ts';
import { factsOf } from '../lib/facts.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';

const PASS: Verdict = { outcome: Outcome.pass, code: DuoCode.ok, error: '' };
const HELLO = encodeFrame(FrameType.hostHello, [
  ['version', PROTOCOL_VERSION],
  ['release', '1.2.3'],
]);
const FACTS = factsToFrame(factsOf({ deadline: 105_000 }));
const CANCEL = encodeFrame(FrameType.cancel, [['signal', 2]]);
const answer = (text: string) => encodeFrame(FrameType.answer, [['answer', text]]);

const NAMES = new Map(Object.entries(FrameType).map(([name, type]) => [type, name]));

/** The host's end of the socket. */
class FakeHost {
  readonly clock = new FakeClock();
  readonly socket: Duplex;
  readonly frames: Frame[] = [];
  readonly served: Promise<Verdict | undefined>;
  /** The engine has closed the socket, one way or the other. */
  readonly closed: Promise<void>;

  constructor(login: Login) {
    const [here, there] = duplexPair();
    this.socket = here;
    const reader = new FrameReader(MAX_FRAME);
    here.on('data', (chunk: Buffer) => this.frames.push(...reader.push(chunk)));
    this.closed = new Promise((resolve) => {
      here.once('end', resolve);
      here.once('close', resolve);
    });
    here.on('error', () => {});
    this.served = serveLogin(there, login, { clock: this.clock, release: '9.9.9' });
  }

  say(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The frames that the engine sent, each as its name and its text. */
  get heard(): string[] {
    return this.frames.map((frame) =>
      [NAMES.get(frame.type), frame.optionalText('text')].filter((part) => part !== undefined).join(' '),
    );
  }
}

/** A login that waits until it is aborted, and the reason of the abort. */
function waiting() {
  const told = Promise.withResolvers<unknown>();
  const login: Login = (_facts, { signal }) => {
    const { promise, reject } = Promise.withResolvers<never>();
    const end = () => {
      told.resolve(signal.reason);
      reject(signal.reason);
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
    return promise;
  };
  return { login, told: told.promise };
}

/** A login that calls this function and then succeeds. */
const doing =
  (what: (context: LoginContext) => unknown): Login =>
  async (_facts, context) => {
    await what(context);
    return PASS;
  };

test('one login: HELLO, a prompt, a status, a log line, the verdict and the end', async (t) => {
  const host = new FakeHost(async (facts, { conversation, log }) => {
    t.deepEqual(facts, factsOf());
    const given = await conversation.prompt('Passcode: ');
    conversation.status(`You said ${given}`);
    log(Priority.warning, 'careful', Channel.stderr);
    return PASS;
  });
  host.say(HELLO, FACTS);
  await settle();
  t.deepEqual(host.heard, ['engineHello', 'prompt Passcode: ']);
  t.is(host.frames[0]?.number('version'), PROTOCOL_VERSION);
  t.is(host.frames[0]?.text('release'), '9.9.9');
  host.say(answer('123456'));
  t.deepEqual(await host.served, PASS);
  await host.closed;
  t.deepEqual(host.heard.slice(2), ['status You said 123456', 'log careful', 'verdict']);
  t.is(host.frames[3]?.number('priority'), 4);
  t.is(host.frames[3]?.number('channel'), 1);
  const verdict = host.frames[4];
  t.is(verdict?.number('outcome'), 1);
  t.is(verdict?.number('code'), 0);
  t.is(verdict?.text('error'), '');
  t.is(host.clock.sleeping, 0, 'no timer is left');
});

test('a verdict says whether to show the message of the day', async (t) => {
  for (const motd of [true, false]) {
    const host = new FakeHost(async () => ({ ...PASS, motd }));
    host.say(HELLO, FACTS);
    await host.served;
    await host.closed;
    t.is(host.frames.at(-1)?.optionalNumber('motd'), motd ? 1 : undefined);
  }
});

test('a heartbeat every second from the start to the verdict', async (t) => {
  const end = Promise.withResolvers<void>();
  const host = new FakeHost(doing(() => end.promise));
  await host.clock.advance(3_000);
  t.deepEqual(host.heard, ['engineHello', 'heartbeat', 'heartbeat', 'heartbeat'], 'before the host spoke');
  host.say(HELLO, FACTS);
  await host.clock.advance(1_999);
  t.is(host.heard.length, 5);
  end.resolve();
  await host.served;
  await host.clock.advance(10_000);
  t.deepEqual(host.heard.slice(5), ['verdict']);
});

const nonsense: Readonly<Record<string, readonly Buffer[]>> = {
  'FACTS before HELLO': [FACTS],
  'CANCEL before HELLO': [CANCEL],
  'an engine as a host': [encodeFrame(FrameType.heartbeat, [])],
  'another version': [
    encodeFrame(FrameType.hostHello, [
      ['version', PROTOCOL_VERSION + 1],
      ['release', 'x'],
    ]),
    FACTS,
  ],
  'no version': [encodeFrame(FrameType.hostHello, [['release', 'x']]), FACTS],
  'HELLO twice': [HELLO, HELLO],
  'an answer instead of FACTS': [HELLO, answer('1')],
  'FACTS without a fact': [HELLO, encodeFrame(FrameType.facts, [['program', 'pam']])],
  'no frames at all': [Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
  'CANCEL before FACTS': [HELLO, CANCEL],
};
for (const [name, frames] of Object.entries(nonsense)) {
  test(`no login starts after ${name}; the engine sends HELLO and closes the connection`, async (t) => {
    const host = new FakeHost(async () => t.fail('a login began') || PASS);
    host.say(...frames);
    t.is(await host.served, undefined);
    await host.closed;
    t.deepEqual(host.heard, ['engineHello']);
    t.is(host.clock.sleeping, 0);
  });
}

const endings: Readonly<Record<string, (host: FakeHost) => void>> = {
  CANCEL: (host) => host.say(CANCEL),
  'the end of the file': (host) => void host.socket.end(),
  'a socket that breaks': (host) => void host.socket.destroy(),
  'FACTS a second time': (host) => host.say(FACTS),
  'HELLO a second time': (host) => host.say(HELLO),
  'an answer to nothing': (host) => host.say(answer('1')),
  'GROUPS that were not asked for': (host) => host.say(groupsToFrame({ names: ['staff'] })),
  'bytes that are no frame': (host) => host.say(Buffer.from('0000000000')),
  'a length beyond all limits': (host) => host.say(Buffer.of(0xff, 0xff, 0xff, 0xff)),
};
for (const [name, end] of Object.entries(endings)) {
  test(`${name} aborts a login at once, and no verdict is sent`, async (t) => {
    const { login, told } = waiting();
    const host = new FakeHost(login);
    host.say(HELLO, FACTS);
    await settle();
    end(host);
    t.true((await told) instanceof CancelledError);
    t.is(await host.served, undefined);
    t.false(host.heard.includes('verdict'));
    t.is(host.clock.sleeping, 0);
  });

  if (name === 'an answer to nothing') continue;
  test(`${name} cancels a prompt`, async (t) => {
    const ended = Promise.withResolvers<unknown>();
    const host = new FakeHost(doing(({ conversation }) => conversation.prompt('? ').catch(ended.resolve)));
    host.say(HELLO, FACTS);
    await settle();
    end(host);
    t.true((await ended.promise) instanceof CancelledError);
    t.is(await host.served, undefined, 'even a login that passes afterwards has no verdict');
    t.false(host.heard.includes('verdict'));
  });
}

test('a login without its host cannot prompt', async (t) => {
  const left = Promise.withResolvers<void>();
  const host = new FakeHost(
    doing(async ({ conversation, signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      await t.throwsAsync(conversation.prompt('? '), { instanceOf: CancelledError });
      left.resolve();
    }),
  );
  host.say(HELLO, FACTS);
  await settle();
  host.say(CANCEL);
  await left.promise;
  t.false(host.heard.some((line) => line.startsWith('prompt')));
});

test('a failed conversation is reported to the login', async (t) => {
  const host = new FakeHost(
    doing(({ conversation }) =>
      t.throwsAsync(conversation.prompt('? '), {
        instanceOf: ConversationError,
        message: 'the conversation failed',
      }),
    ),
  );
  host.say(HELLO, FACTS);
  await settle();
  host.say(encodeFrame(FrameType.answer, [['failed', 1]]));
  t.is((await host.served)?.outcome, Outcome.pass);
});

const answers: Readonly<Record<string, readonly Field[]>> = {
  neither: [],
  both: [
    ['answer', '1'],
    ['failed', 1],
  ],
};
for (const [name, fields] of Object.entries(answers)) {
  test(`an answer that is ${name} given and failed violates the protocol`, async (t) => {
    const host = new FakeHost(doing(({ conversation }) => conversation.prompt('? ')));
    host.say(HELLO, FACTS);
    await settle();
    host.say(encodeFrame(FrameType.answer, fields));
    t.is(await host.served, undefined);
    t.deepEqual(host.heard, ['engineHello', 'prompt ? ']);
  });
}

test('there is one prompt at a time, and one answer to it', async (t) => {
  const { told, login } = waiting();
  const host = new FakeHost(async (facts, its) => {
    const first = its.conversation.prompt('first? ');
    await t.throwsAsync(its.conversation.prompt('second? '), { instanceOf: ConversationError });
    t.is(await first, 'one');
    return login(facts, its);
  });
  host.say(HELLO, FACTS);
  await settle();
  t.deepEqual(host.heard, ['engineHello', 'prompt first? ']);
  host.say(answer('one'), answer('two'));
  t.true((await told) instanceof CancelledError);
  t.is(await host.served, undefined);
});

for (const [user, number] of [
  ['account', 1],
  ['caller', 2],
] as const) {
  test(`a login gets the groups of the ${user} once`, async (t) => {
    const sent = { names: ['alice', 'staff'] };
    const { told, login } = waiting();
    const host = new FakeHost(async (facts, context) => {
      t.deepEqual(await context.groupsOf(user), sent);
      return login(facts, context);
    });
    host.say(HELLO, FACTS);
    await settle();
    t.is(host.frames[1]?.type, FrameType.needs);
    t.is(host.frames[1]?.number('groupsOf'), number);
    host.say(groupsToFrame(sent));
    await settle();
    host.say(groupsToFrame(sent));
    t.true((await told) instanceof CancelledError);
  });
}

test('a login that needs no groups says so', async (t) => {
  const host = new FakeHost(doing((context) => context.noGroups()));
  host.say(HELLO, FACTS);
  await host.served;
  await host.closed;
  t.deepEqual(host.heard, ['engineHello', 'needs', 'verdict']);
  t.is(host.frames[1]?.number('groupsOf'), 0);
});

test('a login can time out while it waits for groups', async (t) => {
  const host = new FakeHost(
    doing((context) => t.throwsAsync(context.groupsOf('account'), { instanceOf: DeadlineError })),
  );
  host.say(HELLO, FACTS);
  await host.clock.advance(105_000);
  t.deepEqual(await host.served, PASS);
});

test('an empty answer is an answer', async (t) => {
  const host = new FakeHost(doing(async ({ conversation }) => t.is(await conversation.prompt('? '), '')));
  host.say(HELLO, FACTS);
  await settle();
  host.say(answer(''));
  t.is((await host.served)?.outcome, Outcome.pass);
});

test('a timeout aborts the login, and its verdict is still sent', async (t) => {
  const late: Verdict = {
    outcome: Outcome.serviceError,
    code: DuoCode.connError,
    error: 'late',
  };
  const host = new FakeHost(async (_facts, { conversation, signal }) => {
    await t.throwsAsync(conversation.prompt('? '), { instanceOf: DeadlineError });
    t.true(signal.aborted);
    return late;
  });
  host.say(HELLO, FACTS);
  await host.clock.advance(104_999);
  t.false(host.heard.includes('verdict'));
  await host.clock.advance(1);
  t.deepEqual(await host.served, late);
  await settle();
  t.is(host.frames.at(-1)?.number('outcome'), Outcome.serviceError);
});

test('an answer after the timeout does not delay the verdict', async (t) => {
  const go = Promise.withResolvers<void>();
  const host = new FakeHost(
    doing(async ({ conversation }) => {
      await t.throwsAsync(conversation.prompt('? '), { instanceOf: DeadlineError });
      await go.promise;
    }),
  );
  host.say(HELLO, FACTS);
  await host.clock.advance(105_000);
  host.say(answer('1'));
  await settle();
  go.resolve();
  t.deepEqual(await host.served, PASS);
});

class SecretError extends Error {
  override readonly name = 'SecretError';
}
const failures: readonly [string, () => unknown, string][] = [
  ['an error', () => new SecretError('never-to-be-seen'), 'internal error in the engine (SecretError)'],
  ['no error at all', () => 'never-to-be-seen', 'internal error in the engine (string)'],
  ['nothing', () => undefined, 'internal error in the engine (undefined)'],
];
for (const [name, thrown, reason] of failures) {
  test(`a login that throws ${name} is denied with a fixed message`, async (t) => {
    const host = new FakeHost(() => Promise.reject(thrown()));
    host.say(HELLO, FACTS);
    const expected = {
      outcome: Outcome.serviceError,
      code: DuoCode.libError,
      error: reason,
    };
    t.deepEqual(await host.served, expected as Verdict);
    await host.closed;
    t.deepEqual(host.heard, ['engineHello', `log Error in Duo login for 'alice': ${reason}`, 'verdict']);
    t.is(host.frames[1]?.number('priority'), Priority.error);
    t.is(host.frames[2]?.number('outcome'), Outcome.serviceError);
    t.is(host.frames[2]?.text('error'), reason);
  });
}

test('a login that throws synchronously is denied', async (t) => {
  const host = new FakeHost(() => {
    throw new TypeError('x');
  });
  host.say(HELLO, FACTS);
  t.is((await host.served)?.outcome, Outcome.serviceError);
});

test('a failed login is logged on one line, with any user name', async (t) => {
  const host = new FakeHost(() => {
    throw new TypeError('x');
  });
  host.say(HELLO, factsToFrame(factsOf({ user: "a'\n\u001b[2Jlogin: root" })));
  await host.closed;
  t.is(
    host.heard[1],
    "log Error in Duo login for 'a' ?[2Jlogin: root': internal error in the engine (TypeError)",
  );
});

test('a login that times out is denied', async (t) => {
  const { login } = waiting();
  const host = new FakeHost(login);
  host.say(HELLO, FACTS);
  await host.clock.advance(105_000);
  t.like(await host.served, { outcome: Outcome.serviceError, error: 'cancelled (DeadlineError)' });
});

const texts: readonly [string, string, string][] = [
  ['NUL', 'a\0b', 'a?b'],
  ['half a surrogate pair', 'a\ud800b', 'a\ufffdb'],
  ['8192 bytes', 'x'.repeat(8192), 'x'.repeat(8192)],
  ['more than 8192 bytes', 'x'.repeat(20_000), 'x'.repeat(8192)],
  ['a character that would be cut', `${'x'.repeat(8190)}😀`, 'x'.repeat(8190)],
];
for (const [name, sent, received] of texts) {
  test(`a text with ${name} is cut to fit`, async (t) => {
    const host = new FakeHost(async (_facts, { conversation, log }) => {
      conversation.status(sent);
      log(Priority.info, sent);
      return { ...PASS, outcome: Outcome.denied, error: sent };
    });
    host.say(HELLO, FACTS);
    await host.served;
    await host.closed;
    t.is(host.frames[1]?.text('text'), received);
    t.is(host.frames[2]?.text('text'), received);
    t.is(host.frames[3]?.text('error'), received);
  });
}

test('messages after the verdict are ignored', async (t) => {
  let talk = () => {};
  const host = new FakeHost(
    doing(({ conversation }) => {
      talk = () => conversation.status('late');
    }),
  );
  host.say(HELLO, FACTS);
  await host.served;
  talk();
  await host.closed;
  t.is(host.heard.at(-1), 'verdict');
});

test('a host that sends single bytes is understood', async (t) => {
  const host = new FakeHost(doing(() => undefined));
  for (const byte of Buffer.concat([HELLO, FACTS])) host.say(Buffer.of(byte));
  t.deepEqual(await host.served, PASS);
});
