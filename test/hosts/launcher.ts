/** Running login_duo as an ordinary user. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Terminal } from './terminal.ts';

export const LOGIN_DUO = '/usr/sbin/login_duo';

/** Text that only a shell started by login_duo prints. */
export const INSIDE = 'got in';
/** A command line that prints it; the quotes keep it out of the terminal's echo. */
export const SAY_INSIDE = "echo 'got' in";

export interface Finished {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
}

interface Settings {
  readonly user?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Shell commands that prepare what login_duo inherits. */
  readonly before?: string;
  readonly program?: string;
}

function asUser({ user = 'alice', before = '', program = LOGIN_DUO }: Settings, args: readonly string[]) {
  const identity = ['--reuid', user, '--regid', user, user === 'alice' ? '--init-groups' : '--clear-groups'];
  return ['setpriv', ...identity, 'sh', '-c', `${before}\nexec "$@"`, 'sh', program, ...args];
}

const PLAIN = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/home/alice', LANG: 'C.UTF-8' };

/** Starts login_duo without a terminal. */
export function start(args: readonly string[], settings: Settings = {}): Running {
  const [program = '', ...rest] = asUser(settings, args);
  const child = spawn(program, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...PLAIN, ...settings.env },
    cwd: '/tmp',
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      output[name] += chunk.toString();
    });
  }
  child.stdin.on('error', () => {});
  const finished = once(child, 'close').then(([status, signal]: unknown[]) => ({
    status: typeof status === 'number' ? status : null,
    signal: typeof signal === 'string' ? signal : null,
    ...output,
  }));
  return { child, finished };
}

/** Runs login_duo without a terminal to its end. */
export function launch(args: readonly string[], settings: Settings = {}): Promise<Finished> {
  return start(args, settings).finished;
}

/** login_duo at a terminal, from a shell that then prints `left STATUS`. */
export function atTerminal(args: readonly string[], settings: Settings = {}): Terminal {
  const words = asUser(settings, args).map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  // A handler, since an ignored signal would be inherited.
  return new Terminal(`trap : INT; ${words.join(' ')}; echo left $?; stty -a`, {
    ...PLAIN,
    ...settings.env,
  });
}

/** Process ids whose /proc/PID/comm is this name, zombies left out. */
export function processes(name: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const [, comm, state] = /^\d+ \((.*)\) (\S)/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? [];
        return comm === name && state !== 'Z' && state !== 'X';
      } catch {
        return false;
      }
    });
}

/** One field of /proc/PID/status. */
export function status(pid: number | undefined, field: string): string {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1');
  return new RegExp(`^${field}:[ \\t]*(.*)$`, 'm').exec(text)?.[1] ?? '';
}
