/**
 * The resident engine with real libpam: its restrictions, its callers, and the result of logins when it is
 * disturbed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { PamCode, PamStyle } from '../../src/unix/pam-client.ts';
import {
  awaitSocket,
  CONFIG,
  ENGINE,
  engines,
  pam,
  pending,
  type Resident,
  run,
  SOCKET,
  SystemLog,
  setUp,
  startDuo,
  startResident,
  USERS_SOCKET,
  unix,
  until,
} from './machine.ts';

let log: SystemLog;
let duo: Simulator;
let resident: Resident | undefined;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  duo = await startDuo({ users: { alice: { passcodes: ['123456'] } } }, 'failmode = safe\nprompts = 1');
});
test.afterEach.always(async () => {
  if (resident !== undefined && resident.process.exitCode === null) {
    resident.process.kill('SIGCONT');
    resident.process.kill('SIGKILL');
    if (resident.process.signalCode === null) await once(resident.process, 'exit');
  }
  resident = undefined;
  for (const path of [SOCKET, USERS_SOCKET]) rmSync(path, { force: true });
  await duo.close();
});

/** Starts the resident engine of this test. */
function start(...args: string[]): Resident {
  resident = startResident(...args);
  return resident;
}

/** Logs alice in with a push. */
function login(silent = false) {
  return pam.authenticate(
    { service: 'duo', user: 'alice', confdir: 'test/hosts/pam.d', silent },
    async (messages) => messages.map(({ style }) => (style === PamStyle.promptEchoOn ? '1' : '')),
  );
}

function privateEngines(): string[] {
  return log.lines.filter((line) => line.includes('a private engine serves this login'));
}

function approveAll(): void {
  for (const transaction of duo.service.transactions.values()) transaction.approve();
}

async function manyPending(count: number): Promise<void> {
  await until(() => [...duo.service.transactions.values()].filter((each) => each.pending).length === count);
}

function status(pid: number | undefined, field: string): string {
  return (
    new RegExp(`^${field}:[ \\t]*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? ''
  );
}

test('it serves as duo without privileges, and logins start no engine', async (t) => {
  const { process, log: own } = start();
  const result = login();
  const push = await pending(duo);
  t.deepEqual(engines(), []);
  const user = unix.userByName('duo');
  t.is(status(process.pid, 'Uid'), [user?.uid, user?.uid, user?.uid, user?.uid].join('\t'));
  t.is(status(process.pid, 'Gid'), [user?.gid, user?.gid, user?.gid, user?.gid].join('\t'));
  t.is(status(process.pid, 'Groups').trim(), '');
  t.is(status(process.pid, 'NoNewPrivs'), '1');
  t.regex(status(process.pid, 'CapEff'), /^0+$/);
  push.approve();
  t.is((await result).code, PamCode.PAM_SUCCESS);
  await log.line(/Successful Duo login for 'alice'/);
  t.deepEqual(privateEngines(), []);
  t.notRegex(own(), /skey|ikey|deadbeef/i);
});

test("the second login makes two calls over the first one's connection", async (t) => {
  start();
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.phone = 'approve';
  for (let turn = 0; turn < 2; turn += 1) t.is((await login(true)).code, PamCode.PAM_SUCCESS);
  t.deepEqual(
    duo.service.calls.map(({ call }) => call),
    ['ping', 'preauth', 'auth', 'preauth', 'auth'],
  );
});

test('fifty concurrent logins', async (t) => {
  start();
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.phone = 'approve';
  const began = performance.now();
  const results = await Promise.all(Array.from({ length: 50 }, () => login()));
  t.log(`fifty logins took ${Math.round(performance.now() - began)} ms`);
  t.deepEqual(new Set(results.map(({ code }) => code)), new Set([PamCode.PAM_SUCCESS]));
  t.deepEqual(privateEngines(), []);
});

test('stalled clients delay no login and are dropped', async (t) => {
  start();
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.phone = 'approve';
  const stalled = Array.from({ length: 20 }, () => connect(SOCKET));
  const closed = stalled.map((socket) => once(socket.resume(), 'close'));
  for (const socket of stalled) socket.write(Buffer.from([0, 0, 0, 30, 1]));
  t.is((await login()).code, PamCode.PAM_SUCCESS);
  t.true(stalled.every(({ readyState }) => readyState === 'open'));
  await Promise.all(closed);
});

test('killed before the prompt: a private engine serves, and one line says so', async (t) => {
  const { process } = start();
  duo.service.faults.add('preauth', { kind: 'hang' }, 1);
  const result = login();
  await until(() => duo.service.calls.some(({ call }) => call === 'preauth'));
  process.kill('SIGKILL');
  (await pending(duo)).approve();
  t.is((await result).code, PamCode.PAM_SUCCESS);
  await log.line(
    /resident engine \/run\/duo-ts\/engine\.sock: .*closed the connection.*; a private engine serves this login/,
  );
  t.is(privateEngines().length, 1);
});

test('killed after the prompt: a denial, and no second prompt', async (t) => {
  const { process } = start();
  const result = login();
  await pending(duo);
  process.kill('SIGKILL');
  t.is((await result).code, PamCode.PAM_SERVICE_ERR);
  await log.line(
    /Error in Duo login for 'alice': resident engine \/run\/duo-ts\/engine\.sock: the engine closed the connection without a verdict/,
  );
  t.is(duo.service.transactions.size, 1);
});

test('killed during a silent login: a denial', async (t) => {
  const { process } = start();
  const result = login(true);
  await pending(duo);
  process.kill('SIGKILL');
  t.is((await result).code, PamCode.PAM_SERVICE_ERR);
  t.is(duo.service.transactions.size, 1);
});

test('killed under load: no wrong login passes', async (t) => {
  const { process } = start();
  const results = Array.from({ length: 20 }, () => login());
  await manyPending(20);
  process.kill('SIGKILL');
  t.deepEqual(
    new Set((await Promise.all(results)).map(({ code }) => code)),
    new Set([PamCode.PAM_SERVICE_ERR]),
  );
});

test('stopped before HELLO: a private engine serves after a delay', async (t) => {
  start().process.kill('SIGSTOP');
  const result = login();
  (await pending(duo)).approve();
  t.is((await result).code, PamCode.PAM_SUCCESS);
  await log.line(/resident engine \S+: the engine did not respond; a private engine serves this login/);
});

test('stopped after the prompt: a denial after fifteen seconds', async (t) => {
  const { process } = start();
  const result = login();
  await pending(duo);
  process.kill('SIGSTOP');
  t.is((await result).code, PamCode.PAM_SERVICE_ERR);
  await log.line(/resident engine \S+: the engine did not respond$/);
});

test('SIGTERM loses no login: those in progress finish, new ones use private engines', async (t) => {
  const { process, log: own } = start();
  const exit = once(process, 'exit');
  const results = Array.from({ length: 10 }, () => login());
  await manyPending(10);
  process.kill('SIGTERM');
  await until(() => own().includes('accepts no more logins, 10 are in progress'));
  const late = login();
  await manyPending(11);
  t.is(privateEngines().length, 1);
  approveAll();
  const codes = (await Promise.all([...results, late])).map(({ code }) => code);
  t.deepEqual(new Set(codes), new Set([PamCode.PAM_SUCCESS]));
  t.deepEqual(await exit, [0, null]);
  // The next engine finds the files of the last one.
  start();
  const next = login();
  (await pending(duo)).approve();
  t.is((await next).code, PamCode.PAM_SUCCESS);
  t.is(privateEngines().length, 1);
});

test('started as by systemd: with its socket, restrictions and notifications', async (t) => {
  run('mkdir', '-p', '/run/duo-ts');
  const notified = spawn('socat', ['-u', 'UNIX-RECV:/run/notify,mode=666', '-']);
  let states = '';
  notified.stdout.on('data', (chunk: Buffer) => {
    states += chunk.toString();
  });
  t.teardown(() => notified.kill());
  await until(() => existsSync('/run/notify'));
  // ProcSubset=pid, ProtectProc=invisible, ProtectSystem=strict, User=duo.
  const confined =
    'mount -t proc -o subset=pid,hidepid=invisible proc /proc; mount -o remount,bind,ro /; ' +
    `exec setpriv --reuid=duo --regid=duo --clear-groups --no-new-privs --bounding-set=-all ${ENGINE} engine --resident`;
  const activate = spawn(
    'systemd-socket-activate',
    [
      '--setenv=NOTIFY_SOCKET=/run/notify',
      '--setenv=WATCHDOG_USEC=200000',
      ...['--listen', SOCKET, 'unshare', '--mount', 'sh', '-c', confined],
    ],
    { stdio: 'ignore' },
  );
  resident = { process: activate, log: () => '' };
  await until(() => existsSync(SOCKET));
  awaitSocket();
  const result = login();
  (await pending(duo)).approve();
  t.is((await result).code, PamCode.PAM_SUCCESS);
  t.deepEqual(privateEngines(), []);
  await until(() => /READY=1.*WATCHDOG=1.*WATCHDOG=1/s.test(states));
  const exit = once(activate, 'exit');
  activate.kill('SIGTERM');
  t.deepEqual(await exit, [0, null]);
  await until(() => states.includes('STOPPING=1'));
});

/**
 * Like systemd: the socket always exists, and engines run one after the other. systemd starts the next
 * engine at the next connection; here it starts at once, so that a login meets more ends of engines.
 */
function engineAfterEngine(...args: string[]): Resident {
  const path = '/tmp/engines.log';
  const each = `sh -c 'export LISTEN_PID=$$; exec ${ENGINE} engine --resident ${args.join(' ')}'`;
  const all = `while :; do ${each} 2>>${path} || exit 1; done`;
  const activate = spawn('systemd-socket-activate', ['--listen', SOCKET, 'sh', '-c', all], {
    stdio: 'ignore',
    detached: true,
  });
  writeFileSync(path, '');
  return { process: activate, log: () => readFileSync(path, 'utf8') };
}

/** Ends the engines and their starter. */
function endAll({ process: { pid, exitCode, signalCode } }: Resident): void {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGKILL');
}

test('ending when idle loses no login at any moment', async (t) => {
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.phone = 'approve';
  // 60 milliseconds.
  const file = settings('idle_minutes = 0.001\n');
  const all = engineAfterEngine('--settings', file);
  t.teardown(() => endAll(all));
  await until(() => existsSync(SOCKET));
  const ends = () => all.log().split('idle: accepts no more logins, 0 are in progress').length - 1;
  const logins = 150;
  for (let turn = 0; turn < logins; turn += 1) {
    t.is((await login(true)).code, PamCode.PAM_SUCCESS);
    // From before the end until after it, a little later each time.
    await new Promise((resolve) => setTimeout(resolve, 40 + (turn % 30)));
  }
  t.log(`${ends()} engines were idle and ended in the course of ${logins} logins`);
  t.true(ends() > 20);
  t.deepEqual(privateEngines(), []);
});

test('an engine with a login is not idle, and one started by hand stays', async (t) => {
  const file = settings('idle_minutes = 0.001\n');
  const all = engineAfterEngine('--settings', file);
  t.teardown(() => endAll(all));
  await until(() => existsSync(SOCKET));
  const result = login();
  const push = await pending(duo);
  const before = all.log();
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.is(all.log(), before);
  push.approve();
  t.is((await result).code, PamCode.PAM_SUCCESS);
  await until(() => all.log().includes('idle: accepts no more logins'));
  const gone = once(all.process, 'exit');
  endAll(all);
  await gone;
  rmSync(SOCKET, { force: true });

  const { process } = start('--settings', file);
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.is(process.exitCode, null);
});

test('SIGHUP reads the files again and ends no login', async (t) => {
  const file = settings('unprivileged = no\n');
  const config = '/etc/duo/users.conf';
  // Copies that duo can read, like those of the unit.
  const copy = (from: string) => run('install', '-m', '0440', '-g', 'duo', from, config);
  copy(CONFIG);
  chmodSync(file, 0o644);
  const { process, log: own } = start('--users', '--config', config, '--settings', file);
  t.is(await loginAs('alice', 'alice'), PamCode.PAM_SERVICE_ERR);

  settings('unprivileged = yes\nunprivileged_services = duo\n');
  process.kill('SIGHUP');
  await until(() => own().includes('the configuration has been read again'));
  const first = loginAs('alice', 'alice');
  const push = await pending(duo);

  // Another configuration, which denies everyone.
  writeFileSync('/etc/duo/other.conf', readFileSync(CONFIG, 'utf8').replace(/^skey.*$/m, 'skey = wrong'));
  writeFileSync('/etc/duo/other.conf', '\nfailmode = secure\n', { flag: 'a' });
  copy('/etc/duo/other.conf');
  process.kill('SIGHUP');
  await until(() => own().split('the configuration has been read again').length === 3);
  t.is(await loginAs('alice', 'alice'), PamCode.PAM_SERVICE_ERR);

  // An invalid one changes nothing.
  rmSync(config);
  process.kill('SIGHUP');
  await until(() => own().includes('the configuration stays as it was'));
  t.is(await loginAs('alice', 'alice'), PamCode.PAM_SERVICE_ERR);

  push.approve();
  t.is(await first, PamCode.PAM_SUCCESS);
});

test("the unit's reload command reaches the engine", (t) => {
  const unit = readFileSync('systemd/duo-ts-users.service', 'utf8');
  const lines = [...unit.matchAll(/^Exec(?:StartPre|Reload|StopPost)=\+(.*)$/gm)].map(([, line = '']) =>
    line.replaceAll('%N', 'duo-ts-users'),
  );
  settings('idle_minutes = 1\n');
  const copies = '/run/duo-ts/duo-ts-users';
  const asUser = (user: string, path: string) =>
    spawnSync('setpriv', [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', 'cat', path], {
      encoding: 'utf8',
    }).stdout;
  for (const [at, line] of lines.entries()) {
    run('sh', '-c', line);
    const gone = at === lines.length - 1;
    for (const name of ['pam_duo.conf', 'resident.conf']) {
      const path = `${copies}/${name}`;
      t.is(asUser('duo', path), gone ? '' : readFileSync(`/etc/duo/${name}`, 'utf8'));
      t.is(asUser('alice', path), '');
    }
    settings('idle_minutes = 2\n');
  }
  t.is(lines.length, 3);
});

test('only root can connect to root’s socket', async (t) => {
  start();
  const { status: asAlice } = spawnSync('runuser', [
    '-u',
    'alice',
    '--',
    'socat',
    '/dev/null',
    `UNIX-CONNECT:${SOCKET}`,
  ]);
  t.not(asAlice, 0);
  const { status: asRoot } = spawnSync('socat', ['/dev/null', `UNIX-CONNECT:${SOCKET}`]);
  t.is(asRoot, 0);
});

test("users flooding their socket do not delay root's logins", async (t) => {
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.phone = 'approve';
  const file = settings('unprivileged = yes\nunprivileged_services = duo\n');
  const users = startResident('--users', '--config', CONFIG, '--settings', file);
  t.teardown(() => users.process.kill('SIGKILL'));
  start('--config', CONFIG, '--settings', file);
  const median = async (logins: number) => {
    const walls: number[] = [];
    for (let turn = 0; turn < logins; turn += 1) {
      const began = performance.now();
      t.is((await login(true)).code, PamCode.PAM_SUCCESS);
      walls.push(performance.now() - began);
    }
    walls.sort((a, b) => a - b);
    return { median: walls[logins >> 1] ?? 0, most: walls.at(-1) ?? 0 };
  };
  await median(20);
  const before = await median(30);

  const flood = ['alice', 'bert'].flatMap((user) =>
    ['crowd', 'halves', 'logins', 'comers'].map((what) => {
      const script = [process.execPath, 'test/hosts/flood.ts', what, USERS_SOCKET, user];
      // runuser would leave its child running when it is killed.
      return spawn('setpriv', ['--reuid', user, '--regid', user, '--init-groups', ...script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    }),
  );
  t.teardown(() => {
    for (const each of flood) each.kill('SIGKILL');
  });
  // Each writes a line when it has started.
  await Promise.all(flood.map((each) => once(each.stdout, 'data')));
  const under = await median(60);
  t.log(
    `median ${before.median.toFixed(1)} ms, and ${under.median.toFixed(1)} ms under the flood; ` +
      `most ${before.most.toFixed(1)} and ${under.most.toFixed(1)} ms`,
  );
  t.true(flood.every(({ exitCode }) => exitCode === null));
  t.deepEqual(privateEngines(), []);
  t.deepEqual(engines(), []);
  // Eight processes and two engines share this machine's processors with the login.
  t.true(under.median < Math.max(1000, 50 * before.median));
  t.is(users.process.exitCode, null);
});

test('a second engine does not replace one that serves', async (t) => {
  start();
  const second = spawn(ENGINE, ['engine', '--resident'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let error = '';
  second.stderr.on('data', (chunk: Buffer) => {
    error += chunk.toString();
  });
  t.deepEqual(await once(second, 'close'), [1, null]);
  t.is(error, `duo-ts engine: another engine listens at ${SOCKET}\n`);
});

/** Runs one login as a user; resolves to its PAM code. */
async function loginAs(user: string, name: string): Promise<number> {
  const script = ['test/hosts/one-login.ts', 'duo', 'test/hosts/pam.d', name];
  const command = ['-u', user, '--', process.execPath, ...script];
  const child = spawn('runuser', command, { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code]: unknown[] = await once(child, 'exit');
  return Number(code);
}

function settings(text: string): string {
  writeFileSync('/etc/duo/resident.conf', text);
  return '/etc/duo/resident.conf';
}

test('a user who may not read the configuration can authenticate only himself', async (t) => {
  t.teardown(() => chmodSync('/etc/duo', 0o755));
  const file = settings('unprivileged = yes\nunprivileged_services = duo\n');
  // cafile, in the same directory, is read as duo.
  chmodSync('/etc/duo', 0o711);
  start('--users', '--config', CONFIG, '--settings', file);
  const result = loginAs('alice', 'alice');
  const push = await pending(duo);
  t.is(push.occasion.username, 'alice');
  t.deepEqual(engines(), []);
  push.approve();
  t.is(await result, PamCode.PAM_SUCCESS);
  await log.line(/Successful Duo login for 'alice'/);

  t.is(await loginAs('bert', 'alice'), PamCode.PAM_SERVICE_ERR);
  await log.line(/Error in Duo login for 'alice': bert \(uid \d+\) can authenticate only itself/);
  t.is(duo.service.transactions.size, 1);
});

test('a user denied by Duo is denied', async (t) => {
  const file = settings('unprivileged = yes\nunprivileged_services = duo\n');
  start('--users', '--config', CONFIG, '--settings', file);
  const result = loginAs('alice', 'alice');
  (await pending(duo)).deny();
  t.is(await result, PamCode.PAM_MAXTRIES);
});

test('users are served only where resident.conf allows it, and no private engine replaces it', async (t) => {
  const { log: own } = start('--users', '--config', CONFIG);
  t.is(await loginAs('alice', 'alice'), PamCode.PAM_SERVICE_ERR);
  await log.line(
    /Error in Duo login for 'alice': only root is served here \(see unprivileged in resident\.conf\)/,
  );
  t.regex(own(), /uid \d+, service duo is refused: only root is served here/);
  resident?.process.kill('SIGKILL');
  await until(() => resident?.process.signalCode === 'SIGKILL');
  t.is(await loginAs('alice', 'alice'), PamCode.PAM_SERVICE_ERR);
  await log.line(/resident engine \S+: Connection refused; nothing else can serve this login/);
  rmSync(USERS_SOCKET);
  t.is(await loginAs('alice', 'alice'), PamCode.PAM_SERVICE_ERR);
  await log.line(/Couldn't open \/etc\/duo\/pam_duo\.conf: Permission denied/);
  t.true(duo.service.calls.every(({ call }) => call === 'ping'));
});
