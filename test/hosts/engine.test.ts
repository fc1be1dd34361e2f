/**
 * The real engine under a real PAM application: its restrictions, and the login's result when it is
 * disturbed.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { PamCode, PamStyle } from '../../src/unix/pam-client.ts';
import {
  addConfig,
  CONFIG,
  engines,
  pam,
  pending,
  run,
  SOCKET,
  SystemLog,
  setUp,
  startDuo,
  startResident,
  unix,
  until,
} from './machine.ts';

let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  setUp();
  run('cc', '-Wall', '-o', '/usr/local/bin/intruder', 'test/hosts/intruder.c');
  log = await SystemLog.start();
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  duo = await startDuo({ users: { alice: { passcodes: ['123456'] } } }, 'failmode = safe\nprompts = 1');
});
test.afterEach.always(() => duo.close());

/** Logs alice in with a push, with the module line of the su stack. */
function login(answer = '1') {
  return pam.authenticate({ service: 'duo', user: 'alice', confdir: 'test/hosts/pam.d' }, async (messages) =>
    messages.map(({ style }) => (style === PamStyle.promptEchoOn ? answer : '')),
  );
}

async function onlyEngine(): Promise<number> {
  await until(() => engines().length === 1);
  const [pid] = engines();
  if (pid === undefined) throw new Error('the engine is gone');
  return pid;
}

function status(pid: number, field: string): string {
  return (
    new RegExp(`^${field}:[ \\t]*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? ''
  );
}

test('a private engine runs as duo-private, with nothing that it does not need', async (t) => {
  const result = login();
  const push = await pending(duo);
  const pid = await onlyEngine();
  const user = unix.userByName('duo-private');
  const ids = [user?.uid, user?.uid, user?.uid, user?.uid].join('\t');
  t.is(status(pid, 'Uid'), ids);
  t.is(status(pid, 'Groups').trim(), '');
  t.is(status(pid, 'NoNewPrivs'), '1');
  t.regex(status(pid, 'CapEff'), /^0+$/);
  t.regex(status(pid, 'CapBnd'), /^[0-9a-f]+$/);
  t.is(readFileSync(`/proc/${pid}/environ`, 'latin1'), 'PATH=/usr/bin:/bin\0LANG=C.UTF-8\0HOME=/\0');
  t.is(readlinkSync(`/proc/${pid}/cwd`), '/');
  const session = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[3];
  t.is(session, String(pid), 'a session of its own');
  t.regex(readFileSync(`/proc/${pid}/limits`, 'latin1'), /^Max core file size\s+[01]\s+[01]\s/m);
  const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  const foreign = open.filter(
    (path) => !/^(?:\/dev\/null|socket:|pipe:|anon_inode:|\/dev\/urandom)/.test(path),
  );
  t.deepEqual(foreign, []);
  push.approve();
  t.is((await result).code, PamCode.PAM_SUCCESS);
  t.deepEqual(engines(), []);
});

const AS_PRIVATE = ['--reuid', 'duo-private', '--regid', 'duo-private', '--clear-groups'];

/** What code outside the sandbox of a compromised private engine could do to a process. */
function intrude(pid: number): string {
  return spawnSync('setpriv', [...AS_PRIVATE, 'intruder', String(pid)], { encoding: 'utf8' }).stdout;
}

test('another process of duo-private can read neither engine nor keeper', async (t) => {
  const other = spawn('setpriv', [...AS_PRIVATE, 'sleep', '1000']);
  await once(other, 'spawn');
  await until(() => status(other.pid ?? 0, 'Name') === 'sleep');
  t.regex(intrude(other.pid ?? 0), /^mem\nenviron\nmaps\n[\s\S]*ptrace\n$/, 'it knows its trade');
  other.kill('SIGKILL');

  const result = login();
  const push = await pending(duo);
  const pid = await onlyEngine();
  t.is(intrude(pid), '');
  t.is(intrude(Number(status(pid, 'PPid'))), '');
  push.approve();
  t.is((await result).code, PamCode.PAM_SUCCESS);
});

test('a compromised private engine cannot reach the resident engine or its credential', async (t) => {
  // Like systemd's LoadCredential: readable for duo only.
  const { uid = 0, gid = 0 } = unix.userByName('duo') ?? {};
  mkdirSync('/run/credentials');
  mkdirSync('/run/credentials/duo-ts.service', { mode: 0o500 });
  const credential = '/run/credentials/duo-ts.service/pam_duo.conf';
  writeFileSync(credential, readFileSync(CONFIG), { mode: 0o400 });
  chownSync(credential, uid, gid);
  chownSync(dirname(credential), uid, gid);
  const { process: resident } = startResident();
  t.teardown(async () => {
    resident.kill('SIGKILL');
    rmSync(SOCKET, { force: true });
  });
  const pid = resident.pid ?? 0;
  const attempt = (...command: string[]) => spawnSync('setpriv', [...AS_PRIVATE, ...command]).status;
  // It listens first and then drops root.
  await until(() => status(pid, 'Uid').split('\t')[0] === String(uid));
  t.is(intrude(pid), '');
  for (const signal of ['0', 'KILL', 'STOP', 'TERM', 'USR1'])
    t.not(attempt('kill', '-s', signal, String(pid)), 0);
  t.not(attempt('prlimit', '--pid', String(pid), '--nofile=0'), 0);
  t.not(attempt('renice', '-n', '19', '-p', String(pid)), 0);
  t.not(attempt('cat', credential), 0);
  // The same attempts succeed with privileges, so they are real attempts.
  const asDuo = ['--reuid', 'duo', '--regid', 'duo', '--clear-groups'];
  t.is(spawnSync('setpriv', [...asDuo, 'cat', credential]).status, 0);
  t.is(spawnSync('setpriv', [...asDuo, 'kill', '-s', '0', String(pid)]).status, 0);
});

test('a login works without /proc', async (t) => {
  const script = 'mount -t tmpfs none /proc && exec "$@"';
  const command = ['sh', '-c', script, 'sh', process.execPath, 'test/hosts/one-login.ts'];
  const host = spawn('unshare', ['--mount', ...command], { stdio: 'ignore' });
  const ended = once(host, 'exit');
  const push = await Promise.race([pending(duo), ended]);
  if ('approve' in push) push.approve();
  t.deepEqual(await ended, [PamCode.PAM_SUCCESS, null]);
});

for (const [signal, sentence] of [
  ['SIGKILL', /the engine ended without a verdict: it was killed by signal 9/],
  ['SIGTERM', /the engine ended without a verdict: it was killed by signal 15/],
  ['SIGSTOP', /the engine did not respond and was killed/],
] as const) {
  test(`an engine that gets ${signal} denies`, async (t) => {
    const result = login();
    const push = await pending(duo);
    process.kill(await onlyEngine(), signal);
    t.is((await result).code, PamCode.PAM_SERVICE_ERR);
    t.true(push.pending);
    await log.line(sentence);
    t.deepEqual(engines(), []);
  });
}

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`a PAM application that gets ${signal} ends its engine`, async (t) => {
    const host = spawn(process.execPath, ['test/hosts/one-login.ts'], { stdio: 'ignore' });
    const push = await pending(duo);
    t.is(engines().length, 1);
    // The first poll is answered at once; the second waits for the phone.
    await until(() => duo.service.calls.filter(({ call }) => call === 'auth_status').length === 2);
    const polls = duo.service.calls.length;
    host.kill(signal);
    await once(host, 'exit');
    await until(() => engines().length === 0);
    t.true(push.pending);
    t.is(duo.service.calls.length, polls, 'Duo is asked no more');
  });
}

test('fifty concurrent logins', async (t) => {
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.phone = 'approve';
  const results = await Promise.all(Array.from({ length: 50 }, () => login()));
  t.deepEqual(new Set(results.map(({ code }) => code)), new Set([PamCode.PAM_SUCCESS]));
  t.deepEqual(engines(), []);
});

test('Duo unreachable: failmode safe passes and logs it', async (t) => {
  duo.service.faults.add('*', { kind: 'status', status: 503 });
  t.is((await login()).code, PamCode.PAM_SUCCESS);
  await log.line(/Failsafe Duo login for 'alice': HTTP 503/);
});

test('an engine that is stopped for a while, then Duo unreachable: failmode safe denies', async (t) => {
  duo.service.faults.add('*', { kind: 'hang' });
  const called = once(duo.service, 'call');
  const result = login();
  await called;
  const pid = await onlyEngine();
  process.kill(pid, 'SIGSTOP');
  // This test needs real time: the engine's clock runs while the engine is stopped.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  process.kill(pid, 'SIGCONT');
  await until(() => !/^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'latin1')));
  await duo.close();
  t.is((await result).code, PamCode.PAM_SERVICE_ERR);
  await log.line(
    /Error in Duo login for 'alice': .*; but this host kept the engine from running for \d+ seconds/,
  );
});

test('Duo unreachable: failmode secure denies', async (t) => {
  addConfig('failmode = secure');
  duo.service.faults.add('*', { kind: 'drop' });
  t.is((await login()).code, PamCode.PAM_SERVICE_ERR);
  await log.line(/Failsecure Duo login for 'alice': Couldn't connect to localhost:\d+: Connection closed/);
});

test('Duo unreachable after the prompt: denied', async (t) => {
  duo.service.faults.add('auth', { kind: 'status', status: 503 });
  t.is((await login()).code, PamCode.PAM_SERVICE_ERR);
  await log.line(/Error in Duo login for 'alice': HTTP 503/);
});
