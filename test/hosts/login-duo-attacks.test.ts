/** Attempts of the caller of a setuid login_duo: none leads to a shell without a factor. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { atTerminal, INSIDE, LOGIN_DUO, launch, processes, SAY_INSIDE, start, status } from './launcher.ts';
import {
  addConfig,
  engines,
  LOGIN_DUO_CONFIG,
  pending,
  run,
  SystemLog,
  setUp,
  startDuo,
  until,
} from './machine.ts';

const LOADED = '/tmp/loaded';
let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  setUp('--setuid');
  log = await SystemLog.start();
  run('cc', '-Wall', '-o', '/usr/local/bin/intruder', 'test/hosts/intruder.c');
  // A library and a script that leave a mark when they are loaded.
  writeFileSync(
    '/tmp/evil.c',
    `#include <fcntl.h>
     __attribute__((constructor)) static void mark(void) { (void)!open("${LOADED}", O_CREAT | O_WRONLY, 0666); }`,
  );
  run('cc', '-shared', '-fPIC', '-o', '/tmp/evil.so', '/tmp/evil.c');
  writeFileSync('/tmp/evil.cjs', `require('fs').writeFileSync('${LOADED}', '')`);
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  rmSync(LOADED, { force: true });
  // Duo denies this user, so any shell is a bypass.
  duo = await startDuo({ users: { alice: { status: 'deny', passcodes: ['123456'] } } }, 'failmode = safe');
});
test.afterEach.always(async (t) => {
  await duo.close();
  await until(
    () => engines().length + processes('login_duo').length + processes('duo-ts-keeper').length === 0,
  );
  t.false(existsSync(LOADED), 'something of the caller’s was loaded');
});

/** From here on a push waits for an answer that does not come. */
function ask(): void {
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.status = 'auth';
}

function isRefusal(
  t: ExecutionContext,
  { status, stdout }: { status: number | null; stdout: string },
  what = '',
): void {
  t.not(status, 0, what);
  t.false(stdout.includes(INSIDE), what);
}

const ENVIRONMENTS: Readonly<Record<string, NodeJS.ProcessEnv>> = {
  'LD_PRELOAD and its like': {
    LD_PRELOAD: '/tmp/evil.so',
    LD_AUDIT: '/tmp/evil.so',
    LD_LIBRARY_PATH: '/tmp',
    GCONV_PATH: '/tmp',
    MALLOC_TRACE: LOADED,
  },
  'what Node heeds': {
    NODE_OPTIONS: '--require=/tmp/evil.cjs',
    NODE_PATH: '/tmp',
    NODE_EXTRA_CA_CERTS: '/etc/duo/ca.pem',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
    NODE_REPL_EXTERNAL_MODULE: '/tmp/evil.cjs',
  },
  'where Duo is': {
    http_proxy: 'http://127.0.0.1:1',
    https_proxy: 'http://127.0.0.1:1',
    ALL_PROXY: 'http://127.0.0.1:1',
    HOSTALIASES: '/tmp/aliases',
    LOCALDOMAIN: 'nowhere.invalid',
    RES_OPTIONS: 'attempts:0 timeout:0',
    SSL_CERT_FILE: '/dev/null',
    OPENSSL_CONF: '/tmp/none',
  },
  'who one is': {
    HOME: '/root',
    USER: 'root',
    LOGNAME: 'root',
    SHELL: '/bin/sh',
    SUDO_USER: 'root',
    PATH: '/tmp',
  },
  'how it is written': {
    LANG: 'xx_XX.UTF-8',
    LC_ALL: '../../tmp',
    LANGUAGE: '%n%n',
    TZ: ':/tmp/zone',
    NLSPATH: '/tmp/%N',
  },
  'where one comes from': {
    SSH_CONNECTION: '%s%n \n\x1b[2J',
    SSH_CLIENT: 'x',
    SSH_ORIGINAL_COMMAND: SAY_INSIDE,
  },
  'a great deal of it': Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`V${i}`, 'x'.repeat(200)])),
  'a long client': { SSH_CONNECTION: 'a'.repeat(100_000) },
};
for (const [name, env] of Object.entries(ENVIRONMENTS)) {
  test.serial(`environment: ${name}`, async (t) => {
    // Set by the last program before login_duo, so that it affects no other.
    const settings = Object.entries(env).map(([key, value]) => `'${key}=${value?.replaceAll("'", "'\\''")}'`);
    const before = `exec /usr/bin/env ${settings.join(' ')} "$@"`;
    isRefusal(t, await launch([SAY_INSIDE], { before }));
    // The request reached Duo itself.
    t.true(duo.service.calls.some(({ call }) => call === 'preauth'));
    await log.line(/Aborted Duo login for 'alice'/);
  });
}

test.serial('environment: a valid DUO_PASSCODE that the configuration does not accept', async (t) => {
  ask();
  const { child, finished } = start([SAY_INSIDE], { env: { DUO_PASSCODE: '123456' } });
  await pending(duo);
  child.kill('SIGKILL');
  isRefusal(t, await finished);
  t.false(JSON.stringify(duo.service.calls).includes('123456'));
});

test.serial('an empty argument vector', async (t) => {
  const perl = ['-e', `exec { '${LOGIN_DUO}' } ()`];
  isRefusal(t, await launch(perl, { program: '/usr/bin/perl' }));
});

for (const closed of ['<&-', '>&-', '2>&-', '<&- >&-', '<&- 2>&-', '>&- 2>&-', '<&- >&- 2>&-']) {
  test.serial(`descriptors: exec ${closed}`, async (t) => {
    isRefusal(t, await launch([SAY_INSIDE], { before: `exec ${closed}` }));
    await log.line(/Aborted Duo login for 'alice'/);
  });
}

test.serial('descriptors: closed, and Duo allows', async (t) => {
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.status = 'allow';
  const command = `${SAY_INSIDE} 2>/dev/null >/tmp/said`;
  t.is((await launch([command], { before: 'exec <&- >&- 2>&-' })).status, 0);
  t.is(readFileSync('/tmp/said', 'utf8'), `${INSIDE}\n`);
});

test.serial('descriptors: a table that is full or nearly full', async (t) => {
  for (let free = 0; free < 16; free += 1) {
    const fill = `ulimit -n 40; fd=3; while [ $fd -lt ${40 - free} ]; do eval "exec $fd</dev/null"; fd=$((fd + 1)); done`;
    const before = `exec bash -c '${fill}; exec "$@"' bash "$@"`;
    isRefusal(t, await launch([SAY_INSIDE], { before }), `${free} free`);
  }
});

const LIMITS: Readonly<Record<string, readonly number[]>> = {
  n: [...Array.from({ length: 32 }, (_, i) => i + 1), 48, 64, 100],
  v: [1, 1000, 2000, 3000, 4000, 6000, 8000, 16_000, 64_000, 500_000, 2_000_000],
  d: [0, 100, 1000, 100_000],
  s: [16, 64, 128, 256],
  u: [0, 1, 2],
  f: [0, 1],
  t: [0, 1],
  l: [0],
  i: [0],
  c: [0],
};
for (const [option, values] of Object.entries(LIMITS)) {
  test.serial(`limits: ulimit -${option}`, async (t) => {
    for (const value of values) {
      // In dash -u is -p.
      const before = `exec bash -c 'ulimit -${option} ${value}; exec "$@"' bash "$@"`;
      isRefusal(t, await launch([SAY_INSIDE], { before }), `ulimit -${option} ${value}`);
    }
  });
}

test.serial('limits: a group that requires a factor is not lost', async (t) => {
  run('groupadd', '--force', 'special');
  run('usermod', '--append', '--groups', 'special', 'alice');
  t.teardown(() => run('gpasswd', '--delete', 'alice', 'special'));
  addConfig('groups = special', LOGIN_DUO_CONFIG);
  isRefusal(t, await launch([SAY_INSIDE]));
  // The engine's start raises soft limits, so only the look-up of groups is affected.
  const fill = (free: number) =>
    `fd=3; while [ $fd -lt ${256 - free} ]; do eval "exec $fd</dev/null"; fd=$((fd + 1)); done`;
  const limits = ['-S -v 8000', '-S -v 16000', '-S -v 32000', '-S -d 8000', '-S -n 20'];
  for (const limit of [...limits, ...[8, 10, 12, 14].map((free) => `-n 256; ${fill(free)}`)]) {
    const before = `exec bash -c 'ulimit ${limit}; exec "$@"' bash "$@"`;
    isRefusal(t, await launch([SAY_INSIDE], { before }), `ulimit ${limit}`);
  }
  await log.line(/Couldn't get groups for 'alice': this process has too few descriptors left/);
  await log.line(/Couldn't get groups for 'alice': the memory limit of this process is too small/);
});

test.serial('scheduling that starves the engine denies', async (t) => {
  const starving = 'nice -n 19 chrt --idle 0 ionice -c 3 taskset -c 0';
  const busy = ['-u', 'alice', '--', 'taskset', '-c', '0', 'sh', '-c', 'while :; do :; done'];
  const others = Array.from({ length: 4 }, () => spawn('runuser', busy, { detached: true }));
  t.teardown(() => {
    for (const { pid } of others) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  });
  isRefusal(t, await launch([SAY_INSIDE], { before: `exec ${starving} "$@"` }));
});

/** Runs an action as alice. True when it succeeded. */
function asAlice(...command: string[]): boolean {
  const identity = ['--reuid', 'alice', '--regid', 'alice', '--init-groups'];
  return spawnSync('setpriv', [...identity, ...command]).status === 0;
}

interface Login {
  readonly launcher: number;
  readonly keeper: number;
  readonly engine: number;
}

async function waiting(child: { readonly pid?: number | undefined }): Promise<Login> {
  await pending(duo);
  await until(() => processes('duo-ts-keeper').length === 1 && engines().length === 1);
  const [keeper = 0] = processes('duo-ts-keeper');
  const [engine = 0] = engines();
  return { launcher: child.pid ?? 0, keeper, engine };
}

for (const signals of [
  ['KILL'],
  ['STOP', 'KILL'],
  ['TERM'],
  ['INT'],
  ['QUIT'],
  ['HUP'],
  ['ALRM'],
  ['USR1'],
  ['SEGV'],
  ['XCPU'],
  ['PIPE'],
  ['STOP', 'TERM', 'CONT'],
]) {
  test.serial(`signals to login_duo while it waits: ${signals.join(', ')}`, async (t) => {
    ask();
    const { child, finished } = start([SAY_INSIDE]);
    const { launcher } = await waiting(child);
    for (const signal of signals) t.true(asAlice('kill', '-s', signal, String(launcher)));
    isRefusal(t, await finished);
  });
}

test.serial('signals to keeper and engine: not permitted for the user', async (t) => {
  ask();
  const { child, finished } = start([SAY_INSIDE]);
  const { keeper, engine } = await waiting(child);
  for (const signal of ['KILL', 'STOP', 'TERM', 'INT', 'HUP', 'CONT', 'USR1']) {
    for (const pid of [keeper, engine])
      t.false(asAlice('kill', '-s', signal, String(pid)), `${signal} to ${pid}`);
  }
  for (const [, transaction] of duo.service.transactions) transaction.approve();
  t.like(await finished, { status: 0, stdout: `${INSIDE}\n` });
});

for (const signal of ['KILL', 'TERM', 'SEGV'] as const) {
  for (const whose of ['keeper', 'engine'] as const) {
    // A keeper blocks every signal that can be blocked.
    if (whose === 'keeper' && signal !== 'KILL') continue;
    test.serial(`root’s SIG${signal} to the ${whose} denies`, async (t) => {
      ask();
      const { child, finished } = start([SAY_INSIDE]);
      const login = await waiting(child);
      process.kill(login[whose], `SIG${signal}`);
      const ended = await finished;
      isRefusal(t, ended);
      t.regex(ended.stderr, /^unprivileged process terminated by signal: \d+\n$/);
    });
  }
}

test.serial('a stopped engine does not outlive its login', async (t) => {
  ask();
  const { child, finished } = start([SAY_INSIDE]);
  const { launcher, engine } = await waiting(child);
  process.kill(engine, 'SIGSTOP');
  // The end of a process sends no signal to processes of another user.
  t.true(asAlice('kill', '-s', 'KILL', String(launcher)));
  isRefusal(t, await finished);
  await until(() => engines().length === 0);
});

test.serial('signals during the start', async (t) => {
  const script = [
    'i=0; while [ $i -lt 40 ]; do i=$((i + 1))',
    `${LOGIN_DUO} "$1" & pid=$!`,
    'n=0; while [ $n -lt $((i * 40)) ]; do n=$((n + 1)); done',
    'kill -STOP $pid; kill -s $(case $((i % 3)) in 0) echo KILL;; 1) echo TERM;; 2) echo HUP;; esac) $pid',
    'kill -CONT $pid; done 2>/dev/null; wait',
  ].join('\n');
  const { stdout } = await launch(['-c', script, 'sh', SAY_INSIDE], { program: '/bin/sh' });
  t.is(stdout, '');
});

test.serial('reading the processes and tracing them', async (t) => {
  ask();
  const { child, finished } = start([SAY_INSIDE], { env: { DUO_PASSCODE: '123456' } });
  const login = await waiting(child);
  const open = (pid: number) => {
    const identity = ['--reuid', 'alice', '--regid', 'alice', '--init-groups'];
    return spawnSync('setpriv', [...identity, 'intruder', String(pid)], { encoding: 'utf8' }).stdout;
  };
  const other = spawn('setpriv', ['--reuid', 'alice', '--regid', 'alice', '--init-groups', 'sleep', '1000']);
  await once(other, 'spawn');
  await until(() => status(other.pid, 'Name') === 'sleep');
  t.regex(open(other.pid ?? 0), /^mem\nenviron\nmaps\n[\s\S]*ptrace\n$/, 'it knows its trade');
  other.kill('SIGKILL');
  for (const pid of Object.values(login)) t.is(open(pid), '');
  t.false(
    readFileSync(`/proc/${login.launcher}/environ`, 'latin1').includes('123456'),
    'the factor is wiped',
  );
  child.kill('SIGKILL');
  isRefusal(t, await finished);
});

test.serial('limits set by another process during the wait', async (t) => {
  ask();
  for (const limit of ['--as=1', '--data=1', '--nofile=0', '--stack=1', '--fsize=0', '--cpu=0']) {
    const { child, finished } = start([SAY_INSIDE]);
    const { launcher, keeper, engine } = await waiting(child);
    asAlice('prlimit', '--pid', String(launcher), limit);
    t.false(asAlice('prlimit', '--pid', String(keeper), limit));
    t.false(asAlice('prlimit', '--pid', String(engine), limit));
    t.false(asAlice('renice', '-n', '19', '-p', String(engine)));
    for (const [, transaction] of duo.service.transactions) transaction.deny();
    isRefusal(t, await finished, limit);
  }
});

test.serial('no_new_privs and a user namespace: no setuid, and denied', async (t) => {
  isRefusal(t, await launch([SAY_INSIDE], { before: 'exec setpriv --no-new-privs "$@"' }));
  isRefusal(t, await launch([SAY_INSIDE], { before: 'exec unshare --user --map-root-user --net "$@"' }));
  t.is(duo.service.calls.length, 0);
});

test.serial('a terminal that hangs up during the prompt', async (t) => {
  ask();
  const terminal = atTerminal([SAY_INSIDE]);
  await terminal.shows(/Passcode or option/);
  const { output } = await terminal.hangUp();
  t.false(output.includes(INSIDE));
  await until(() => processes('login_duo').length === 0);
});

test.serial('autopush and a stopped terminal: waiting approves nothing', async (t) => {
  ask();
  addConfig('autopush = yes\nprompts = 1', LOGIN_DUO_CONFIG);
  const { child, finished } = start([SAY_INSIDE]);
  const { launcher } = await waiting(child);
  asAlice('kill', '-s', 'STOP', String(launcher));
  for (const [, transaction] of duo.service.transactions) transaction.deny();
  await until(() => engines().length === 0);
  asAlice('kill', '-s', 'CONT', String(launcher));
  isRefusal(t, await finished);
});
