/** Reads files and runs programs of this machine. */
import { spawnSync } from 'node:child_process';
import { lstatSync, readFileSync, type Stats } from 'node:fs';

/** A file's text, one character for each byte; undefined when it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** The file itself, not what a link points to; undefined when there is none. */
export function statusOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

export interface Output {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Directories of system programs, whatever the caller's PATH is. */
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
const LIMIT_MS = 10_000;

/** Runs a program; undefined when it is not installed. */
export function runProgram(program: string, ...args: string[]): Output | undefined {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'latin1',
    env: { PATH, LC_ALL: 'C.UTF-8' },
    timeout: LIMIT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  return error !== undefined && 'code' in error && error.code === 'ENOENT'
    ? undefined
    : { status, stdout, stderr };
}

/** The names of a database of the name service: group, or passwd. */
export function namesOf(database: 'group' | 'passwd'): readonly string[] {
  return (runProgram('getent', database)?.stdout ?? '').split('\n').map((line) => line.split(':')[0] ?? '');
}

/** The users of resident and private engines. */
export const ENGINE_USERS = ['duo', 'duo-private'];

/** Whether a user can read a file. */
export function canRead(user: string, path: string): boolean {
  const as = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
  return runProgram('setpriv', ...as, 'test', '-r', path)?.status !== 1;
}

export function hasUser(name: string): boolean {
  return runProgram('getent', 'passwd', name)?.status === 0;
}
