/** The clients that are compared: Debian's libpam-duo, and ours with a private and with a resident engine. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';

export const CLIENTS = ['c', 'private', 'resident'] as const;
export type Client = (typeof CLIENTS)[number];
export type Stack = Client | 'cold';

export const TITLES: Readonly<Record<Client, string>> = {
  c: 'libpam-duo (C)',
  private: 'private engine',
  resident: 'resident engine',
};

/** How one login went. Times in milliseconds. */
export interface Timing {
  readonly code: number;
  readonly wall: number;
  /** Of its process and of all that it started; the resident engine's share is not in it. */
  readonly cpu: number;
}

/** A service named sshd makes every client wait for the factor within one request. */
export type Service = 'sshd' | 'duo';

/** Where Debian's module is. @throws Error when it isn't installed */
function packagedModule(): string {
  const found = readdirSync('/usr/lib')
    .map((name) => `/usr/lib/${name}/security/pam_duo.so`)
    .find((path) => existsSync(path));
  if (found === undefined)
    throw new Error("Debian's libpam-duo is not installed: run `scripts/prepare.sh bench`");
  return found;
}

/** True when an engine at the socket says HELLO. */
async function greets(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'data');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** The engine that all logins of a bench share. */
export class ResidentEngine {
  readonly socket: string;
  readonly #process: ChildProcess;

  private constructor(socket: string, process: ChildProcess) {
    this.socket = socket;
    this.#process = process;
  }

  static async start(directory: string): Promise<ResidentEngine> {
    const socket = join(directory, 'engine.sock');
    const engine = spawn(resolve('build/duo-ts'), ['engine', '--resident', '--socket', socket], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {},
    });
    for (;;) {
      if (engine.exitCode !== null) throw new Error(`the resident engine ended with ${engine.exitCode}`);
      if (await greets(socket)) return new ResidentEngine(socket, engine);
      await new Promise((go) => setTimeout(go, 10));
    }
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Milliseconds of CPU time that it has taken so far, all its threads together. */
  get cpu(): number {
    return readdirSync(`/proc/${this.pid}/task`)
      .map((task) => Number(readFileSync(`/proc/${this.pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]))
      .reduce((sum, nanoseconds) => sum + nanoseconds / 1e6, 0);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null)
      throw new Error(`the resident engine ended with ${this.#process.exitCode}`);
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}

/** PAM stacks for each client, and for a resident engine that `coldSocket` starts. */
export class Stacks {
  readonly coldSocket: string;
  readonly #directory: string;
  readonly #user: string;
  readonly #driver: string;
  readonly #resident: ResidentEngine;

  constructor(directory: string, user: string, driver: string, resident: ResidentEngine) {
    this.coldSocket = join(directory, 'cold.sock');
    this.#directory = directory;
    this.#user = user;
    this.#driver = driver;
    this.#resident = resident;
  }

  /** Writes them. `config` is the whole of a pam_duo.conf. */
  write(config: string): void {
    const path = join(this.#directory, 'pam_duo.conf');
    writeFileSync(path, config, { mode: 0o600 });
    const ours = `auth required ${resolve('build/Release/pam_duo_ts.so')} conf=${path}`;
    const lines: Readonly<Record<Stack, string>> = {
      c: `auth required ${packagedModule()} conf=${path}`,
      private: `${ours} socket=none`,
      resident: `${ours} socket=${this.#resident.socket}`,
      cold: `${ours} socket=${this.coldSocket}`,
    };
    for (const [stack, line] of Object.entries(lines)) {
      const confdir = join(this.#directory, stack);
      mkdirSync(confdir, { recursive: true });
      for (const service of ['sshd', 'duo']) writeFileSync(join(confdir, service), `${line}\n`);
    }
  }

  #arguments(stack: Stack, service: Service, total: number, atOnce: number): string[] {
    return [join(this.#directory, stack), service, this.#user, String(total), String(atOnce)];
  }

  /** Logs in `total` times, `atOnce` at a time, and waits for the end. @throws Error when one gets another code */
  run(stack: Stack, service: Service, total = 1, atOnce = 1): Timing[] {
    const args = this.#arguments(stack, service, total, atOnce);
    const { stdout, status } = spawnSync(this.#driver, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
    if (status !== 0) throw new Error(`${this.#driver} ${args.join(' ')}: ${status}`);
    return timings(stdout);
  }

  /** Starts as many logins at once, and goes on. */
  start(client: Client, service: Service, total: number): ChildProcess {
    return spawn(this.#driver, this.#arguments(client, service, total, total), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
}

/** Reads what the driver prints. */
export function timings(text: string): Timing[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [code = Number.NaN, wall = Number.NaN, cpu = Number.NaN] = line.split(' ').map(Number);
      return { code, wall: wall / 1000, cpu: cpu / 1000 };
    });
}
