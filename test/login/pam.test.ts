/** The order of a PAM login, as scripts. */
import test, { type ExecutionContext } from 'ava';
import type { Config } from '../../src/config/config.ts';
import {
  DuoConnectionError,
  type DuoError,
  DuoHandleError,
  DuoLocalError,
  DuoReplyError,
  DuoRequestError,
  DuoServerError,
  DuoTryError,
  DuoUnauthorizedError,
} from '../../src/duo/errors.ts';
import { Secret } from '../../src/lib/secret.ts';
import {
  CancelledError,
  DeadlineError,
  DuoCode,
  type Facts,
  type Groups,
  NO_LOGIN_UID,
  Outcome,
  type Verdict,
} from '../../src/login/messages.ts';
import { pamLogin } from '../../src/login/pam.ts';
import { ALICE, configOf, factsOf, ROOT } from '../lib/facts.ts';
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

const CHOOSE = 'Passcode or option (1-2): ';
const LATE = new DeadlineError('the time for this login is over');

interface Scene {
  readonly facts?: Partial<Facts>;
  /** Lines of the configuration. */
  readonly config?: string;
  readonly groups?: Groups;
  readonly localAddress?: string;
  readonly engine?: 'private' | 'resident';
  readonly openDuo?: (config: Config, notify: (text: string) => void, program: string) => void;
}

const notOpened = async (): Promise<never> => {
  throw new Error('Duo was opened');
};

/** Runs a login with its script. */
async function tell(
  t: ExecutionContext,
  { facts = {}, config = '', groups, localAddress, engine = 'private', openDuo }: Scene,
  steps: readonly Step[],
): Promise<{ verdict: Verdict; log: readonly string[]; story: Story }> {
  const story = new Story(steps);
  if (groups !== undefined) story.groups = groups;
  const login = pamLogin({
    openDuo: async (settings, notify, program) => {
      openDuo?.(settings, notify, program);
      return story.duo;
    },
    localAddress: async () => localAddress,
    engine,
  });
  // sshd's logins are synchronous and so have short scripts.
  const whole = factsOf({ service: 'sshd', config: configOf(config), ...facts });
  const verdict = await login(whole, story.context).finally(() => story.over(t));
  if (steps.length > 0) t.is(story.groupsOf.length, 1, 'the login said whose groups it needs');
  t.false(JSON.stringify([verdict, story.log]).includes('never-to-be-seen'));
  return { verdict, log: story.log, story };
}

const asking = [ping(), preauth(MENU), prompt(CHOOSE)];
const wrong = [...asking, reply('000000'), auth(WRONG, { factor: '000000' }), shows(WRONG.message)];
const right = [...asking, reply('123456'), auth(ALLOWED, { factor: '123456' }), shows(ALLOWED.message)];

test('a passcode', async (t) => {
  const { verdict, log, story } = await tell(t, { facts: { rhost: '192.0.2.7' } }, right);
  t.deepEqual(verdict, { outcome: Outcome.pass, code: DuoCode.ok, error: '' });
  t.deepEqual(log, ["[6] Successful Duo login for 'alice' from 192.0.2.7"]);
  t.true(story.closed);
});

test('a push, with each state shown where the host can show it', async (t) => {
  const { verdict } = await tell(t, { facts: { service: 'login' } }, [
    ...asking,
    reply('1'),
    authAsync('txid', { factor: 'push1' }),
    shows(''),
    authStatus(WAITING),
    shows(WAITING.message),
    authStatus(WAITING),
    authStatus(ALLOWED),
    shows(ALLOWED.message),
  ]);
  t.is(verdict.outcome, Outcome.pass);
});

test('three wrong passcodes are denied, and each is logged', async (t) => {
  const { verdict, log, story } = await tell(t, {}, [...wrong, ...wrong, ...wrong]);
  t.deepEqual(verdict, {
    outcome: Outcome.maxTries,
    code: DuoCode.fail,
    error: 'Incorrect passcode.',
  });
  t.deepEqual(log, Array(3).fill("[4] Failed Duo login for 'alice': Incorrect passcode."));
  t.true(story.closed);
});

test('a wrong passcode, then the right one', async (t) => {
  t.is((await tell(t, {}, [...wrong, ...right])).verdict.outcome, Outcome.pass);
});

test('prompts = 1 allows one try', async (t) => {
  t.is((await tell(t, { config: 'prompts = 1' }, wrong)).verdict.outcome, Outcome.maxTries);
});

test('an empty answer is a try without a request', async (t) => {
  const { verdict } = await tell(t, { config: 'prompts = 1' }, [...asking, reply('  ')]);
  t.is(verdict.outcome, Outcome.maxTries);
});

test('a locked-out user gets no second try', async (t) => {
  const locked = { result: 'deny', status: 'locked_out', message: 'Account locked out.' } as const;
  const { verdict, log } = await tell(t, {}, [...asking, reply('1'), auth(locked), shows(locked.message)]);
  t.is(verdict.outcome, Outcome.denied);
  t.deepEqual(log, ["[4] Aborted Duo login for 'alice': Account locked out."]);
});

for (const [name, answer] of [
  ['a conversation that fails', noReply()],
  ['an answer that is longer than a factor can be', reply('1'.repeat(256))],
] as const) {
  test(`${name} ends the login`, async (t) => {
    const { verdict, log } = await tell(t, {}, [...asking, answer]);
    t.like(verdict, { outcome: Outcome.aborted, code: DuoCode.abort });
    t.deepEqual(log, ["[3] Error in Duo login for 'alice': Error gathering user response"]);
  });
}

test('Duo allows a user without a factor', async (t) => {
  const { verdict, log } = await tell(t, {}, [
    ping(),
    preauth({ result: 'allow', message: 'Skipped.' }),
    shows('Skipped.'),
  ]);
  t.like(verdict, { outcome: Outcome.pass });
  t.deepEqual(log, ["[4] Skipped Duo login for 'alice': Skipped."]);
});

test('Duo denies a user', async (t) => {
  const { verdict, log } = await tell(t, { config: 'failmode = safe' }, [
    ping(),
    preauth({ result: 'deny', message: 'Your account is disabled.' }),
    shows('Your account is disabled.'),
  ]);
  t.deepEqual(verdict, {
    outcome: Outcome.denied,
    code: DuoCode.abort,
    error: 'Your account is disabled.',
  });
  t.deepEqual(log, ["[4] Aborted Duo login for 'alice': Your account is disabled."]);
});

test('a user who must enrol sees the link and is denied', async (t) => {
  const scene: Scene = { facts: { service: 'login' }, config: 'failmode = safe' };
  const { verdict, log } = await tell(t, scene, [
    ping(),
    preauth({ result: 'enroll', message: 'Enrol at', portalUrl: 'https://enrol.test/x' }),
    shows('Enrol at https://enrol.test/x'),
  ]);
  t.is(verdict.outcome, Outcome.denied);
  t.deepEqual(log, ["[4] Aborted Duo login for 'alice': User enrollment required"]);
});

/** The result of each failure before the prompt, with failmode safe and failmode secure. */
const failures: readonly [DuoError, Outcome, Outcome, DuoCode][] = [
  [new DuoConnectionError("Couldn't connect"), Outcome.pass, Outcome.serviceError, DuoCode.connError],
  [new DuoServerError('HTTP 503'), Outcome.pass, Outcome.serviceError, DuoCode.serverError],
  [new DuoUnauthorizedError('Invalid ikey or skey'), Outcome.pass, Outcome.serviceError, DuoCode.clientError],
  [new DuoReplyError('invalid JSON response'), Outcome.pass, Outcome.serviceError, DuoCode.serverError],
  [new DuoRequestError('40002: Invalid'), Outcome.denied, Outcome.denied, DuoCode.clientError],
  [new DuoLocalError('EMFILE'), Outcome.serviceError, Outcome.serviceError, DuoCode.libError],
];
const push = [...asking, reply('1')];
const steps: readonly [string, boolean, (error: DuoError) => readonly Step[]][] = [
  ['ping', false, (error) => [ping(error)]],
  ['preauth', false, (error) => [ping(), preauth(error)]],
  ['auth', true, (error) => [...push, authAsync(error)]],
  ['auth_status', true, (error) => [...push, authAsync('txid'), shows(''), authStatus(error)]],
];
for (const [error, safe, secure, code] of failures) {
  for (const [stage, asked, story] of steps) {
    for (const failmode of ['safe', 'secure'] as const) {
      test(`${error.code} in ${stage}, failmode ${failmode}`, async (t) => {
        const scene: Scene = { facts: { service: 'login' }, config: `failmode = ${failmode}` };
        const { verdict, log, story: told } = await tell(t, scene, story(error));
        const expected = failmode === 'safe' && !asked ? safe : secure;
        t.deepEqual(verdict, { outcome: expected, code, error: error.message });
        const byFailmode = !asked && safe !== secure;
        const safeOrNot = failmode === 'safe' ? 'Failsafe' : 'Failsecure';
        const otherwise = error.code === 'ERR_DUO_REQUEST' ? '[4] Aborted' : '[3] Error in';
        t.deepEqual(log, [
          `${byFailmode ? `[4] ${safeOrNot}` : otherwise} Duo login for 'alice': ${error.message}`,
        ]);
        t.true(told.closed);
      });
    }
  }
}

for (const [error] of failures) {
  test(`after a wrong passcode ${error.code} denies`, async (t) => {
    const { verdict } = await tell(t, { config: 'failmode = safe' }, [...wrong, ping(error)]);
    t.not(verdict.outcome, Outcome.pass);
  });
}

const late: readonly [string, string, readonly Step[]][] = [
  ['at ping', "Duo's answer to ping", [ping(new Gone(LATE))]],
  ['at preauth', "Duo's answer to preauth", [ping(), preauth(new Gone(LATE))]],
  ['at the prompt', "the user's answer", [...asking, reply(new Gone(LATE))]],
  ['at auth', "Duo's answer to auth", [...asking, reply('1'), auth(new Gone(LATE))]],
  ['at the second ping', "Duo's answer to ping", [...wrong, ping(new Gone(LATE))]],
];
for (const failmode of ['safe', 'secure']) {
  for (const [when, step, story] of late) {
    test(`failmode ${failmode}, a timeout ${when}: a denial that names the step`, async (t) => {
      const { verdict, log, story: told } = await tell(t, { config: `failmode = ${failmode}` }, story);
      t.like(verdict, { outcome: Outcome.serviceError, code: DuoCode.libError });
      t.is(verdict.error, `the time for this login is over (while waiting for ${step})`);
      t.is(log.at(-1), `[3] Error in Duo login for 'alice': ${verdict.error}`);
      t.true(told.closed);
    });
  }
}

test('an unanswered push is not an unreachable Duo, even in a silent host', async (t) => {
  const { verdict } = await tell(t, { facts: { silent: true }, config: 'failmode = safe' }, [
    ping(),
    preauth(MENU),
    auth(new Gone(LATE), { factor: 'push1' }),
  ]);
  t.is(verdict.outcome, Outcome.serviceError);
});

const AWAY = new DuoConnectionError("Couldn't connect to h:443: Failed to connect");
const LOCAL_CALLERS: Readonly<Record<string, Partial<Facts>>> = {
  'a real uid that is not root': { callerUid: 1000 },
  'a PAM_RUSER that is not root': { ruser: 'bert' },
  'a login uid of a user': { loginUid: 1000 },
};
for (const [name, facts] of Object.entries(LOCAL_CALLERS)) {
  test(`a private engine of a local caller never finds Duo unreachable: ${name}`, async (t) => {
    const scene: Scene = { facts, config: 'failmode = safe', engine: 'private' };
    const hint =
      'failmode=safe does not hold for local callers without the resident engine (systemctl enable --now duo-ts.socket)';
    const { verdict, log } = await tell(t, scene, [ping(AWAY)]);
    t.is(verdict.outcome, Outcome.serviceError);
    t.deepEqual(log, [`[3] Error in Duo login for 'alice': ${AWAY.message}; ${hint}`]);
    const broken = await tell(t, { ...scene, config: 'failmode = safe\nnonsense' }, []);
    t.is(broken.verdict.outcome, Outcome.serviceError, 'a configuration that can’t be used');
    t.is(
      broken.log.at(-1),
      `[3] Error in Duo login for 'alice': the configuration in /etc/duo/pam_duo.conf can't be used; ${hint}`,
    );
    const resident = await tell(t, { ...scene, engine: 'resident' }, [ping(AWAY)]);
    t.is(resident.verdict.outcome, Outcome.pass, 'a resident engine is not in the caller’s power');
  });

  test(`a local caller passes with a factor or by Duo's decision: ${name}`, async (t) => {
    t.is((await tell(t, { facts }, right)).verdict.outcome, Outcome.pass);
    const allowed: Step[] = [ping(), preauth({ result: 'allow', message: '' })];
    t.is((await tell(t, { facts }, allowed)).verdict.outcome, Outcome.pass);
  });
}

for (const facts of [
  { callerUid: 0 },
  { callerUid: 0, ruser: 'root', loginUid: 0 },
  { callerUid: 0, ruser: '', loginUid: NO_LOGIN_UID },
]) {
  test(`root's own calls may pass by failmode safe with a private engine: ${JSON.stringify(facts)}`, async (t) => {
    const scene: Scene = { facts, config: 'failmode = safe', engine: 'private' };
    t.is((await tell(t, scene, [ping(AWAY)])).verdict.outcome, Outcome.pass);
  });
}

for (const [when, story] of [
  ['at ping', [ping(new Gone(new CancelledError('x')))]],
  ['at the prompt', [...asking, reply(new Gone(new CancelledError('x')))]],
  ['at auth', [...asking, reply('1'), auth(new Gone(new CancelledError('x')))]],
] as const) {
  test(`a login aborted ${when} has no verdict and leaves no connection`, async (t) => {
    const told = new Story(story);
    const login = pamLogin({
      openDuo: async () => told.duo,
      localAddress: async () => undefined,
      engine: 'private',
    });
    await t.throwsAsync(login(factsOf({ service: 'sshd' }), told.context), { instanceOf: CancelledError });
    told.over(t);
    t.true(told.closed);
  });
}

test('a programming error denies', async (t) => {
  const told = new Story([ping(), preauth(new TypeError('x'))]);
  const login = pamLogin({
    openDuo: async () => told.duo,
    localAddress: async () => undefined,
    engine: 'private',
  });
  await t.throwsAsync(login(factsOf({ service: 'sshd' }), told.context), { instanceOf: TypeError });
  t.true(told.closed);
});

for (const mute of [{ silent: true }, { noConversation: true }] as const) {
  const name = Object.keys(mute)[0] ?? '';
  test(`${name}: one try with the default factor, and no output`, async (t) => {
    const { verdict } = await tell(t, { facts: { service: 'login', ...mute } }, [
      ping(),
      preauth(MENU),
      auth(WRONG, { factor: 'push1' }),
    ]);
    t.is(verdict.outcome, Outcome.maxTries);
  });

  test(`${name}: denied without a default factor`, async (t) => {
    const { defaultFactor: _, ...menu } = MENU;
    const { verdict } = await tell(t, { facts: mute }, [ping(), preauth(menu)]);
    t.is(verdict.outcome, Outcome.aborted);
  });

  test(`${name}: no Verified Push, since its code could not be shown`, async (t) => {
    await tell(t, { facts: mute, config: 'verified_push = yes' }, [
      ping(),
      preauth(MENU, { verifiedPush: false }),
      auth(ALLOWED),
    ]);
  });
}

test('sudo with PAM_SILENT still prompts', async (t) => {
  await tell(t, { facts: { service: 'sudo', silent: true } }, [...asking, noReply()]);
});

test('autopush shows no prompt', async (t) => {
  await tell(t, { config: 'autopush = yes' }, [
    ping(),
    preauth(MENU),
    shows('Autopushing login request to phone...'),
    auth(ALLOWED, { factor: 'push1' }),
    shows(ALLOWED.message),
  ]);
});

test('stat=FAIL with HTTP 200 is a failed try, and the user may try again', async (t) => {
  const failed = new DuoTryError('40002: Invalid request parameters');
  const { verdict, log } = await tell(t, {}, [...asking, reply('123456'), auth(failed), ...right]);
  t.is(verdict.outcome, Outcome.pass);
  t.is(log[0], "[4] Failed Duo login for 'alice': 40002: Invalid request parameters");
  const again = await tell(t, { config: 'prompts = 2' }, [
    ping(),
    preauth(failed),
    ...asking,
    reply('123456'),
    auth(failed),
  ]);
  t.is(again.verdict.outcome, Outcome.maxTries);
});

test('hold_back names a service where the code of a Verified Push is shown in a prompt', async (t) => {
  const scene: Scene = {
    facts: { service: 'web-login' },
    config: 'verified_push = yes\nhold_back = web-login',
  };
  const verified = { ...MENU, factors: [{ key: '1', value: 'verified_push1' }], verifiedPush: { txid: 'v' } };
  const { verdict } = await tell(t, scene, [
    ping(),
    preauth(verified, { verifiedPush: true }),
    prompt(CHOOSE),
    reply('1'),
    authAsync('txid', { factor: 'verified_push1', txid: 'v' }),
    authStatus({ result: 'waiting', status: 'pushed', message: 'Enter verification code 376.' }),
    prompt('Enter verification code 376.\nPress Enter to continue: '),
    reply(''),
    authStatus(ALLOWED),
    shows(ALLOWED.message),
  ]);
  t.is(verdict.outcome, Outcome.pass);
});

test('Duo gets the user, the origin, the command and the failmode', async (t) => {
  const scene: Scene = {
    facts: { service: 'sudo', rhost: '2001:db8::1', command: '/bin/ls' },
    config: 'pushinfo = yes\nfailmode = secure\nverified_push = yes',
    localAddress: '192.0.2.1',
  };
  await tell(t, scene, [
    ping(),
    preauth(MENU, {
      username: 'alice',
      ipaddr: '2001:db8::1',
      hostname: 'host.example.test',
      failmode: 'closed',
      verifiedPush: true,
    }),
    prompt(CHOOSE),
    reply('2'),
    authAsync('txid', {
      username: 'alice',
      factor: 'phone1',
      ipaddr: '2001:db8::1',
      hostname: 'host.example.test',
      pushinfo: 'Server%20IP=192.0.2.1&Command=%2Fbin%2Fls',
    }),
    shows(''),
    authStatus(ALLOWED),
    shows(ALLOWED.message),
  ]);
});

test('su to root authenticates the caller', async (t) => {
  const facts = { service: 'su', user: 'root', account: ROOT, caller: ALICE, callerUid: ALICE.uid };
  const { log } = await tell(t, { facts }, [
    ping(),
    preauth(MENU, { username: 'alice' }),
    prompt(CHOOSE),
    noReply(),
  ]);
  t.regex(log[0] ?? '', /for 'alice'/);
});

test('the log names the Duo user from the GECOS field, then the account', async (t) => {
  const scene: Scene = {
    facts: { account: { ...ALICE, gecos: 'alice.duo,x' }, rhost: '192.0.2.7' },
    config: 'send_gecos = yes\ngecos_username_pos = 1\nprompts = 1',
  };
  const { log } = await tell(t, scene, [
    ping(),
    preauth({ result: 'allow', message: '' }, { username: 'alice.duo' }),
  ]);
  t.regex(log[0] ?? '', /^\[6\] Presenting GECOS-derived Duo username/);
  t.is(log[1], "[4] Skipped Duo login for 'alice.duo' from 192.0.2.7 (account 'alice')");
  const failed = await tell(t, scene, wrong);
  t.is(
    failed.log[1],
    "[4] Failed Duo login for 'alice' from 192.0.2.7: Incorrect passcode. (Duo user 'alice.duo')",
  );
});

test('users outside the groups pass without a request to Duo', async (t) => {
  const { verdict, log } = await tell(
    t,
    { config: 'groups = wheel', openDuo: () => t.fail('Duo was opened') },
    [],
  );
  t.like(verdict, { outcome: Outcome.pass });
  t.deepEqual(log, ["[6] User alice bypassed Duo 2FA due to user's UNIX group"]);
});

test('groups that cannot be read deny', async (t) => {
  const groups = { error: 'Connection refused' };
  const scene: Scene = { groups, config: 'groups = wheel\nfailmode = safe', openDuo: () => t.fail() };
  const { verdict, log } = await tell(t, scene, []);
  t.like(verdict, { outcome: Outcome.serviceError });
  t.deepEqual(log, ["[3] Couldn't get groups for 'alice': Connection refused"]);
});

test('without groups in the configuration none are looked up', async (t) => {
  const { story } = await tell(t, {}, right);
  t.deepEqual(story.groupsOf, ['nobody']);
});

test('su to root uses the groups of the caller', async (t) => {
  const facts = { service: 'su', account: ROOT, caller: ALICE };
  const { story } = await tell(t, { facts, config: 'groups = wheel', openDuo: () => t.fail() }, []);
  t.deepEqual(story.groupsOf, ['caller']);
});

for (const [service, facts, denied] of [
  ['sshd', { accountError: 'out of memory' }, true],
  ['su', { callerError: 'out of memory' }, true],
  ['sshd', { callerError: 'out of memory' }, false],
] as const) {
  test(`${service}, and ${Object.keys(facts)}: ${denied ? 'denied' : 'no matter'}`, async (t) => {
    const scene: Scene = { facts: { service, ...facts }, config: 'failmode = safe' };
    const { verdict, log } = await tell(t, scene, denied ? [] : right);
    t.is(verdict.outcome, denied ? Outcome.serviceError : Outcome.pass);
    if (denied) t.deepEqual(log, ["[3] Error in Duo login for 'alice': out of memory"]);
  });
}

test('groups with negations alone exempt everyone, and a notice says so', async (t) => {
  const { verdict, log } = await tell(t, { config: 'groups = !staff', openDuo: () => t.fail() }, []);
  t.is(verdict.outcome, Outcome.pass);
  t.regex(log[0] ?? '', /^\[4\] All configured groups are negated/);
});

test('a user without a passwd entry', async (t) => {
  const story = new Story([]);
  const { account: _, ...facts } = factsOf({ config: configOf('failmode = safe') });
  const login = pamLogin({ openDuo: notOpened, localAddress: async () => '', engine: 'private' });
  t.like(await login(facts, story.context), { outcome: Outcome.userUnknown });
  t.regex(story.log[0] ?? '', /^\[3\] Error in Duo login for 'alice'/);
});

test('a host that sends no configuration is denied', async (t) => {
  const story = new Story([]);
  const { config: _, ...facts } = factsOf();
  const login = pamLogin({ openDuo: notOpened, localAddress: async () => '', engine: 'private' });
  t.like(await login(facts, story.context), { outcome: Outcome.serviceError });
  t.regex(story.log[0] ?? '', /^\[3\] Error in Duo login for 'alice'/);
});

test('a Duo user name that only login_duo may send is ignored', async (t) => {
  await tell(t, { facts: { duoUser: 'mallory' } }, [
    ping(),
    preauth({ result: 'allow', message: '' }, { username: 'alice' }),
  ]);
});

test('a factor that only login_duo may send is ignored', async (t) => {
  const facts = { envFactor: new Secret('push1') };
  await tell(t, { facts, config: 'accept_env_factor = yes' }, [...asking, noReply()]);
});

for (const [name, text, outcome] of [
  ['safe', 'failmode = safe\nnonsense', Outcome.pass],
  ['secure, said before the mistake', 'failmode = secure\nnonsense', Outcome.serviceError],
  ['secure, said behind the mistake', 'nonsense\nfailmode = secure', Outcome.serviceError],
  ['neither', 'failmode = sfae', Outcome.serviceError],
] as const) {
  test(`an invalid configuration, failmode ${name}`, async (t) => {
    const { verdict, log } = await tell(t, { config: text, openDuo: () => t.fail('Duo was opened') }, []);
    t.like(verdict, { outcome, code: DuoCode.clientError });
    t.true(log.some((line) => line.startsWith('[3] Parse error in /etc/duo/pam_duo.conf, line ')));
  });
}

test('a Duo application that cannot be used denies', async (t) => {
  const openDuo = () => {
    throw new DuoHandleError("Couldn't open Duo API handle: cafile /x holds no usable certificates");
  };
  const { verdict, log } = await tell(t, { config: 'failmode = safe', openDuo }, []);
  t.like(verdict, { outcome: Outcome.serviceError });
  t.regex(log[0] ?? '', /^\[3\] .*Couldn't open Duo API handle.*: .*cafile/);
});

test('noverify is logged as a warning at each login', async (t) => {
  const { log } = await tell(t, { config: 'noverify = yes' }, right);
  t.regex(log[0] ?? '', /^\[4\] TLS certificate verification is disabled/);
});

test('an unknown option is logged as a warning at each login, and Duo is asked', async (t) => {
  const { verdict, log } = await tell(t, { config: 'nosuch = 1' }, right);
  t.is(verdict.outcome, Outcome.pass);
  t.is(log[0], "[4] Unknown option 'nosuch' in /etc/duo/pam_duo.conf, line 5; it is ignored");
});

for (const failmode of ['safe', 'secure']) {
  test(`a configuration that must deny does so with failmode = ${failmode}`, async (t) => {
    for (const config of ['cafile =', 'cafile = ca.pem', 'host =\nikey =\nskey =']) {
      const scene = { config: `${config}\nfailmode = ${failmode}`, openDuo: () => t.fail('Duo was opened') };
      const { verdict, log } = await tell(t, scene, []);
      t.like(verdict, { outcome: Outcome.serviceError, code: DuoCode.clientError });
      t.is(
        log.at(-1),
        "[3] Error in Duo login for 'alice': the configuration in /etc/duo/pam_duo.conf can't be used",
      );
    }
  });
}

test('fallback_local_ip is logged where the address is replaced', async (t) => {
  const scene: Scene = {
    facts: { rhost: 'client.test' },
    config: 'fallback_local_ip = yes',
    localAddress: '192.0.2.1',
  };
  const { log } = await tell(t, scene, [
    ping(),
    preauth({ result: 'allow', message: '' }, { ipaddr: '192.0.2.1' }),
  ]);
  t.regex(log[0] ?? '', /^\[4\] fallback_local_ip is replacing .* for 'alice' from 192\.0\.2\.1$/);
  t.is(log[1], "[4] Skipped Duo login for 'alice' from 192.0.2.1");
});

test('a wait for Duo is shown to the user, except in a silent host', async (t) => {
  const openDuo = (_config: Config, notify: (text: string) => void) => notify('Waiting');
  const denied: Step[] = [ping(), preauth({ result: 'deny', message: '' })];
  await tell(t, { openDuo }, [shows('Waiting'), ...denied]);
  await tell(t, { openDuo, facts: { silent: true } }, denied);
});

test('the content of a log line cannot start another line', async (t) => {
  const { log } = await tell(t, { facts: { rhost: 'evil\n[0] Successful\u001b[2J\u009b' } }, right);
  t.is(log.length, 1);
  t.notRegex(log[0] ?? '', /[\n\u001b\u009b]/);
});
