/** pam.d/common-auth, one line for the whole machine, through real libpam: every failure denies. */
import { readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { PamCode, type PamMessage, PamStyle } from '../../src/unix/pam-client.ts';
import { PASSWORD, pam, SystemLog, setUp, startDuo, withoutEngine } from './machine.ts';

let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
  // As shipped, without pam_unix's delay after a failure.
  const stack = readFileSync('pam.d/common-auth', 'utf8');
  writeFileSync('/etc/pam.d/every', stack.replace('pam_unix.so nullok', 'pam_unix.so nullok nodelay'));
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  duo = await startDuo({ users: { alice: { passcodes: ['123456'] } } }, 'failmode = safe\nprompts = 1');
});
test.afterEach.always(() => duo.close());

/** Logs alice in; an answer that is null fails the conversation. */
function login(password: string | null, factor: string | null) {
  const answer = ({ style }: PamMessage) => {
    if (style === PamStyle.promptEchoOff) return password;
    return style === PamStyle.promptEchoOn ? factor : '';
  };
  return pam.authenticate({ service: 'every', user: 'alice', confdir: '/etc/pam.d' }, async (messages) => {
    const answers = messages.map(answer);
    return answers.every((text) => text !== null) ? answers : null;
  });
}

test('password and passcode', async (t) => {
  t.is((await login(PASSWORD, '123456')).code, PamCode.PAM_SUCCESS);
});

const failing: readonly [string, string | null, string | null, readonly string[]][] = [
  ['a wrong password; Duo is not asked', 'wrong', '123456', []],
  ['no password; Duo is not asked', '', '123456', []],
  ['a conversation that fails at the password; Duo is not asked', null, '123456', []],
  ['a wrong passcode', PASSWORD, '000000', ['preauth', 'auth', 'auth_status']],
  ['no passcode', PASSWORD, '', ['preauth']],
  ['a conversation that fails at the passcode', PASSWORD, null, ['preauth']],
];
for (const [name, password, factor, calls] of failing) {
  test(`denied: ${name}`, async (t) => {
    t.not((await login(password, factor)).code, PamCode.PAM_SUCCESS);
    t.deepEqual(
      duo.service.calls.map(({ call }) => call).filter((call) => call !== 'ping'),
      calls,
    );
  });
}

test('denied: an unknown user', async (t) => {
  const login = { service: 'every', user: 'nobody-here', confdir: '/etc/pam.d' };
  const { code } = await pam.authenticate(login, async (messages) => messages.map(() => PASSWORD));
  t.not(code, PamCode.PAM_SUCCESS);
});

test('denied: no engine', async (t) => {
  withoutEngine(t);
  t.not((await login(PASSWORD, '123456')).code, PamCode.PAM_SUCCESS);
  await log.line(/the engine can't be started/);
});

test('denied: an invalid module argument', async (t) => {
  writeFileSync(
    '/etc/pam.d/typo',
    'auth required pam_duo_ts.so conf /etc/duo/pam_duo.conf\nauth required pam_permit.so\n',
  );
  const { code } = await pam.authenticate(
    { service: 'typo', user: 'alice', confdir: '/etc/pam.d' },
    async (messages) => messages.map(() => '123456'),
  );
  t.is(code, PamCode.PAM_SERVICE_ERR);
  await log.line(/Invalid pam_duo option: 'conf'/);
});
