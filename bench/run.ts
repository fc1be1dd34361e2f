/**
 * `npm run bench`: pam_duo_ts and Debian's libpam-duo in one run, so that ratios are meaningful. `--write`
 * writes the tables and the plot of docs/performance.md; `--quick` measures little, to check that
 * everything works.
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLIENTS, type Client, ResidentEngine, Stacks } from './clients.ts';
import { measureCold } from './cold.ts';
import type { Ask, Place } from './duo.ts';
import { LOGINS, measureCost, measureThroughput, measureWaiting } from './measure.ts';
import { judge, type Results, table, write } from './report.ts';
import { measureStart } from './start.ts';

const ROUND_TRIP = 40;
const USER = 'root';

function build(): string {
  for (const args of [
    ['-S', '.', '-B', 'build/bench', '-DDUO_TS_BENCH=ON', '-DCMAKE_BUILD_TYPE=Release'],
    ['--build', 'build/bench', '--target', 'driver'],
  ]) {
    const { status, stdout, stderr } = spawnSync('cmake', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`cmake ${args.join(' ')}\n${stdout}${stderr}`);
  }
  return 'build/bench/bench/driver';
}

/** The simulated Duo in its own process. */
class Duo {
  readonly #process: ChildProcess;

  constructor(cafile: string) {
    const script = join(import.meta.dirname, 'duo.ts');
    this.#process = fork(script, [USER, cafile, String(ROUND_TRIP / 2)], { stdio: ['ignore', 2, 2, 'ipc'] });
  }

  async place(): Promise<Place> {
    const [place]: Place[] = await once(this.#process, 'message');
    if (place === undefined) throw new Error('the simulated Duo is gone');
    return place;
  }

  async #ask(ask: Ask): Promise<number> {
    const answer = once(this.#process, 'message');
    this.#process.send(ask);
    return Number((await answer)[0]);
  }

  user(status: 'auth' | 'allow', phone: 'approve' | 'ignore'): Promise<number> {
    return this.#ask({ ask: 'user', status, phone });
  }

  pending(): Promise<number> {
    return this.#ask({ ask: 'pending' });
  }

  approve(): Promise<number> {
    return this.#ask({ ask: 'approve' });
  }

  firstCall(): Promise<number> {
    return this.#ask({ ask: 'firstCall' });
  }

  stop(): void {
    this.#process.disconnect();
  }
}

interface Amount {
  readonly rounds: number;
  /** Logins that the resident engine serves before it is measured, so that V8 has compiled its code. */
  readonly before: number;
  /** Number of engine starts by a socket. */
  readonly cold: number;
  readonly atOnce: readonly number[];
  readonly waiting: readonly number[];
  /** Private engines are processes: with more of them the machine would swap. */
  readonly privateWaiting: number;
}
const FULL: Amount = {
  rounds: 40,
  before: 1000,
  cold: 20,
  atOnce: [1, 50, 500],
  waiting: [1, 100, 1000],
  privateWaiting: 100,
};
const QUICK: Amount = {
  rounds: 3,
  before: 20,
  cold: 2,
  atOnce: [1, 20],
  waiting: [1, 10],
  privateWaiting: 10,
};

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function measure(amount: Amount, directory: string): Promise<Results> {
  const cafile = join(directory, 'ca.pem');
  const driver = build();
  const duo = new Duo(cafile);
  const place = await duo.place();
  writeFileSync(cafile, place.ca);
  const engine = await ResidentEngine.start(directory);
  const stacks = new Stacks(directory, USER, driver, engine);
  const results: Results = { costs: [], throughput: [], waiting: [] };
  try {
    stacks.write(`${place.near}autopush = yes\n`);
    await duo.user('auth', 'approve');
    stacks.run('resident', 'sshd', amount.before);
    for (const far of [false, true]) {
      stacks.write(`${far ? place.far : place.near}autopush = yes\n`);
      for (const login of LOGINS) {
        await duo.user(login.status, 'approve');
        const roundTrip = far ? ROUND_TRIP : 0;
        say(`measuring: ${login.name}, ${roundTrip} ms round trip`);
        results.costs.push({ login, roundTrip, each: measureCost(stacks, engine, login, amount.rounds) });
      }
    }
    say('measuring: from the start to the first request');
    await duo.user('allow', 'approve');
    results.start = await measureStart(place.near, USER, () => duo.firstCall(), amount.rounds);
    stacks.write(`${place.near}autopush = yes\n`);
    say('measuring: a cold start through the socket');
    await duo.user('auth', 'approve');
    results.cold = await measureCold(stacks, amount.cold);
    for (const atOnce of amount.atOnce) {
      for (const client of CLIENTS) {
        say(`measuring: ${atOnce} logins at once, ${client}`);
        await duo.user('auth', 'approve');
        const total = Math.max(atOnce, Math.min(4 * atOnce, 200));
        results.throughput.push({
          client,
          ...measureThroughput(stacks, client, 'sshd', total, atOnce),
        });
      }
    }
    for (const count of amount.waiting) {
      for (const client of CLIENTS.filter(
        (each: Client) => each !== 'private' || count <= amount.privateWaiting,
      )) {
        say(`measuring: ${count} logins that wait, ${client}`);
        await duo.user('auth', 'ignore');
        results.waiting.push({ client, ...(await measureWaiting(stacks, engine, duo, client, count)) });
      }
    }
  } finally {
    await engine.stop();
    duo.stop();
  }
  return results;
}

/** Creates the engines' users. This runs only in a private copy of the machine. */
function makeUsers(): void {
  if (hostname() !== 'host') throw new Error('start it with `npm run bench`');
  for (const user of ['duo', 'duo-private']) {
    const { status, stderr } = spawnSync('useradd', ['--system', '--user-group', user], { encoding: 'utf8' });
    if (status !== 0 && status !== 9) throw new Error(`useradd: ${stderr}`);
  }
}

const options = process.argv.slice(2);
const unknown = options.find((option) => option !== '--quick' && option !== '--write');
if (unknown !== undefined || process.getuid?.() !== 0) {
  process.stderr.write(
    unknown === undefined
      ? 'bench: run it as root: the configuration is root’s, and the engine runs as another user\n'
      : `bench: there is no option ${unknown}; usage: npm run bench -- [--quick] [--write]\n`,
  );
  process.exit(2);
}
makeUsers();
const directory = mkdtempSync(join(tmpdir(), 'duo-ts-bench-'));
chmodSync(directory, 0o755);
try {
  const results = await measure(options.includes('--quick') ? QUICK : FULL, directory);
  say(`\n${table(results)}\n`);
  for (const { goal, value, reached } of judge(results))
    say(`${reached ? 'reached' : 'MISSED '} ${goal}: ${value}`);
  if (options.includes('--write')) write(results);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);
