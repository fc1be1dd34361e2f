/** Real sshd, real ssh, over loopback. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import {
  addConfig,
  loginsInProgress,
  PASSWORD,
  pending,
  run,
  SystemLog,
  setUp,
  startDuo,
  until,
  useStack,
  withoutEngine,
} from './machine.ts';
import { ASK, makeAsk, ssh as sshAt } from './ssh-client.ts';
import { SshServer } from './ssh-server.ts';

const PORT = 2222;
let log: SystemLog;
let duo: Simulator;
let sshd: SshServer | undefined;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
  run('ssh-keygen', '-A');
  run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/tmp/key');
  mkdirSync('/run/sshd', { recursive: true });
  mkdirSync('/home/alice/.ssh', { mode: 0o700 });
  writeFileSync('/home/alice/.ssh/authorized_keys', readFileSync('/tmp/key.pub'), { mode: 0o600 });
  run('chown', '-R', 'alice:alice', '/home/alice/.ssh');
  makeAsk();
});
test.after.always(() => log.stop());

test.beforeEach(async () => {
  log.clear();
  useStack('sshd');
  duo = await startDuo({ users: { alice: { passcodes: ['123456', '123457'] } } });
});
test.afterEach.always(async () => {
  await sshd?.stop();
  sshd = undefined;
  await duo.close();
});

async function startSshd(...options: string[]): Promise<void> {
  sshd = await SshServer.start(PORT, ['UsePAM yes', 'PrintMotd no', 'PrintLastLog no', ...options]);
}

const ssh = (methods: string, answers: readonly string[], ...options: string[]) =>
  sshAt(PORT, methods, answers, ...options);

const KEYBOARD = ['KbdInteractiveAuthentication yes', 'PasswordAuthentication no'];

test('keyboard-interactive: password, then a passcode', async (t) => {
  await startSshd(...KEYBOARD);
  const { status, output, prompts } = await ssh('keyboard-interactive', [PASSWORD, '123456']);
  t.is(output, 'alice\n');
  t.is(status, 0);
  t.regex(prompts, /Password: \n[\s\S]*Duo two-factor login for alice[\s\S]*Passcode or option \(1-3\): /);
  await log.line(/sshd.*Successful Duo login for 'alice' from 127\.0\.0\.1/);
  const auth = duo.service.calls.find(({ call }) => call === 'auth');
  t.is(auth?.form['async'], '0');
  t.is(auth?.form['ipaddr'], '127.0.0.1');
});

test('keyboard-interactive: three wrong passcodes in one try, then denied', async (t) => {
  await startSshd(...KEYBOARD, 'MaxAuthTries 2');
  const { status, output, prompts } = await ssh('keyboard-interactive', [
    PASSWORD,
    '000001',
    '000002',
    '000003',
  ]);
  t.is(status, 255);
  t.notRegex(output, /^alice$/m);
  t.true((prompts.match(/Passcode or option/g) ?? []).length >= 3);
  await log.line(/sshd.*Failed Duo login for 'alice' from 127\.0\.0\.1: Incorrect passcode/);
});

test('keyboard-interactive: a denied push', async (t) => {
  await startSshd(...KEYBOARD);
  addConfig('prompts = 1');
  const session = ssh('keyboard-interactive', [PASSWORD, '1']);
  const push = await pending(duo);
  t.is(push.occasion.ipaddr, '127.0.0.1');
  push.deny();
  t.is((await session).status, 255);
});

test('keyboard-interactive: the code of a Verified Push is shown before the wait', async (t) => {
  await startSshd(...KEYBOARD);
  addConfig('verified_push = yes\nprompts = 1');
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.verifiedPush = true;
  const session = ssh('keyboard-interactive', [PASSWORD, '1', '']);
  const push = await pending(duo);
  t.truthy(push.code);
  // The first poll returns the code. The second one follows Enter, before the code is typed into the phone.
  const polled = async () => {
    while (duo.service.calls.filter(({ call }) => call === 'auth_status').length < 2) {
      await once(duo.service, 'call');
    }
  };
  await polled();
  const code = push.code ?? 'none';
  const shown = readFileSync(`${ASK}.prompts`, 'utf8');
  const told = `Pushed a login request to your device. Open Duo Mobile and enter verification code ${code}.`;
  t.true(shown.includes(`${told}\nPress Enter to continue: `), shown);
  t.false(push.approve('000'), 'another code is not approved');
  t.true(push.approve(code));
  t.like(await session, { status: 0, output: 'alice\n' });
  t.like(duo.service.calls.find(({ call }) => call === 'auth')?.form, {
    async: '1',
    prompt: 'verified_push1',
  });
});

test('keyboard-interactive: a denied Verified Push', async (t) => {
  await startSshd(...KEYBOARD);
  addConfig('verified_push = yes\nprompts = 1');
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.verifiedPush = true;
  const session = ssh('keyboard-interactive', [PASSWORD, '1', '']);
  (await pending(duo)).deny();
  const { status, output } = await session;
  t.is(status, 255);
  t.notRegex(output, /^alice$/m);
});

test('keyboard-interactive: a user who must enrol sees the link', async (t) => {
  await startSshd(...KEYBOARD);
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.status = 'enroll';
  const { status, prompts } = await ssh('keyboard-interactive', [PASSWORD, '']);
  t.is(status, 255);
  t.regex(
    prompts,
    /Please enroll at https:\/\/enroll\.example\.test\/portal\S+\nPress Enter to end this login: /,
  );
  await log.line(/sshd.*Aborted Duo login for 'alice' from 127\.0\.0\.1: User enrollment required/);
});

test('keyboard-interactive: denied without an engine', async (t) => {
  await startSshd(...KEYBOARD);
  addConfig('failmode = safe');
  withoutEngine(t);
  const { status, output } = await ssh('keyboard-interactive', [PASSWORD]);
  t.is(status, 255);
  t.notRegex(output, /^alice$/m);
  await log.line(/Error in Duo login for 'alice' from 127\.0\.0\.1: the engine can't be started/);
});

test('keyboard-interactive: no push before the password was right', async (t) => {
  await startSshd(...KEYBOARD);
  // The stack asks Duo after a wrong password too (`required`); a right passcode does not change the result.
  const { status, output } = await ssh('keyboard-interactive', ['wrong', '123456']);
  t.is(status, 255);
  t.notRegex(output, /^alice$/m);
});

test('password through PAM: an automatic push', async (t) => {
  await startSshd('PasswordAuthentication yes', 'KbdInteractiveAuthentication no');
  addConfig('autopush = yes');
  const session = ssh('password', [PASSWORD]);
  (await pending(duo)).approve();
  t.like(await session, { status: 0, output: 'alice\n' });
});

test('password through PAM: a denied push', async (t) => {
  await startSshd('PasswordAuthentication yes', 'KbdInteractiveAuthentication no');
  addConfig('autopush = yes\nprompts = 1');
  const session = ssh('password', [PASSWORD]);
  (await pending(duo)).deny();
  t.is((await session).status, 255);
});

test('password through PAM: denied where a prompt is needed', async (t) => {
  await startSshd('PasswordAuthentication yes', 'KbdInteractiveAuthentication no');
  const { status, output } = await ssh('password', [PASSWORD]);
  t.is(status, 255);
  t.notRegex(output, /^alice$/m);
  await log.line(/Error in Duo login for 'alice' from 127\.0\.0\.1: Error gathering user response/);
});

const BOTH = [...KEYBOARD, 'AuthenticationMethods publickey,keyboard-interactive'];

test('publickey,keyboard-interactive: the key, then only Duo', async (t) => {
  await startSshd(...BOTH);
  useStack('sshd-key', 'sshd');
  const key = ['IdentityFile=/tmp/key', 'IdentitiesOnly=yes'];
  const { status, output, prompts } = await ssh('publickey,keyboard-interactive', ['123456'], ...key);
  t.like({ status, output }, { status: 0, output: 'alice\n' });
  t.notRegex(prompts, /^Password:/m);

  const denied = await ssh('publickey,keyboard-interactive', ['000009', '000008', '000007'], ...key);
  t.is(denied.status, 255);

  const keyless = await ssh('keyboard-interactive', ['123457']);
  t.is(keyless.status, 255, 'Duo alone is no login');

  withoutEngine(t);
  t.is((await ssh('publickey,keyboard-interactive', ['123457'], ...key)).status, 255);
});

test('no engine is left after LoginGraceTime', async (t) => {
  const args = ['-F', '/dev/null', '-p', String(PORT)];
  for (const option of ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null']) args.push('-o', option);
  // On a slow machine a short time ends before Duo is asked.
  for (let seconds = 2, asked = false; !asked; seconds *= 3) {
    await startSshd(...KEYBOARD, `LoginGraceTime ${seconds}`);
    writeFileSync(`${ASK}.prompts`, '');
    writeFileSync(`${ASK}.answers`, `${PASSWORD}\n1\n`);
    const client = spawn(
      'ssh',
      [...args, '-o', 'PreferredAuthentications=keyboard-interactive', 'alice@127.0.0.1'],
      {
        stdio: 'ignore',
        env: { PATH: process.env['PATH'], SSH_ASKPASS: ASK, SSH_ASKPASS_REQUIRE: 'force', HOME: '/root' },
      },
    );
    const ended = once(client, 'exit');
    asked = await Promise.race([pending(duo).then(() => true), ended.then(() => false)]);
    if (asked) t.is(loginsInProgress(), 1);
    await ended;
    await until(() => loginsInProgress() === 0);
    await sshd?.stop();
  }
});
