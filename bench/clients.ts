/** The compared clients: Debian's libpam-duo, and pam_duo_ts with a private and with a resident engine. */
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

/** Result of one login. Times in milliseconds. */
export interface Timing {
  readonly code: number;
  readonly wall: number;
  /** CPU time of its process and all descendants, without the resident engine. */
  readonly cpu: number;
}

/** In a service named sshd every client waits for the factor within one request. */
export type Service = 'sshd' | 'duo';

/** The path of Debian's module. @throws Error when it is not installed */
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

  /** CPU time that it has used so far, all threads together, in milliseconds. */
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

  /** Writes the stacks. `config` is the whole content of pam_duo.conf. */
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

  /**
   * Runs `total` logins, `atOnce` of them concurrently, and waits for all. @throws Error when one gets
   * another code
   */
  run(stack: Stack, service: Service, total = 1, atOnce = 1): Timing[] {
    const args = this.#arguments(stack, service, total, atOnce);
    const { stdout, status } = spawnSync(this.#driver, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
    if (status !== 0) throw new Error(`${this.#driver} ${args.join(' ')}: ${status}`);
    return timings(stdout);
  }

  /** Starts that many concurrent logins and does not wait for their end. */
  start(client: Client, service: Service, total: number): ChildProcess {
    return spawn(this.#driver, this.#arguments(client, service, total, total), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
}

/** Parses the output of the driver. */
export function timings(text: string): Timing[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [code = Number.NaN, wall = Number.NaN, cpu = Number.NaN] = line.split(' ').map(Number);
      return { code, wall: wall / 1000, cpu: cpu / 1000 };
    });
}
