/** Logins about which Duo is not asked, because the administrator wants it so: trusted keys, remembered approvals, codes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DuoConnectionError, DuoLocalError, DuoUnauthorizedError } from '../../src/duo/errors.ts';
import { BreakGlass, formatCodeFile, hashOf } from '../../src/login/break-glass.ts';
import type { LoginTools } from '../../src/login/configured.ts';
import { type Facts, Outcome } from '../../src/login/messages.ts';
import { pamLogin } from '../../src/login/pam.ts';
import type { LoginRecord } from '../../src/login/record.ts';
import { Approvals } from '../../src/resident/approvals.ts';
import { configOf, factsOf } from '../lib/facts.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import {
  ALLOWED,
  auth,
  authAsync,
  authStatus,
  MENU,
  noReply,
  ping,
  preauth,
  prompt,
  reply,
  type Step,
  Story,
  shows,
  WRONG,
} from '../lib/story.ts';

const ASKING = [ping(), preauth(MENU), prompt(/Passcode/), reply('123456')];
const APPROVED = [...ASKING, auth(ALLOWED), shows(ALLOWED.message)];
/** The same where messages are shown at once. */
const APPROVED_LOCALLY = [
  ...ASKING,
  authAsync('txid'),
  shows(''),
  authStatus(ALLOWED),
  shows(ALLOWED.message),
];
const SK = 'publickey sk-ssh-ed25519@openssh.com AAAA\n';
const SSH: Partial<Facts> = { service: 'sshd', tty: 'ssh', rhost: '192.0.2.7' };

interface Told {
  readonly outcome: Outcome;
  readonly codeFile: string | undefined;
  readonly log: readonly string[];
  readonly record: LoginRecord | undefined;
}

async function tell(
  t: ExecutionContext,
  facts: Partial<Facts>,
  config: string,
  steps: readonly Step[],
  tools: Partial<LoginTools> = {},
): Promise<Told> {
  const story = new Story(steps);
  const records: LoginRecord[] = [];
  const login = pamLogin({
    openDuo: async () => story.duo,
    localAddress: async () => undefined,
    engine: 'resident',
    recorded: (record) => records.push(record),
    ...tools,
  });
  const verdict = await login(factsOf({ config: configOf(config), ...facts }), story.context).finally(() =>
    story.over(t),
  );
  return { outcome: verdict.outcome, codeFile: verdict.codeFile, log: story.log, record: records[0] };
}

test('trusted_keys: only a key of these types', async (t) => {
  const config = 'trusted_keys = sk-ssh-ed25519@openssh.com';
  const { outcome, log, record } = await tell(t, { ...SSH, authInfo: SK }, config, []);
  t.is(outcome, Outcome.pass);
  t.regex(
    log.join(),
    /^\[6\] Trusted key instead of Duo login for 'alice' from 192\.0\.2\.7: sk-ssh-ed25519@openssh\.com SHA256:/,
  );
  t.is(record?.result, 'trusted_key');
  for (const facts of [
    { ...SSH, authInfo: SK.replace('sk-', '') },
    { ...SSH, authInfo: SK, callerUid: 1000 },
    { ...SSH, authInfo: SK, tty: '/dev/pts/0' },
    SSH,
  ])
    t.is((await tell(t, facts, config, APPROVED)).record?.result, 'approved');
  t.is((await tell(t, { ...SSH, authInfo: SK }, '', APPROVED)).record?.result, 'approved', 'off by default');
});

test('push_once: only after a password in the same connection', async (t) => {
  const before = { ...SSH, passedBefore: true, authInfo: 'password\n' } as const;
  t.is((await tell(t, before, 'push_once = yes', [])).record?.result, 'remembered');
  for (const facts of [
    { ...before, authInfo: 'publickey ssh-ed25519 AAAA\n' },
    { ...SSH, authInfo: 'password\n' },
    { ...before, tty: '/dev/pts/0' },
  ])
    t.is((await tell(t, facts, 'push_once = yes', APPROVED)).record?.result, 'approved');
  t.is((await tell(t, before, '', APPROVED)).record?.result, 'approved', 'off by default');
});

const SESSION: Partial<Facts> = {
  service: 'sudo',
  callerUid: 1000,
  loginUid: 1000,
  session: 7,
  tty: '/dev/pts/3',
};
const REMEMBER = 'remember = 30m\nremember_for = sudo';

test('remember: an approval passes the listed services for its time, in its place', async (t) => {
  const clock = new FakeClock();
  const approvals = new Approvals(clock);
  const on = (facts: Partial<Facts>, steps: readonly Step[], config = REMEMBER) =>
    tell(t, { ...SESSION, ...facts }, config, steps, { approvals });
  t.is((await on({}, APPROVED_LOCALLY)).record?.result, 'approved');
  await clock.advance(29 * 60_000);
  const { log, record } = await on({}, []);
  t.is(record?.result, 'remembered');
  t.deepEqual(log, ["[6] Remembered Duo login for 'alice': approved 29 min ago for this session"]);
  t.is(
    (await on({ service: 'su' }, APPROVED_LOCALLY)).record?.result,
    'approved',
    'a service that is not listed',
  );
  t.is((await on({ session: 8 }, APPROVED_LOCALLY)).record?.result, 'approved');
  t.is(
    (await on({}, APPROVED_LOCALLY, 'remember = 30m')).record?.result,
    'approved',
    'no services are listed',
  );
  t.is((await on({}, APPROVED_LOCALLY, '')).record?.result, 'approved', 'off by default');
  await clock.advance(30 * 60_000);
  t.is((await on({}, APPROVED_LOCALLY)).record?.result, 'approved', 'after its time');
});

test('remember: only approvals of Duo are remembered', async (t) => {
  const key = { ...SSH, authInfo: 'publickey ssh-ed25519 AAAA\n' };
  const approvals = new Approvals(new FakeClock());
  const on = (steps: readonly Step[], more = '') =>
    tell(t, key, `remember = 30m\nremember_for = sshd\n${more}`, steps, { approvals });
  const ends: readonly (readonly [LoginRecord['result'], readonly Step[], string])[] = [
    ['failed', [...ASKING, auth(WRONG), shows(WRONG.message)], 'prompts = 1'],
    ['failsafe', [ping(new DuoConnectionError('x'))], ''],
    ['skipped', [ping(), preauth({ result: 'allow', message: 'Bypass' }), shows('Bypass')], ''],
    ['error', [...ASKING, auth(new DuoConnectionError('x'))], ''],
  ];
  for (const [result, steps, more] of ends) t.is((await on(steps, more)).record?.result, result);
  t.is(approvals.forget(), 0);
  await on(APPROVED);
  t.is(approvals.forget(), 1);
  t.is(
    (await tell(t, key, 'remember = 30m\nremember_for = sshd', APPROVED)).record?.result,
    'approved',
    'an engine that remembers nothing',
  );
});

async function withCode(
  t: ExecutionContext,
): Promise<{ code: string; breakGlass: BreakGlass; clock: FakeClock }> {
  const directory = mkdtempSync(join(tmpdir(), 'break-glass-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const hash = (await hashOf('secret', '00ff')).toString('hex');
  writeFileSync(
    join(directory, 'abcd'),
    formatCodeFile({ name: 'abcd', user: 'alice', salt: '00ff', hash }),
    { mode: 0o644 },
  );
  writeFileSync(join(directory, 'efgh'), 'not a code', { mode: 0o644 });
  const clock = new FakeClock();
  return { code: 'ABCD-sec-ret', breakGlass: new BreakGlass(clock, directory), clock };
}

const SECURE = 'failmode = secure';
const DOWN = [ping(new DuoConnectionError('Failed to connect'))];
const CODE = prompt('Duo is unreachable. Break-glass code: ');

test('break-glass: a code passes while Duo is unreachable, and names its file', async (t) => {
  const { code, breakGlass } = await withCode(t);
  const { outcome, codeFile, log, record } = await tell(t, SSH, SECURE, [...DOWN, CODE, reply(code)], {
    breakGlass,
  });
  t.deepEqual([outcome, codeFile, record?.result], [Outcome.pass, 'abcd', 'break_glass']);
  t.is(log.at(-1), "[3] Break-glass login for 'alice' from 192.0.2.7: code abcd is used up, 0 left");
  t.false(JSON.stringify(log).includes('secret'));
});

test('break-glass: wrong codes, no answer and an empty answer are denied', async (t) => {
  const { code, breakGlass, clock } = await withCode(t);
  const wrong = ['abcd', 'abcdsecreT2', 'xxxxsecret', '   x'];
  for (const answers of [[], [''], ...wrong.map((each) => [each])]) {
    const steps = [
      ...DOWN,
      ...(answers.length === 0 ? [CODE, noReply()] : answers.flatMap((each) => [CODE, reply(each)])),
    ];
    const rest = answers[0] ? [CODE, noReply()] : [];
    const told = tell(t, SSH, SECURE, [...steps, ...rest], { breakGlass });
    const timer = setInterval(() => void clock.advance(10 * 60_000), 20);
    const { outcome, codeFile, record } = await told;
    clearInterval(timer);
    t.deepEqual(
      [outcome, codeFile, record?.result],
      [Outcome.serviceError, undefined, 'failsecure'],
      answers.join(),
    );
  }
  t.is((await tell(t, SSH, SECURE, [...DOWN, CODE, reply(code)], { breakGlass })).outcome, Outcome.pass);
});

const NOT_ASKED: readonly [string, Partial<Facts>, string, readonly Step[], string][] = [
  [
    'another user',
    { ...SSH, user: 'bert', account: { name: 'bert', uid: 1001, gecos: '' } },
    SECURE,
    DOWN,
    'failsecure',
  ],
  ['failmode = safe', SSH, '', DOWN, 'failsafe'],
  ['a failure of this machine', SSH, SECURE, [ping(new DuoLocalError('x'))], 'error'],
  ['after the user was asked', SSH, SECURE, [...ASKING, auth(new DuoConnectionError('x'))], 'error'],
  ['PAM_SILENT', { ...SSH, silent: true }, SECURE, DOWN, 'failsecure'],
  ['no conversation', { ...SSH, noConversation: true }, SECURE, DOWN, 'failsecure'],
];
for (const [what, facts, config, steps, result] of NOT_ASKED) {
  test(`break-glass: nobody is asked for a code: ${what}`, async (t) => {
    const { breakGlass } = await withCode(t);
    t.is(
      (await tell(t, facts, config, steps, { breakGlass })).record?.result,
      result as LoginRecord['result'],
    );
  });
}

test('break-glass: keys that Duo refuses are an outage, as for failmode', async (t) => {
  const { code, breakGlass } = await withCode(t);
  const steps = [ping(), preauth(new DuoUnauthorizedError('Invalid ikey or skey')), CODE, reply(code)];
  t.is((await tell(t, SSH, SECURE, steps, { breakGlass })).record?.result, 'break_glass');
});
