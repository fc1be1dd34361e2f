/**
 * Duo's own older client, as packaged by Debian, logs in against the simulator. It is independent code that
 * checks ours.
 */
import { chmodSync, chownSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { PamCode, PamStyle } from '../../src/unix/pam-client.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { type PackagedClient, setUpPackagedClient } from '../lib/packaged-client.ts';
import { pam, pending, run, SystemLog, unix, until } from './machine.ts';
import { Terminal } from './terminal.ts';

const PUSHED = 'Pushed a login request to your device...';
const SUCCESS = 'Success. Logging you in...';
const MENU = /Passcode or option \(1-3\): $/;

let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  run('useradd', '--create-home', '--shell', '/bin/sh', 'alice');
  log = await SystemLog.start();
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  duo = await startSimulator({ users: { alice: { passcodes: ['123456'] } } });
});
test.afterEach.always(() => duo.close());

/** The packaged module, configured with these additional lines. */
function client(more = ''): PackagedClient {
  return setUpPackagedClient(duo, mkdtempSync(join(tmpdir(), 'packaged-')), { more });
}

/** One login of alice with these answers; `said` is the module's output without empty lines. */
async function login(
  answers: readonly string[],
  more = 'prompts = 1',
  options?: Parameters<PackagedClient['login']>[1],
) {
  const left = [...answers];
  const said: string[] = [];
  const { code } = await pam.authenticate(client(more).login('alice', options), async (messages) =>
    messages.map(({ style, text }) => {
      if (text !== '') said.push(text);
      return style === PamStyle.promptEchoOn ? (left.shift() ?? '') : '';
    }),
  );
  return { code, said, left };
}

function alice() {
  const user = duo.service.users['alice'];
  if (user === undefined) throw new Error('alice is not there');
  return user;
}

function calls(): string[] {
  return duo.service.calls.map(({ call }) => call);
}

test('an approved push logs in, and the phone shows its details', async (t) => {
  const result = login(['1'], 'pushinfo = yes', { rhost: '192.0.2.7' });
  const push = await pending(duo);
  t.like(push.occasion, { username: 'alice', ipaddr: '192.0.2.7', hostname: 'host.example.test' });
  t.deepEqual(Object.keys(push.occasion.pushinfo), ['Server IP', 'Command']);
  const page = await fetch(`${duo.phoneUrl}requests/${push.txid}/approve`, {
    method: 'POST',
    headers: { Origin: new URL(duo.phoneUrl).origin, 'Content-Type': 'application/x-www-form-urlencoded' },
    redirect: 'manual',
  });
  t.is(page.status, 303);
  const { code, said } = await result;
  t.is(code, PamCode.PAM_SUCCESS);
  t.regex(said[0] ?? '', /^Duo two-factor login for alice\n/);
  t.is(said.at(-1), SUCCESS);
  t.is(duo.service.calls[0]?.userAgent.replace(/\(.*\)/, '()'), 'pam_duo/1.11.3 () libduo/1.11.3');
  await log.line(/Successful Duo login for 'alice' from 192\.0\.2\.7/);
});

test('a denied push does not log in', async (t) => {
  alice().phone = 'deny';
  const { code, said } = await login(['1', '1', '1'], '');
  t.is(code, PamCode.PAM_MAXTRIES);
  t.is(said.at(-1), 'Login request denied.');
  await log.line(/Failed Duo login for 'alice'/);
});

test('a right passcode logs in', async (t) => {
  const { code, said } = await login(['123456']);
  t.is(code, PamCode.PAM_SUCCESS);
  t.is(said.at(-1), SUCCESS);
  t.deepEqual(calls(), ['preauth', 'auth', 'status']);
});

test('wrong passcodes do not log in, and each is followed by a prompt', async (t) => {
  const { code, said, left } = await login(['000000', '111111', '123456'], 'prompts = 2');
  // Its code when fewer than three prompts were configured and used up.
  t.is(code, PamCode.PAM_SERVICE_ERR);
  t.deepEqual(left, ['123456']);
  t.is(said.filter((text) => MENU.test(text)).length, 2);
  t.is(said.at(-1), 'Incorrect passcode. Please try again.');
});

test('a wrong passcode, then the right one', async (t) => {
  t.is((await login(['000000', '123456'], '')).code, PamCode.PAM_SUCCESS);
});

test('autopush shows no prompt', async (t) => {
  alice().phone = 'approve';
  const { code, said } = await login([], 'autopush = yes');
  t.is(code, PamCode.PAM_SUCCESS);
  t.false(said.some((text) => MENU.test(text)));
  t.is(said[0], 'Autopushing login request to phone...');
});

test('a synchronous push is one request, an asynchronous one reports states', async (t) => {
  alice().phone = 'approve';
  const sync = await login([], 'autopush = yes', { sync: true });
  t.is(sync.code, PamCode.PAM_SUCCESS);
  t.deepEqual(calls(), ['preauth', 'auth']);
  duo.service.calls.length = 0;
  alice().phone = 'ask';
  const result = login(['1']);
  const push = await pending(duo);
  // The first answer reported the push; the second request waits for news.
  await until(() => calls().filter((name) => name === 'status').length === 2);
  push.approve();
  const { code, said } = await result;
  t.is(code, PamCode.PAM_SUCCESS);
  t.deepEqual(said.slice(1), [PUSHED, SUCCESS]);
  t.deepEqual(calls(), ['preauth', 'auth', 'status', 'status']);
});

test('a phone call is answered', async (t) => {
  const clock = new FakeClock();
  await duo.close();
  duo = await startSimulator({ users: { alice: { phone: 'approve' } }, clock });
  // The time until the call is answered, whenever the client polls.
  duo.service.on('call', ({ call }) => {
    if (call === 'status' && calls().filter((name) => name === 'status').length > 1) void clock.advance(3000);
  });
  const { code, said } = await login(['2']);
  t.is(code, PamCode.PAM_SUCCESS);
  t.deepEqual(said.slice(1), [
    'Dialing XXX-XXX-1234...',
    "Answered. Press '#' on your phone to log in.",
    SUCCESS,
  ]);
});

test('users are allowed, denied, or sent to enrol as preauth says', async (t) => {
  alice().status = 'allow';
  t.deepEqual(await login([]), { code: PamCode.PAM_SUCCESS, said: [], left: [] });
  t.deepEqual(calls(), ['preauth']);
  await log.line(/Skipped Duo login for 'alice': Skipped two-factor authentication\./);
  alice().status = 'deny';
  t.deepEqual(await login([]), {
    code: PamCode.PAM_ABORT,
    said: ['Your account is disabled and cannot access this application.'],
    left: [],
  });
  alice().status = 'enroll';
  const enroll = await login([]);
  t.is(enroll.code, PamCode.PAM_ABORT);
  t.regex(enroll.said.join(), /https:\/\/enroll\.example\.test\//);
  await log.line(/Aborted Duo login for 'alice': User enrollment required/);
});

test('faults have their documented effect', async (t) => {
  duo.service.faults.add('preauth', { kind: 'status', status: 503 }, 2);
  t.is((await login([], 'failmode = safe')).code, PamCode.PAM_SUCCESS);
  await log.line(/Failsafe Duo login for 'alice': HTTP 503/);
  t.is((await login([], 'failmode = secure')).code, PamCode.PAM_SERVICE_ERR);
  await log.line(/Failsecure Duo login for 'alice': HTTP 503/);
  duo.service.faults.add('preauth', { kind: 'status', status: 429 }, 1);
  t.is((await login([], 'failmode = safe')).code, PamCode.PAM_ABORT);
  duo.service.faults.clear();
  duo.service.calls.length = 0;
  duo.service.faults.add('auth', { kind: 'drop' });
  t.is((await login([], 'failmode = safe\nautopush = yes')).code, PamCode.PAM_SERVICE_ERR);
  t.deepEqual(calls(), ['preauth', 'auth', 'auth', 'auth']);
  duo.service.faults.add('preauth', { kind: 'garbage' }, 3);
  t.is((await login([], 'failmode = secure')).code, PamCode.PAM_SERVICE_ERR);
});

test('a wrong signature is refused', async (t) => {
  const { code } = await login([], 'failmode = secure\nskey = another-secret-of-nobodys-at-all-0000000');
  t.is(code, PamCode.PAM_SERVICE_ERR);
  await log.line(/Failsecure Duo login for 'alice': Invalid ikey or skey/);
});

/** alice runs the packaged login_duo, which is setuid root and asks Duo as the user sshd. */
function loginDuo(command = 'whoami', more = '', env: NodeJS.ProcessEnv = {}): Terminal {
  const directory = mkdtempSync(join(tmpdir(), 'packaged-'));
  chmodSync(directory, 0o755);
  const authority = join(directory, 'ca.pem');
  writeFileSync(authority, duo.ca);
  const config = '/etc/security/login_duo.conf';
  const owner = unix.userByName('sshd');
  if (owner === undefined) throw new Error('the user sshd is not there');
  writeFileSync(config, duo.config(authority, `prompts = 1\npushinfo = yes\n${more}`));
  chmodSync(config, 0o600);
  chownSync(config, owner.uid, 0);
  return new Terminal(`runuser -u alice -- /usr/sbin/login_duo ${command}; echo "status=$?"`, {
    SSH_CONNECTION: '192.0.2.7 40000 192.0.2.1 22',
    ...env,
  });
}

test('login_duo: an approved push runs the command', async (t) => {
  const terminal = loginDuo();
  await terminal.shows(/Passcode or option \(1-3\): /);
  terminal.type('1\n');
  const push = await pending(duo);
  t.like(push.occasion, { username: 'alice', ipaddr: '192.0.2.7' });
  t.is(push.occasion.pushinfo['Command'], 'whoami');
  push.approve();
  const { output } = await terminal.ended();
  t.regex(output, /Success\. Logging you in\.\.\.\nalice\nstatus=0\n$/);
  t.is(duo.service.calls[0]?.userAgent.replace(/\(.*\)/, '()'), 'login_duo/1.11.3 () libduo/1.11.3');
});

test('login_duo: a denied push does not run it', async (t) => {
  alice().phone = 'deny';
  const terminal = loginDuo();
  await terminal.shows(/Passcode or option \(1-3\): /);
  terminal.type('1\n');
  const { output } = await terminal.ended();
  t.regex(output, /Login request denied\.\n/);
  t.regex(output, /status=1\n$/);
  t.notRegex(output, /^alice$/m);
});

test('login_duo: a right and a wrong passcode', async (t) => {
  for (const [passcode, end] of [
    ['000000', /Incorrect passcode\. Please try again\.\n[\s\S]*status=1\n$/],
    ['123456', /Success\. Logging you in\.\.\.\nalice\nstatus=0\n$/],
  ] as const) {
    const terminal = loginDuo();
    await terminal.shows(/Passcode or option \(1-3\): /);
    terminal.type(`${passcode}\n`);
    const { output } = await terminal.ended();
    t.regex(output, end);
  }
});

test('login_duo: the message of the day precedes a command, but not SSH_ORIGINAL_COMMAND', async (t) => {
  alice().status = 'allow';
  writeFileSync('/etc/motd', 'today is the day\n');
  const shown = async (command: string, env: NodeJS.ProcessEnv = {}) =>
    (await loginDuo(command, 'motd = yes', env).ended()).output;
  t.is(await shown('whoami'), 'today is the day\nalice\nstatus=0\n');
  t.is(await shown('', { SSH_ORIGINAL_COMMAND: 'whoami' }), 'alice\nstatus=0\n');
});

test('login_duo: options after the program are parsed too', async (t) => {
  alice().status = 'allow';
  t.is((await loginDuo('echo -c x').ended()).output, 'Only root may specify -c or -f\nstatus=1\n');
  t.is((await loginDuo('-- echo -c x').ended()).output, '-c x\nstatus=0\n');
});
