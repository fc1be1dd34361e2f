/** login_duo with a real sshd: as forced command for all users, and for one key. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { type Finished, LOGIN_DUO, processes } from './launcher.ts';
import {
  addConfig,
  engines,
  LOGIN_DUO_CONFIG,
  loginsInProgress,
  pending,
  run,
  SystemLog,
  setUp,
  startDuo,
  unix,
  until,
  writeConfig,
} from './machine.ts';
import { SshServer } from './ssh-server.ts';
import { Terminal } from './terminal.ts';
import { withPrivate } from './with-private.ts';

const PORT = 2223;
const OPTIONS = [
  ...['-F', '/dev/null', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
  ...[
    '-o',
    'LogLevel=ERROR',
    '-o',
    'IdentityFile=/tmp/key',
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'BatchMode=yes',
  ],
];
let log: SystemLog;
let duo: Simulator;
let sshd: SshServer | undefined;

/** Authorizes the key for this user, with a forced command if there is one. */
function authorize(user: string, command?: string): void {
  const { uid = -1, gid = -1 } = unix.userByName(user) ?? {};
  const directory = user === 'root' ? '/root/.ssh' : `/home/${user}/.ssh`;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const option = command === undefined ? '' : `command="${command}" `;
  writeFileSync(`${directory}/authorized_keys`, `${option}${readFileSync('/tmp/key.pub', 'utf8')}`);
  for (const path of [directory, `${directory}/authorized_keys`]) chownSync(path, uid, gid);
}

test.before(async () => {
  setUp('--setuid');
  log = await SystemLog.start();
  run('ssh-keygen', '-A');
  run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/tmp/key');
  mkdirSync('/run/sshd', { recursive: true });
  writeFileSync('/home/alice/.hushlogin', '');
  writeFileSync('/tmp/file', 'content\n');
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  authorize('alice');
  duo = await startDuo({ users: { alice: { passcodes: ['123456'] }, ally: { phone: 'approve' } } });
});
test.afterEach.always(async (t) => {
  await sshd?.stop();
  sshd = undefined;
  await duo.close();
  t.deepEqual(engines(), []);
  t.deepEqual(processes('login_duo'), []);
  t.deepEqual(processes('duo-ts-keeper'), []);
});

const FORCED = `ForceCommand ${LOGIN_DUO}`;

async function startSshd(...options: string[]): Promise<void> {
  sshd = await SshServer.start(PORT, [
    'UsePAM yes',
    'PrintMotd no',
    'PrintLastLog no',
    'PermitRootLogin yes',
    'AuthenticationMethods publickey',
    ...options,
    // sshd uses the first occurrence of an option.
    ...(options.some((option) => option.startsWith('Subsystem'))
      ? []
      : ['Subsystem sftp /usr/lib/openssh/sftp-server']),
  ]);
}

interface Client {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
}

function client(program: string, ...args: string[]): Client {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      output[name] += chunk.toString();
    });
  }
  const finished = once(child, 'close').then(([status, signal]: unknown[]) => ({
    status: typeof status === 'number' ? status : null,
    signal: typeof signal === 'string' ? signal : null,
    ...output,
  }));
  return { child, finished };
}

function ssh(user: string, ...args: string[]): Client {
  return client('ssh', ...OPTIONS, '-p', String(PORT), `${user}@127.0.0.1`, ...args);
}

function approveAll(): void {
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.phone = 'approve';
}

test.serial('an interactive shell', async (t) => {
  await startSshd(FORCED);
  const terminal = new Terminal(`ssh ${OPTIONS.join(' ')} -p ${PORT} alice@127.0.0.1; echo left $?`);
  await terminal.shows(/Passcode or option \(1-3\): /);
  terminal.type('1\n');
  await terminal.shows(/Pushed a login request to your device\.\.\./);
  const push = await pending(duo);
  t.is(push.occasion.ipaddr, '127.0.0.1');
  push.approve();
  await terminal.shows(/\$ $/);
  terminal.type('echo "$0"; tty; exit 5\n');
  const { output } = await terminal.ended();
  t.regex(output, /^-bash$/m);
  t.regex(output, /^\/dev\/pts\/\d+$/m);
  t.regex(output, /^left 5$/m);
  await log.line(/login_duo.*Successful Duo login for 'alice' from 127\.0\.0\.1/);
});

test.serial('a remote command', async (t) => {
  await startSshd(FORCED);
  const { finished } = ssh('alice', 'echo "$0"; echo here >&2; exit 4');
  (await pending(duo)).approve();
  t.like(await finished, { status: 4, stdout: 'bash\n', stderr: 'here\n' });
});

test.serial('a remote command that reads standard input', async (t) => {
  await startSshd(FORCED);
  approveAll();
  const { finished } = client(
    'sh',
    '-c',
    `echo content | ssh ${OPTIONS.join(' ')} -p ${PORT} alice@127.0.0.1 cat`,
  );
  t.like(await finished, { status: 0, stdout: 'content\n', stderr: '' });
});

test.serial('scp, sftp and rsync', async (t) => {
  await startSshd(FORCED);
  approveAll();
  const port = ['-P', String(PORT)];
  const remote = (name: string) => `alice@127.0.0.1:${name}`;
  const done = { status: 0, stderr: '' };
  t.like(await client('scp', ...OPTIONS, ...port, '/tmp/file', remote('scp')).finished, done);
  t.like(await client('scp', '-O', ...OPTIONS, ...port, '/tmp/file', remote('rcp')).finished, done);
  writeFileSync('/tmp/batch', 'put /tmp/file sftp\n');
  t.like(await client('sftp', ...OPTIONS, ...port, '-b', '/tmp/batch', 'alice@127.0.0.1').finished, done);
  const shell = `ssh ${OPTIONS.join(' ')} -p ${PORT}`;
  t.like(await client('rsync', '-e', shell, '/tmp/file', remote('rsync')).finished, done);
  for (const name of ['scp', 'rcp', 'sftp', 'rsync']) {
    t.is(readFileSync(`/home/alice/${name}`, 'utf8'), 'content\n', name);
    rmSync(`/home/alice/${name}`);
  }
});

test.serial('internal-sftp is not a program that a shell can run', async (t) => {
  await startSshd(FORCED, 'Subsystem sftp internal-sftp');
  approveAll();
  writeFileSync('/tmp/batch', 'put /tmp/file internal\n');
  const { finished } = client('sftp', ...OPTIONS, '-P', String(PORT), '-b', '/tmp/batch', 'alice@127.0.0.1');
  t.not((await finished).status, 0);
  t.throws(() => readFileSync('/home/alice/internal'), { code: 'ENOENT' });
});

test.serial('a passcode sent by the client as DUO_PASSCODE', async (t) => {
  await startSshd(FORCED, 'AcceptEnv DUO_PASSCODE');
  addConfig('accept_env_factor = yes', LOGIN_DUO_CONFIG);
  const send = (passcode: string) => ssh('alice', '-o', `SetEnv=DUO_PASSCODE=${passcode}`, 'env').finished;
  const { status, stdout } = await send('123456');
  t.is(status, 0);
  t.regex(stdout, /^SSH_CONNECTION=127\.0\.0\.1 /m);
  t.notRegex(stdout, /DUO_PASSCODE/);
  t.like(await send('123456'), { status: 1, stdout: '' }, 'it is used up');
});

test.serial('a push that is denied', async (t) => {
  await startSshd(FORCED);
  const command = ssh('alice', 'id');
  (await pending(duo)).deny();
  t.like(await command.finished, { status: 1, stdout: '', stderr: '' });
  const copy = client('scp', ...OPTIONS, '-P', String(PORT), '/tmp/file', 'alice@127.0.0.1:denied');
  (await pending(duo)).deny();
  t.not((await copy.finished).status, 0);
  t.throws(() => readFileSync('/home/alice/denied'), { code: 'ENOENT' });
  await log.line(/login_duo.*Failed Duo login for 'alice' from 127\.0\.0\.1: Login request denied\./);
});

for (const [what, option] of [
  ['a terminal', '-tt'],
  ['no terminal', '-T'],
] as const) {
  test.serial(`a connection with ${what} that drops while the phone is asked`, async (t) => {
    await startSshd(FORCED);
    const { child, finished } = ssh('alice', option, 'echo in >/tmp/ran');
    await pending(duo);
    t.is(loginsInProgress(), 1);
    child.kill('SIGKILL');
    await finished;
    await until(
      () => loginsInProgress() + processes('login_duo').length + processes('duo-ts-keeper').length === 0,
    );
    await log.line(
      /Aborted Duo login for 'alice' from 127\.0\.0\.1: (?:cancelled by SIGHUP|the connection is gone)/,
    );
    t.throws(() => readFileSync('/tmp/ran'), { code: 'ENOENT' });
  });
}

test.serial('shared root account: each key has its own Duo user', async (t) => {
  await startSshd();
  authorize('root', `${LOGIN_DUO} -f ally`);
  t.like(await ssh('root', 'id -un').finished, { status: 0, stdout: 'root\n' });
  t.is(duo.service.calls.at(-1)?.form['username'], 'ally');
  await log.line(/Successful Duo login for 'ally' from 127\.0\.0\.1/);
});

test.serial('another shared account: the setuid login_duo refuses -f', async (t) => {
  await startSshd();
  authorize('bert', `${LOGIN_DUO} -f ally`);
  t.like(await ssh('bert', 'id -un').finished, {
    status: 1,
    stdout: '',
    stderr: 'Only root may specify -c or -f\n',
  });
});

withPrivate('another account, shared: a login_duo and a configuration of its own', async (t) => {
  await startSshd();
  copyFileSync(LOGIN_DUO, '/usr/local/bin/login_duo');
  chmodSync('/usr/local/bin/login_duo', 0o755);
  const config = '/home/bert/login_duo.conf';
  writeConfig(duo.config('/etc/duo/ca.pem'), config);
  const { uid = -1, gid = -1 } = unix.userByName('bert') ?? {};
  chownSync(config, uid, gid);
  authorize('bert', `/usr/local/bin/login_duo -c ${config} -f ally`);
  t.like(await ssh('bert', 'id -un').finished, { status: 0, stdout: 'bert\n' });
  const { ally } = duo.service.users;
  if (ally !== undefined) ally.phone = 'deny';
  t.like(await ssh('bert', 'id -un').finished, { status: 1, stdout: '' });
});
