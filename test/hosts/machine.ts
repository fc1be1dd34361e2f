/**
 * The private machine of enter.sh, prepared for logins: users, the installed module, a simulated Duo, the
 * system log.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';
import { loadPamClient } from '../../src/unix/built-pam-client.ts';
import { loadUnix } from '../../src/unix/unix.ts';

export const unix = loadUnix();
export const pam = loadPamClient();

export const PASSWORD = 'correct horse';
export const CONFIG = '/etc/duo/pam_duo.conf';
export const LOGIN_DUO_CONFIG = '/etc/duo/login_duo.conf';
const CA = '/etc/duo/ca.pem';
export const ENGINE = '/usr/libexec/duo-ts/duo-ts';
export const SOCKET = '/run/duo-ts/engine.sock';
export const USERS_SOCKET = '/run/duo-ts/users.sock';

/** DUO_TS_RESIDENT=1: a resident engine serves every login of these tests, and no private one can start. */
export const residentAlone = process.env['DUO_TS_RESIDENT'] === '1';
/** The engine's name while private engines are disabled. */
const RESIDENT_ENGINE = residentAlone ? `${ENGINE}-resident` : ENGINE;

/** Runs a program. @throws Error with its output when it fails */
export function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
  return stdout;
}

/**
 * Must be called first. Refuses to work on a machine that is not the private one.
 * @param options for `install-system.ts install`
 */
export function setUp(...options: string[]): void {
  if (run('hostname').trim() !== 'host' || !existsSync('/usr/sbin/sshd')) {
    throw new Error('these tests run inside test/hosts/enter.sh, and need openssh-server');
  }
  // Another private machine may build the same files at this moment.
  const script = [process.execPath, 'scripts/install-system.ts', 'install', '--replace'];
  run('flock', 'build/install.lock', ...script, ...options);
  for (const user of ['alice', 'bert']) {
    run('useradd', '--create-home', '--shell', '/bin/bash', user);
    spawnSync('chpasswd', { input: `${user}:${PASSWORD}\n` });
  }
  spawnSync('chpasswd', { input: `root:${PASSWORD}\n` });
  writeFileSync(
    '/etc/sudoers.d/alice',
    'alice ALL=(ALL) ALL\nDefaults:alice timestamp_timeout=0, passwd_tries=1\n',
  );
  chmodSync('/etc/sudoers.d/alice', 0o440);
  // Removes pam_unix's delay: a refused login returns at once.
  edit('/etc/pam.d/common-auth', /pam_unix\.so nullok/, 'pam_unix.so nullok nodelay');
  // Removes the message of the day and mail notices from transcripts.
  for (const name of ['/etc/motd', '/etc/issue']) writeFileSync(name, '');
  for (const service of ['sshd', 'sudo', 'su', 'login']) useStack(service);
  if (residentAlone) {
    renameSync(ENGINE, RESIDENT_ENGINE);
    resident = startResident();
  }
}

let resident: Resident | undefined;

/** Removes every engine until the test ends. */
export function withoutEngine(t: { teardown(end: () => void): void }): void {
  if (residentAlone) {
    resident?.process.kill('SIGKILL');
    t.teardown(() => {
      resident = startResident();
    });
  } else {
    renameSync(ENGINE, `${ENGINE}.away`);
    t.teardown(() => renameSync(`${ENGINE}.away`, ENGINE));
  }
}

export interface Resident {
  readonly process: ChildProcess;
  /** Its standard error so far. */
  readonly log: () => string;
}

/** Starts a resident engine and waits until it accepts connections. @param options arguments, and its environment */
export function startResident(...options: (string | Readonly<Record<string, string>>)[]): Resident {
  const args = options.filter((option) => typeof option === 'string');
  const env = Object.assign({}, ...options.filter((option) => typeof option !== 'string'));
  const path = `/tmp/resident-${performance.now()}.log`;
  const log = openSync(path, 'w');
  const engine = spawn(RESIDENT_ENGINE, ['engine', '--resident', ...args], {
    stdio: ['ignore', 'ignore', log],
    env,
  });
  closeSync(log);
  engine.unref();
  awaitSocket(args.includes('--users') && !args.includes('--socket') ? USERS_SOCKET : SOCKET);
  return { process: engine, log: () => readFileSync(path, 'utf8') };
}

/** Blocks until the socket accepts connections. */
export function awaitSocket(path = SOCKET): void {
  const connect = ['-u', '/dev/null', `UNIX-CONNECT:${path}`];
  for (let tries = 0; spawnSync('socat', connect, { stdio: 'ignore' }).status !== 0; tries += 1) {
    if (tries > 1000) throw new Error('the resident engine does not listen');
    spawnSync('sleep', ['0.02']);
  }
}

function edit(path: string, what: RegExp, by: string): void {
  const text = readFileSync(path, 'utf8');
  if (!what.test(text)) throw new Error(`${path} has no ${what}`);
  writeFileSync(path, text.replace(what, by));
}

/** Installs the project's stack for a service. */
export function useStack(name: string, service = name): void {
  copyFileSync(`pam.d/${name}`, `/etc/pam.d/${service}`);
}

/** Starts a simulated Duo and writes the machine's configurations for it. */
export async function startDuo(options: SimulatorOptions = {}, more = ''): Promise<Simulator> {
  const simulator = await startSimulator(options);
  mkdirSync('/etc/duo', { recursive: true });
  writeFileSync(CA, simulator.ca);
  for (const path of [CONFIG, LOGIN_DUO_CONFIG]) writeConfig(simulator.config(CA, more), path);
  return simulator;
}

/** Replaces a configuration, the module's by default. */
export function writeConfig(text: string, path = CONFIG): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: 0o600 });
}

/** Adds a line to a configuration. */
export function addConfig(line: string, path = CONFIG): void {
  appendFileSync(path, `${line}\n`);
}

/** What programs wrote to /dev/log. */
export class SystemLog {
  readonly lines: string[] = [];
  readonly #socat: ChildProcess;
  readonly #waiting = new Set<() => void>();

  private constructor(socat: ChildProcess) {
    this.#socat = socat;
    if (socat.stdout === null) throw new Error('socat has no output');
    createInterface({ input: socat.stdout }).on('line', (text) => {
      // Concurrent datagrams can share a line.
      this.lines.push(...text.split(/(?=<\d{1,3}>[A-Z][a-z]{2} [ \d]\d )/));
      for (const look of this.#waiting) look();
    });
  }

  static async start(): Promise<SystemLog> {
    rmSync('/dev/log', { force: true });
    // Each datagram becomes a line, without socat's own messages.
    const socat = spawn('socat', ['-u', 'UNIX-RECVFROM:/dev/log,mode=666,fork', 'SYSTEM:cat; echo'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const log = new SystemLog(socat);
    while (!existsSync('/dev/log')) await new Promise((resolve) => setImmediate(resolve));
    return log;
  }

  /** Resolves to the first line that matches, past or future. */
  async line(pattern: RegExp): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const look = () => {
      const found = this.lines.find((line) => pattern.test(line));
      if (found !== undefined) resolve(found);
    };
    this.#waiting.add(look);
    look();
    try {
      return await promise;
    } finally {
      this.#waiting.delete(look);
    }
  }

  clear(): void {
    this.lines.length = 0;
  }

  stop(): void {
    this.#socat.kill();
    this.#socat.stdout?.destroy();
  }
}

/** Process ids of running engines, without zombies. */
export function engines(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const engine = readFileSync(`/proc/${pid}/cmdline`, 'latin1') === 'duo-ts\0engine\0';
        return engine && !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
      } catch {
        return false;
      }
    });
}

/** Number of logins in progress: private engines, or connections of the resident one. */
export function loginsInProgress(): number {
  if (!residentAlone) return engines().length;
  const connected = / 0001 03 +\d+ \S+engine\.sock$/;
  return readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .filter((line) => connected.test(line)).length;
}

/** Polls until the condition holds. The test's time limit ends it otherwise. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Resolves when the simulated Duo has a request that waits for the phone. */
export async function pending(simulator: Simulator) {
  for (;;) {
    const found = [...simulator.service.transactions.values()].find((transaction) => transaction.pending);
    if (found !== undefined) return found;
    await new Promise<void>((resolve) => simulator.service.once('change', () => resolve()));
  }
}
