/** The other processes of a soak: the simulated Duo, users of the machine, and the engine's resource use. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { User } from '../../src/unix/unix.ts';
import type { Ending } from './driver.ts';
import type { Ask, Place } from './duo.ts';
import type { Task } from './user.ts';

/** Resolves to the next message of a process. @throws Error when the process ends */
async function message<T>(child: ChildProcess, what: string): Promise<T> {
  const stop = new AbortController();
  const { signal } = stop;
  const end = once(child, 'exit', { signal }).then(() => {
    throw new Error(`${what} has ended`);
  });
  try {
    const [first]: T[] = await Promise.race([once(child, 'message', { signal }), end]);
    if (first === undefined) throw new Error(`${what} has nothing to say`);
    return first;
  } finally {
    stop.abort();
    end.catch(() => {});
  }
}

/** One request at a time, each with its answer. */
class Asked<Question extends object, Answer> {
  readonly #child: ChildProcess;
  readonly #what: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(child: ChildProcess, what: string) {
    this.#child = child;
    this.#what = what;
  }

  ask(question: Question): Promise<Answer> {
    const next = this.#last.then(() => {
      const answer = message<Answer>(this.#child, this.#what);
      this.#child.send(question);
      return answer;
    });
    this.#last = next.catch(() => {});
    return next;
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

export type Duo = Asked<Ask, number>;

export async function startDuo(
  cafile: string,
  expiredCafile: string,
): Promise<{ readonly duo: Duo; readonly place: Place }> {
  const script = join(import.meta.dirname, 'duo.ts');
  const child = fork(script, [cafile, expiredCafile], { stdio: ['ignore', 2, 2, 'ipc'] });
  const place = await message<Place>(child, 'the simulated Duo');
  return { duo: new Asked(child, 'the simulated Duo'), place };
}

export type Neighbour = Asked<Task, Ending[]>;

export async function startUser({ uid, gid, name }: User, socket: string): Promise<Neighbour> {
  const script = join(import.meta.dirname, 'user.ts');
  const child = fork(script, [socket, name], { uid, gid, stdio: ['ignore', 2, 2, 'ipc'] });
  await message(child, name);
  return new Asked(child, name);
}

/** Resource use of the engine at one moment. Sizes in MiB. */
export interface Sample {
  readonly logins: number;
  /** Resident set size, and its private part. */
  readonly rss: number;
  readonly own: number;
  readonly descriptors: number;
  readonly threads: number;
}

export function sample(pid: number, logins: number): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  const number = (text: string, field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN);
  return {
    logins,
    rss: number(status, 'VmRSS') / 1024,
    own: (number(rollup, 'Private_Dirty') + number(rollup, 'Private_Clean')) / 1024,
    descriptors: descriptors(pid),
    threads: number(status, 'Threads'),
  };
}

export function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Number of connections to this Unix socket in the kernel's table. */
export function connections(path: string): number {
  return readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .filter((line) => line.endsWith(` ${path}`) && / 0001 03 /.test(line)).length;
}
