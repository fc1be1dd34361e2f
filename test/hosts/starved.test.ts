/**
 * A local user owns a cgroup, as under systemd, and starts su or login_duo in it: frozen in part or as a
 * whole, or short of memory or processes. None of it lets the user in without a factor. Duo denies this
 * user and failmode is safe, so any success means that an engine wrongly found Duo unreachable.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { LOGIN_DUO, processes } from './launcher.ts';
import { engines, PASSWORD, run, SystemLog, setUp, startDuo, unix, until } from './machine.ts';
import { Terminal } from './terminal.ts';

const CAME_IN = /^came in$/m;
/** How alice starts each program; su requires a password first. */
const HOSTS: Readonly<Record<string, string>> = {
  su: `su bert -c 'echo came in'`,
  login_duo: `${LOGIN_DUO} 'echo came in'`,
};

/** Limits of the caller's cgroup: from too little for the program to enough for a login. */
const LIMITS = {
  pids: ['1', '2', '3', '5', '8', '12', '16'],
  memory: ['1M', '4M', '8M', '16M', '24M', '32M', '48M', '64M'],
};
const ALICE = ['--reuid', 'alice', '--regid', 'alice', '--init-groups'];

let log: SystemLog;
let duo: Simulator;
/** Where cgroups of version 2 are, and a controller's of either version. */
let unified = '';

test.before(async () => {
  setUp('--setuid');
  log = await SystemLog.start();
  const mounted = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/mounts', 'utf8'))?.[1];
  unified = mounted ?? '/run/cgroup';
  if (mounted === undefined) {
    mkdirSync(unified);
    run('mount', '-t', 'cgroup2', 'none', unified);
  }
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  const denied = { status: 'deny' } as const;
  duo = await startDuo({ users: { alice: denied, bert: denied } }, 'failmode = safe');
});
test.afterEach.always(async () => {
  await duo.close();
  await until(
    () => engines().length + processes('duo-ts-keeper').length + processes('login_duo').length === 0,
  );
});

/** Makes a cgroup that belongs to alice, like user@.service; it is removed at the end of the test. */
function delegate(t: ExecutionContext, controller?: string): string {
  const place = controller === undefined ? unified : controllerDirectory(controller);
  const path = join(place, `alice-${process.pid}-${performance.now()}`);
  mkdirSync(path);
  t.teardown(() =>
    until(() => {
      try {
        for (const inner of readdirSync(path, { withFileTypes: true }))
          if (inner.isDirectory()) rmdirSync(join(path, inner.name));
        rmdirSync(path);
        return true;
      } catch {
        // One of its processes has not ended yet.
        return false;
      }
    }),
  );
  const { uid = 0, gid = 0 } = unix.userByName('alice') ?? {};
  chownSync(path, uid, gid);
  for (const name of readdirSync(path)) chownSync(join(path, name), uid, gid);
  return path;
}

/** The directory for groups of a controller, in a mount of its own (version 1) or the common one. */
function controllerDirectory(name: string): string {
  const own = new RegExp(`^\\S+ (\\S+) cgroup \\S*\\b${name}\\b`, 'm').exec(
    readFileSync('/proc/mounts', 'utf8'),
  )?.[1];
  if (own !== undefined) return own;
  writeFileSync(join(unified, 'cgroup.subtree_control'), `+${name}`);
  return unified;
}

/** Runs an action as alice. @throws Error when it is not permitted */
function asAlice(command: string): void {
  run('setpriv', ...ALICE, 'sh', '-c', command);
}

/** Starts a program inside the cgroup. */
function start(host: string, group: string): Terminal {
  return new Terminal(`echo $$ >${group}/cgroup.procs; exec setpriv ${ALICE.join(' ')} ${HOSTS[host]}`);
}

async function ended(terminal: Terminal): Promise<string> {
  return (await terminal.answering(/Password: /, `${PASSWORD}\n`)).output;
}

/** The engine, once Duo has received a request of the login. */
async function asking(): Promise<number> {
  await once(duo.service, 'call');
  await until(() => engines().length === 1);
  return engines()[0] ?? 0;
}

for (const host of Object.keys(HOSTS)) {
  test(`${host}: no shortage, and Duo denies`, async (t) => {
    const group = delegate(t);
    t.notRegex(await ended(start(host, group)), CAME_IN);
    await log.line(/Aborted Duo login/);
  });

  test(`${host}: all processes are frozen until Duo is unreachable`, async (t) => {
    duo.service.faults.add('*', { kind: 'hang' });
    const group = delegate(t);
    const result = ended(start(host, group));
    await asking();
    asAlice(`echo 1 >${group}/cgroup.freeze`);
    await until(() => readFileSync(`${group}/cgroup.events`, 'utf8').includes('frozen 1'));
    // This test needs real time: clocks run while a process is frozen.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await duo.close();
    asAlice(`echo 0 >${group}/cgroup.freeze`);
    t.notRegex(await result, CAME_IN);
    await log.line(/Error in Duo login/);
  });

  test(`${host}: only the engine is frozen, for good`, async (t) => {
    duo.service.faults.add('*', { kind: 'hang' });
    const group = delegate(t);
    const result = ended(start(host, group));
    const engine = await asking();
    asAlice(
      `mkdir ${group}/inner && echo ${engine} >${group}/inner/cgroup.procs && echo 1 >${group}/inner/cgroup.freeze`,
    );
    t.notRegex(await result, CAME_IN);
    await log.line(/Error in Duo login for '\w+': the engine did not respond and was killed/);
  });

  test(`${host}: the keeper is frozen and the engine runs`, async (t) => {
    duo.service.faults.add('*', { kind: 'hang' });
    const group = delegate(t);
    const result = ended(start(host, group));
    const engine = await asking();
    const [keeper] = processes('duo-ts-keeper');
    asAlice(
      `mkdir ${group}/inner && echo ${keeper} >${group}/inner/cgroup.procs && echo 1 >${group}/inner/cgroup.freeze`,
    );
    process.kill(engine, 'SIGKILL');
    t.notRegex(await result, CAME_IN);
    await log.line(/Error in Duo login/);
    asAlice(`echo 0 >${group}/inner/cgroup.freeze`);
  });

  for (const which of ['first', 'others'] as const) {
    test(`${host}: threads of the engine are frozen from their start: ${which}`, async (t) => {
      // The address of the API host is removed from the cache.
      duo.service.faults.add('*', { kind: 'drop' }, 1);
      const group = delegate(t);
      asAlice(
        `mkdir ${group}/inner && echo threaded >${group}/inner/cgroup.type && echo 1 >${group}/inner/cgroup.freeze`,
      );
      const caught = catchThreads(t, `${group}/inner`, which);
      // On a busy machine a login can end before its threads are found.
      for (let logins = 0; logins < 20 && caught.count() === 0; logins++) {
        t.notRegex(await ended(start(host, group)), CAME_IN);
      }
      t.true(caught.count() > 0, 'no thread was caught');
      t.log(
        `${caught.count()} caught`,
        log.lines.find((line) => line.includes('Duo login')),
      );
    });
  }

  for (const controller of ['pids', 'memory'] as const) {
    test(`${host}: a cgroup with too little ${controller}`, async (t) => {
      for (const value of LIMITS[controller]) {
        const group = delegate(t, controller);
        const file = limitFile(group, controller);
        asAlice(`echo ${value} >${group}/${file}`);
        t.notRegex(await ended(start(host, group)), CAME_IN, `${file} ${value}`);
        t.log(
          value,
          log.lines.find((line) => line.includes('Duo login')),
        );
        log.clear();
      }
    });
  }
}

/** Version 1 has another name for the memory limit. */
function limitFile(group: string, controller: 'pids' | 'memory'): string {
  if (controller === 'pids') return 'pids.max';
  return existsSync(join(group, 'memory.max')) ? 'memory.max' : 'memory.limit_in_bytes';
}

/** As alice: moves new threads of each engine into a cgroup, and reports their names. */
const CATCH = `
import { readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
const [group, which] = process.argv.slice(1);
const caught = new Set();
const engines = new Set();
for (;;) {
  for (const pid of readdirSync('/proc')) {
    try {
      if (!engines.has(pid) && (!/^[0-9]+$/.test(pid) || readFileSync('/proc/' + pid + '/cmdline', 'latin1') !== 'duo-ts\\0engine\\0')) continue;
      engines.add(pid);
      for (const thread of readdirSync('/proc/' + pid + '/task')) {
        if (caught.has(thread) || (thread === pid) !== (which === 'first')) continue;
        writeFileSync(group + '/cgroup.threads', thread);
        caught.add(thread);
        writeSync(1, thread + '\\n');
      }
    } catch {}
  }
}`;

function catchThreads(t: ExecutionContext, group: string, which: 'first' | 'others'): { count(): number } {
  const program = ['--input-type=module', '-e', CATCH, '--', group, which];
  const child = spawn('setpriv', [...ALICE, process.execPath, ...program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let caught = '';
  child.stdout.on('data', (chunk: Buffer) => {
    caught += chunk.toString();
  });
  t.teardown(() => child.kill('SIGKILL'));
  return { count: () => caught.split('\n').length - 1 };
}
