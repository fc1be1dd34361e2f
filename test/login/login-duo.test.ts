/**
 * The differences of a login_duo login from a PAM login. test/hosts/login-duo.test.ts tests the same with a
 * real login_duo.
 */
import test, { type ExecutionContext } from 'ava';
import { Secret } from '../../src/lib/secret.ts';
import { loginFor } from '../../src/login/login.ts';
import {
  Channel,
  ConversationError,
  DuoCode,
  type Facts,
  Outcome,
  type Verdict,
} from '../../src/login/messages.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { clientFor, never, simulatorFor } from '../lib/service.ts';

interface Told {
  readonly verdict: Verdict;
  readonly simulator: Simulator;
  /** The output of a login; prompts by their last line. */
  readonly shown: readonly string[];
  readonly log: readonly string[];
}

const ASKS = 'Passcode or option (1-3): ';

/** Runs a login; `answers` are used in order, and all of them must be used. */
async function tell(
  t: ExecutionContext,
  { config = '', facts = {}, answers = [] }: { config?: string; facts?: Partial<Facts>; answers?: string[] },
): Promise<Told> {
  const simulator = await simulatorFor(t, {
    users: { alice: { passcodes: ['123456', '123457'] }, ally: { phone: 'approve' }, dan: { phone: 'deny' } },
  });
  const shown: string[] = [];
  const log: string[] = [];
  const left = [...answers];
  const account = { name: 'alice', uid: 1000, gecos: 'ally,room 5', groups: ['alice', 'staff'] };
  const login = loginFor({
    openDuo: async (_config, _notify, program) => {
      t.is(program, 'login_duo');
      return clientFor(simulator).client;
    },
    localAddress: async () => undefined,
    engine: 'private',
  });
  const verdict = await login(
    {
      program: 'login_duo',
      service: 'login_duo',
      user: 'alice',
      silent: false,
      noConversation: false,
      callerUid: 1000,
      account,
      hostName: 'host',
      deadline: 100_000,
      config: { path: '/x.conf', text: `[duo]\nhost=h\nikey=i\nskey=s\nfailmode=secure\n${config}` },
      ...facts,
    },
    {
      groupsOf: async () => ({ names: ['alice', 'staff'] }),
      noGroups: () => {},
      conversation: {
        prompt: async (text) => {
          shown.push(text.split('\n').at(-1) ?? '');
          const answer = left.shift();
          if (answer === undefined) throw new ConversationError('nobody answers');
          return answer;
        },
        status: (text) => {
          if (text !== '') shown.push(text);
        },
      },
      log: (priority, text, channel) =>
        log.push(`${channel === Channel.stderr ? 'stderr' : priority} ${text}`),
      signal: never,
    },
  );
  t.deepEqual(left, [], 'answers that nobody asked for');
  return { verdict, simulator, shown, log };
}

test('a passcode', async (t) => {
  const { verdict, log } = await tell(t, { facts: { rhost: '192.0.2.7' }, answers: ['123456'] });
  t.deepEqual(verdict, { outcome: Outcome.pass, code: DuoCode.ok, error: '' });
  t.deepEqual(log, ["6 Successful Duo login for 'alice' from 192.0.2.7"]);
});

test('a factor given in advance is the first try only', async (t) => {
  const facts = { envFactor: new Secret('999999') };
  const { verdict, shown, log } = await tell(t, {
    config: 'accept_env_factor=yes',
    facts,
    answers: ['123456'],
  });
  t.is(verdict.outcome, Outcome.pass);
  t.deepEqual(shown, [
    'Reading $DUO_PASSCODE...',
    'Incorrect passcode. Please try again.',
    ASKS,
    'Success. Logging you in...',
  ]);
  t.is(log[0], "4 Failed Duo login for 'alice': Incorrect passcode. Please try again.");
});

test('a factor given in advance precedes autopush', async (t) => {
  const facts = { envFactor: new Secret('123456') };
  const { shown } = await tell(t, { config: 'accept_env_factor=yes\nautopush=yes', facts });
  t.is(shown[0], 'Reading $DUO_PASSCODE...');
});

test('a factor given in advance is ignored unless configured', async (t) => {
  const { shown, simulator } = await tell(t, { facts: { envFactor: new Secret('123456') } });
  t.deepEqual(shown, [ASKS]);
  t.false(simulator.service.calls.some(({ call }) => call === 'auth'));
});

test('after a failed autopush the menu is shown, up to the number of prompts', async (t) => {
  const wrong = { config: 'autopush=yes', facts: { duoUser: 'dan' } };
  const { verdict, shown, log } = await tell(t, { ...wrong, answers: ['000000', '000000'] });
  t.is(verdict.outcome, Outcome.maxTries);
  t.is(shown.filter((text) => text.startsWith('Autopushing')).length, 1);
  t.is(shown.filter((text) => text === ASKS).length, 2);
  t.deepEqual(new Set(log.map((line) => line.split(':')[0])), new Set(["4 Failed Duo login for 'dan'"]));

  t.is((await tell(t, { ...wrong, config: 'autopush=yes\nprompts=1' })).verdict.outcome, Outcome.maxTries);
});

test('without a terminal: one push, and no output', async (t) => {
  for (const [duoUser, outcome] of [
    ['ally', Outcome.pass],
    ['dan', Outcome.maxTries],
  ] as const) {
    const { verdict, shown, simulator } = await tell(t, { facts: { noConversation: true, duoUser } });
    t.is(verdict.outcome, outcome);
    t.deepEqual(shown, []);
    const auths = simulator.service.calls.filter(({ call }) => call === 'auth');
    t.is(auths.length, 1);
    t.is(auths[0]?.form['async'], '0');
  }
});

test('a Duo user given by -f precedes GECOS', async (t) => {
  const send = { config: 'gecos_username_pos=1\nautopush=yes' };
  const chosen = await tell(t, { ...send, facts: { duoUser: 'ally' } });
  t.deepEqual(chosen.log, ["6 Successful Duo login for 'ally' (account 'alice')"]);
  const derived = await tell(t, send);
  t.is(derived.simulator.service.calls[1]?.form['username'], 'ally');
  t.is(derived.log.length, 2);
});

test('groups are the account’s, with any Duo user', async (t) => {
  const { verdict } = await tell(t, { config: 'groups=*,!staff', facts: { duoUser: 'dan' } });
  t.is(verdict.outcome, Outcome.pass);
});

test('only an allowed login shows the message of the day', async (t) => {
  const config = 'motd=yes\nautopush=yes';
  t.true((await tell(t, { config, facts: { duoUser: 'ally' } })).verdict.motd);
  t.is(
    (await tell(t, { config: `${config}\nprompts=1`, facts: { duoUser: 'dan' } })).verdict.motd,
    undefined,
  );
});

test('configuration errors appear on standard error', async (t) => {
  const { verdict, log } = await tell(t, { config: 'prompts 2' });
  t.is(verdict.outcome, Outcome.serviceError);
  t.is(log[0], 'stderr Parse error in /x.conf, line 6');
  t.regex(log[1] ?? '', /^4 Failsecure Duo login for 'alice'/);
});
