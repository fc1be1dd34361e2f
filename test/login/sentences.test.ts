/** Every message that a login logs and shows: the exact text, in order. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { AuthResult, AuthStatus, DuoApi, Preauth } from '../../src/duo/api.ts';
import { createClient } from '../../src/duo/client.ts';
import { DuoConnectionError, DuoReplyError, DuoRequestError } from '../../src/duo/errors.ts';
import type { LoginTools } from '../../src/login/configured.ts';
import { loginDuoLogin } from '../../src/login/login-duo.ts';
import {
  type Account,
  Channel,
  ConversationError,
  DeadlineError,
  type Facts,
  type Groups,
  Outcome,
  type Verdict,
} from '../../src/login/messages.ts';
import { openDuo, skeyOf } from '../../src/login/open-duo.ts';
import { pamLogin } from '../../src/login/pam.ts';
import { factsOf } from '../lib/facts.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { simulatorFor } from '../lib/service.ts';

const BASE = 'host = api.example.test\nikey = DI\nskey = never-to-be-seen\n';
const ALICE: Account = { name: 'alice', uid: 1000, gecos: '' };

/** Duo's replies in order; an error is thrown. */
interface Answers {
  readonly ping?: Error;
  readonly preauth?: Preauth | Error;
  /** Of one try each; the last one answers all that follow. */
  readonly auth?: readonly (AuthResult | Error)[];
  readonly polls?: readonly (AuthStatus | Error)[];
}

const MENU: Preauth = {
  result: 'auth',
  message: 'Account is active',
  promptText: 'Passcode or option (1-2): ',
  defaultFactor: 'push1',
  factors: [
    { key: '1', value: 'push1' },
    { key: '2', value: 'phone1' },
  ],
};
const ALLOWED = { result: 'allow', status: 'allow', message: 'Success. Logging you in...' } as const;
const DENIED = { result: 'deny', status: 'deny', message: 'Login request denied.' } as const;
const WAITING = { result: 'waiting', status: 'pushed', message: 'Pushed a login request...' } as const;

function given<T>(answers: readonly (T | Error)[], count: number): T {
  const answer = answers[Math.min(count, answers.length - 1)];
  if (answer === undefined || answer instanceof Error)
    throw answer ?? new Error('nothing is told of this call');
  return answer;
}

function duoOf(
  { ping, preauth = MENU, auth = [ALLOWED], polls = [ALLOWED] }: Answers,
  sent: string[],
): DuoApi {
  let tries = 0;
  let polled = 0;
  return {
    ping: async () => {
      if (ping !== undefined) throw ping;
    },
    preauth: async ({ username }) => {
      sent.push(`preauth ${username}`);
      return given([preauth], 0);
    },
    auth: async ({ factor }) => {
      sent.push(`auth ${factor}`);
      return given(auth, tries++);
    },
    authAsync: async ({ factor, txid }) => {
      sent.push(`async ${factor}${txid === undefined ? '' : ` ${txid}`}`);
      return 'txid';
    },
    authStatus: async () => given(polls, polled++),
    close: () => {},
  };
}

interface Scene extends Answers {
  readonly program?: 'pam' | 'login_duo';
  readonly facts?: Partial<Facts>;
  readonly config?: string;
  readonly groups?: Groups;
  /** What the user types, prompt by prompt; after that the conversation fails. */
  readonly types?: readonly string[];
  readonly tools?: Partial<LoginTools>;
}

/** One login: its log (`[priority] …`, plain for standard error), and what was shown (`? ` before prompts). */
async function login(
  scene: Scene,
): Promise<{ verdict: Verdict; log: string[]; shown: string[]; sent: string[] }> {
  const log: string[] = [];
  const shown: string[] = [];
  const sent: string[] = [];
  const types = [...(scene.types ?? ['123456', '123456', '123456'])];
  const program = scene.program ?? 'pam';
  const tools: LoginTools = {
    openDuo: async () => duoOf(scene, sent),
    localAddress: async () => '192.0.2.1',
    engine: 'private',
    ...scene.tools,
  };
  const facts: Facts = {
    program,
    service: 'login',
    user: 'alice',
    silent: false,
    noConversation: false,
    callerUid: 0,
    account: ALICE,
    config: { path: `/etc/duo/${program}.conf`, text: `${BASE}${scene.config ?? ''}\n` },
    hostName: 'host.example.test',
    deadline: 105_000,
    ...scene.facts,
  };
  const run = program === 'pam' ? pamLogin(tools) : loginDuoLogin(tools);
  const verdict = await run(facts, {
    groupsOf: async () => scene.groups ?? { names: ['staff'] },
    noGroups: () => {},
    conversation: {
      prompt: async (text) => {
        shown.push(`? ${text}`);
        const answer = types.shift();
        if (answer === undefined) throw new ConversationError('the conversation failed');
        return answer;
      },
      status: (text) => void shown.push(text),
    },
    log: (priority, text, channel = Channel.log) =>
      void log.push(channel === Channel.stderr ? text : `[${priority}] ${text}`),
    signal: new AbortController().signal,
  });
  return { verdict, log, shown, sent };
}

const away = new DuoConnectionError("Couldn't connect to api.example.test:443: Failed to connect");
const all =
  'All configured groups are negated; no user can match, so Duo 2FA is disabled for every user (use "*,!group" to require 2FA for everyone except a group)';
const replaced =
  "fallback_local_ip is replacing the remote client address with this server's IP; the address reported to Duo is not the client's";
const success = "[6] Successful Duo login for 'alice'";
const gecos = { account: { ...ALICE, gecos: 'Alice,duo' } };
const from = { rhost: '198.51.100.7' };

const SENTENCES: readonly [string, Scene, readonly string[]][] = [
  ['success', {}, [success]],
  ['success from somewhere', { facts: from }, [`${success} from 198.51.100.7`]],
  [
    'a bypassed group',
    { config: 'groups = wheel' },
    ["[6] User alice bypassed Duo 2FA due to user's UNIX group"],
  ],
  [
    'negated groups',
    { config: 'groups = !wheel' },
    [`[4] ${all}`, "[6] User alice bypassed Duo 2FA due to user's UNIX group"],
  ],
  [
    'unreadable groups',
    { config: 'groups = wheel', groups: { error: 'No such process' } },
    ["[3] Couldn't get groups for 'alice': No such process"],
  ],
  [
    'a name from GECOS',
    { config: 'gecos_username_pos = 2', facts: gecos },
    [
      "[6] Presenting GECOS-derived Duo username for 'alice': duo",
      "[6] Successful Duo login for 'duo' (account 'alice')",
    ],
  ],
  ['no GECOS', { config: 'send_gecos = yes' }, ["[4] Empty GECOS field for 'alice'", success]],
  [
    'a GECOS without that part',
    { config: 'gecos_username_pos = 3', facts: gecos },
    ["[7] Could not parse GECOS field for 'alice'", success],
  ],
  [
    'a user who needs no factor',
    { preauth: { result: 'allow', message: 'Skipped two-factor authentication.' }, facts: from },
    ["[4] Skipped Duo login for 'alice' from 198.51.100.7: Skipped two-factor authentication."],
  ],
  [
    'a user who may not',
    { preauth: { result: 'deny', message: 'Your account is disabled.' } },
    ["[4] Aborted Duo login for 'alice': Your account is disabled."],
  ],
  [
    'a user who must enrol',
    { preauth: { result: 'enroll', message: 'Enrol' } },
    ["[4] Aborted Duo login for 'alice': User enrollment required"],
  ],
  [
    'three failures',
    { polls: [DENIED] },
    Array(3).fill("[4] Failed Duo login for 'alice': Login request denied."),
  ],
  [
    'a time-out',
    { polls: [WAITING], config: 'prompts = 1' },
    ["[4] Failed Duo login for 'alice': Authentication timed out"],
  ],
  [
    'failmode safe',
    { ping: away, facts: from },
    [`[4] Failsafe Duo login for 'alice' from 198.51.100.7: ${away.message}`],
  ],
  [
    'failmode secure',
    { ping: away, config: 'failmode = secure' },
    [`[4] Failsecure Duo login for 'alice': ${away.message}`],
  ],
  [
    'a refused call',
    { preauth: new DuoRequestError('40002: Invalid request parameters') },
    ["[4] Aborted Duo login for 'alice': 40002: Invalid request parameters"],
  ],
  [
    'Duo away once the user was asked',
    { polls: [away] },
    [`[3] Error in Duo login for 'alice': ${away.message}`],
  ],
  [
    'an unusable reply',
    { preauth: new DuoReplyError("JSON missing valid 'prompt'") },
    ["[4] Failsafe Duo login for 'alice': JSON missing valid 'prompt'"],
  ],
  ['no answer', { types: [] }, ["[3] Error in Duo login for 'alice': Error gathering user response"]],
  [
    'too long an answer',
    { types: ['1'.repeat(256)] },
    ["[3] Error in Duo login for 'alice': Error gathering user response"],
  ],
  [
    'nobody to ask, and no factor that asks by itself',
    { facts: { silent: true }, preauth: { result: 'auth', message: '', promptText: 'x', factors: [] } },
    ["[3] Error in Duo login for 'alice': JSON missing valid 'default'"],
  ],
  [
    'no verification',
    { config: 'noverify = yes' },
    [
      '[4] TLS certificate verification is disabled (noverify is set, or cafile is empty); anyone who can answer in place of Duo can let anyone in',
      success,
    ],
  ],
  [
    'a remote name that is replaced',
    { config: 'fallback_local_ip = yes', facts: { rhost: 'client.example.test' } },
    [`[4] ${replaced} for 'alice' from 192.0.2.1`, `${success} from 192.0.2.1`],
  ],
  ['no remote name to be replaced', { config: 'fallback_local_ip = yes' }, [`${success} from 192.0.2.1`]],
  [
    'a configuration that is deprecated',
    { config: 'dev_fips_mode = no' },
    [
      '[3] The dev_fips_mode configuration item for Duo Unix is deprecated and no longer has any effect',
      success,
    ],
  ],
  [
    'a configuration that has an error, and failmode behind it',
    { config: 'failmode = x\nfailmode = secure' },
    [
      "Invalid failmode: 'x'",
      "[3] Invalid pam_duo option: 'failmode'",
      '[3] Parse error in /etc/duo/pam.conf, line 4',
      "[4] Failsecure Duo login for 'alice': the configuration in /etc/duo/pam.conf can't be used",
    ],
  ],
  [
    'the same, for login_duo',
    { config: 'failmode = x', program: 'login_duo' },
    [
      "Invalid failmode: 'x'",
      "Invalid login_duo option: 'failmode'",
      'Parse error in /etc/duo/login_duo.conf, line 4',
      "[4] Failsecure Duo login for 'alice': the configuration in /etc/duo/login_duo.conf can't be used",
    ],
  ],
  [
    'control characters',
    { facts: { rhost: 'a\u001b[1m\nb\u007f' }, preauth: { result: 'deny', message: 'x\u0007' } },
    ["[4] Aborted Duo login for 'alice' from a?[1m b?: x?"],
  ],
  [
    'a Duo user of login_duo',
    { program: 'login_duo', facts: { duoUser: 'ada' }, polls: [DENIED], config: 'prompts = 1' },
    ["[4] Failed Duo login for 'ada': Login request denied. (account 'alice')"],
  ],
  [
    'a Duo user of GECOS',
    { facts: gecos, polls: [DENIED], config: 'prompts = 1\ngecos_username_pos = 2' },
    [
      "[6] Presenting GECOS-derived Duo username for 'alice': duo",
      "[4] Failed Duo login for 'alice': Login request denied. (Duo user 'duo')",
    ],
  ],
];
for (const [name, scene, expected] of SENTENCES) {
  test(`the log of ${name}`, async (t) => {
    const { log } = await login(scene);
    t.deepEqual(log, expected);
    t.false(log.join().includes('never-to-be-seen'));
  });
}

test('unusable settings are logged, and deny', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pam-duo-ts-sentences-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const empty = join(directory, 'empty.pem');
  writeFileSync(empty, '');
  for (const [config, why] of [
    ['cafile = /nowhere/ca.pem', "cafile /nowhere/ca.pem can't be read (ENOENT)"],
    [`cafile = ${empty}`, `cafile ${empty} holds no usable certificates`],
    ['http_proxy = https://user:hush@proxy.test', 'http_proxy is not an HTTP proxy'],
    ['http_proxy = user:hush@', 'http_proxy must be [http://][user:password@]host[:port]'],
  ] as const) {
    const { verdict, log } = await login({ config, tools: { openDuo }, facts: from });
    t.deepEqual(log, [`[3] Couldn't open Duo API handle for 'alice' from 198.51.100.7: ${why}`]);
    t.is(verdict.outcome, Outcome.serviceError);
  }
});

const CONVERSATIONS: readonly [string, Scene, readonly string[], readonly string[]][] = [
  [
    'a key of the menu, step by step',
    { types: ['1'], polls: [WAITING, WAITING, ALLOWED] },
    ['? Passcode or option (1-2): ', '', WAITING.message, ALLOWED.message],
    ['preauth alice', 'async push1'],
  ],
  [
    'free text',
    { types: ['push2'] },
    ['? Passcode or option (1-2): ', '', ALLOWED.message],
    ['preauth alice', 'async push2'],
  ],
  [
    'an answer of 255 bytes',
    { types: ['1'.repeat(255)] },
    ['? Passcode or option (1-2): ', '', ALLOWED.message],
    ['preauth alice', `async ${'1'.repeat(255)}`],
  ],
  [
    'a failed try, and an empty line behind it',
    { types: ['1', '2'], polls: [DENIED, ALLOWED] },
    [
      '? Passcode or option (1-2): ',
      '',
      DENIED.message,
      '',
      '? Passcode or option (1-2): ',
      '',
      ALLOWED.message,
    ],
    ['preauth alice', 'async push1', 'preauth alice', 'async phone1'],
  ],
  [
    'a try that times out, and an empty line behind it',
    { types: ['1'], polls: [WAITING], config: 'prompts = 1' },
    ['? Passcode or option (1-2): ', '', WAITING.message, ''],
    ['preauth alice', 'async push1'],
  ],
  [
    'autopush, which repeats',
    { config: 'autopush = yes\nprompts = 2', polls: [DENIED] },
    [
      'Autopushing login request to phone...',
      '',
      DENIED.message,
      '',
      'Autopushing login request to phone...',
      '',
      DENIED.message,
      '',
    ],
    ['preauth alice', 'async push1', 'preauth alice', 'async push1'],
  ],
  [
    'autopush of login_duo, and then the menu',
    { program: 'login_duo', config: 'autopush = yes\nprompts = 2', polls: [DENIED, ALLOWED], types: ['2'] },
    [
      'Autopushing login request to phone...',
      '',
      DENIED.message,
      '',
      '? Passcode or option (1-2): ',
      '',
      ALLOWED.message,
    ],
    ['preauth alice', 'async push1', 'preauth alice', 'async phone1'],
  ],
  [
    'a call by itself',
    { config: 'autopush = yes', preauth: { ...MENU, defaultFactor: 'phone1' } },
    ['Calling your phone...', '', ALLOWED.message],
    ['preauth alice', 'async phone1'],
  ],
  [
    'another factor by itself',
    { config: 'autopush = yes', preauth: { ...MENU, defaultFactor: 'sms1' } },
    ['Using default second-factor authentication.', '', ALLOWED.message],
    ['preauth alice', 'async sms1'],
  ],
  [
    'sshd, with one line at the end',
    { facts: { service: 'sshd' }, types: ['1'] },
    ['? Passcode or option (1-2): ', ALLOWED.message],
    ['preauth alice', 'auth push1'],
  ],
  [
    'a place to enrol',
    { preauth: { result: 'enroll', message: 'Enrol at', portalUrl: 'https://enrol.test/' } },
    ['Enrol at https://enrol.test/'],
    ['preauth alice'],
  ],
  [
    'a place to enrol, on sshd',
    {
      facts: { service: 'sshd' },
      preauth: {
        result: 'enroll',
        message: 'Enrol at https://enrol.test/',
        portalUrl: 'https://enrol.test/',
      },
    },
    ['? Enrol at https://enrol.test/\nPress Enter to end this login: '],
    ['preauth alice'],
  ],
  [
    'a verified push',
    {
      config: 'verified_push = yes',
      types: ['1'],
      preauth: { ...MENU, verifiedPush: { txid: 'v', code: '123' } },
      polls: [WAITING, ALLOWED],
    },
    [
      '? Passcode or option (1-2): ',
      'Enter the code 123 in Duo Mobile to approve this login.',
      '',
      WAITING.message,
      ALLOWED.message,
    ],
    ['preauth alice', 'async push1 v'],
  ],
  [
    'a verified push, on sshd',
    {
      facts: { service: 'sshd' },
      config: 'verified_push = yes',
      types: ['1', ''],
      preauth: { ...MENU, verifiedPush: { txid: 'v', code: '123' } },
      polls: [WAITING, ALLOWED],
    },
    [
      '? Passcode or option (1-2): ',
      '? Enter the code 123 in Duo Mobile to approve this login.\nPress Enter to continue: ',
      ALLOWED.message,
    ],
    ['preauth alice', 'async push1 v'],
  ],
];
for (const [name, scene, shown, sent] of CONVERSATIONS) {
  test(`what is shown: ${name}`, async (t) => {
    const told = await login(scene);
    t.deepEqual(told.shown, shown);
    t.deepEqual(told.sent, sent);
  });
}

test('an empty user name is denied', async (t) => {
  const told = await login({ facts: { account: { ...ALICE, name: '' } } });
  t.regex(told.log[0] ?? '', /^\[3\] Error in Duo login for '': need username to authenticate$/);
  t.deepEqual(told.sent, []);
  t.is(told.verdict.outcome, Outcome.serviceError);
});

test('a wait requested by Duo is shown, and denies when it exceeds the time limit', async (t) => {
  const clock = new FakeClock(Date.now());
  const simulator = await simulatorFor(t, { clock, users: { alice: { status: 'allow' } } });
  const limited = { kind: 'status', status: 429, headers: { 'Retry-After': '30' } } as const;
  const open: LoginTools['openDuo'] = async (config, notify) =>
    createClient({
      host: simulator.host,
      port: simulator.port,
      ikey: simulator.service.application.ikey,
      skey: skeyOf(config),
      trust: { kind: 'authorities', pem: [simulator.ca] },
      timeout: 0,
      userAgent: 'x',
      clock,
      notify,
      random: () => 0,
    });
  simulator.service.faults.add('*', limited);
  const late = new AbortController();
  const shown: string[] = [];
  const log: string[] = [];
  const verdict = pamLogin({ openDuo: open, localAddress: async () => undefined, engine: 'private' })(
    {
      program: 'pam',
      service: 'login',
      user: 'alice',
      silent: false,
      noConversation: false,
      callerUid: 0,
      account: ALICE,
      config: { path: 'F', text: `${BASE}failmode = safe\n` },
      hostName: 'h',
      deadline: 105_000,
    },
    {
      groupsOf: async () => ({ names: [] }),
      noGroups: () => {},
      conversation: {
        prompt: () => Promise.reject(new ConversationError('nobody')),
        status: (text) => {
          shown.push(text);
          if (shown.length === 3) late.abort(new DeadlineError('late'));
        },
      },
      log: (priority, text) => void log.push(`[${priority}] ${text}`),
      signal: late.signal,
    },
  );
  while (shown.length < 3) await clock.advance(1_000);
  t.is((await verdict).outcome, Outcome.serviceError);
  t.deepEqual(
    new Set(shown),
    new Set(['Rate-limiting response received from server. Waiting for 30 seconds before retrying.']),
  );
  t.deepEqual(log, [
    "[3] Error in Duo login for 'alice': the time for this login is over (while waiting for Duo's answer to ping)",
  ]);
});

test('a timeout before the first request is not an unreachable Duo', async (t: ExecutionContext) => {
  const late = new AbortController();
  const open: LoginTools['openDuo'] = async () => ({
    ping: async (signal) => signal.throwIfAborted(),
    preauth: async () => ({ result: 'allow', message: '' }),
    auth: () => Promise.reject(new Error('nobody')),
    authAsync: () => Promise.reject(new Error('nobody')),
    authStatus: () => Promise.reject(new Error('nobody')),
    close: () => {},
  });
  const localAddress = async () => {
    late.abort(new DeadlineError('late'));
    return undefined;
  };
  const context = {
    groupsOf: async () => ({ names: [] }),
    noGroups: () => {},
    conversation: { prompt: () => Promise.reject(new ConversationError('nobody')), status: () => {} },
    log: () => {},
    signal: late.signal,
  };
  const config = { path: 'F', text: `${BASE}failmode = safe\n` };
  const login = pamLogin({ openDuo: open, localAddress, engine: 'private' });
  t.is((await login(factsOf({ config }), context)).outcome, Outcome.serviceError);
});
