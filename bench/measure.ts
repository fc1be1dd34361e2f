/**
 * The measurements: whole PAM logins of each client, alternating, so that other load on the machine affects
 * all clients alike.
 */
import { once } from 'node:events';
import { CLIENTS, type Client, type ResidentEngine, type Service, type Stacks, timings } from './clients.ts';
import { proportionalMiB, withDescendants } from './memory.ts';

export interface Login {
  readonly name: string;
  readonly service: Service;
  readonly status: 'auth' | 'allow';
}

export const LOGINS: readonly Login[] = [
  { name: 'bypass', service: 'sshd', status: 'allow' },
  { name: 'synchronous push', service: 'sshd', status: 'auth' },
  { name: 'asynchronous push', service: 'duo', status: 'auth' },
];

export type Each<T> = Readonly<Record<Client, T>>;

function each<T>(make: (client: Client) => T): Each<T> {
  return { c: make('c'), private: make('private'), resident: make('resident') };
}

/** Milliseconds of one login: the median of many. */
export interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

/** @param p 0 … 1 */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN;
}

const median = (values: readonly number[]) => percentile(values, 0.5);

function allIn(client: Client, codes: readonly { readonly code: number }[]): void {
  const refused = codes.find(({ code }) => code !== 0);
  if (refused !== undefined)
    throw new Error(`a login of the ${client} client ended with PAM code ${refused.code}`);
}

/** One login at a time, `rounds` times for each client. */
export function measureCost(
  stacks: Stacks,
  engine: ResidentEngine,
  { service }: Login,
  rounds: number,
): Each<Cost> {
  const taken = each(() => ({ wall: [] as number[], cpu: [] as number[] }));
  // A first login loads every file into the page cache.
  for (const client of CLIENTS) allIn(client, stacks.run(client, service));
  for (let round = 0; round < rounds; round += 1) {
    for (const client of CLIENTS) {
      const before = client === 'resident' ? engine.cpu : 0;
      const login = stacks.run(client, service);
      const shared = client === 'resident' ? engine.cpu - before : 0;
      allIn(client, login);
      for (const { wall, cpu } of login) {
        taken[client].wall.push(wall);
        taken[client].cpu.push(cpu + shared);
      }
    }
  }
  return each((client) => ({ wall: median(taken[client].wall), cpu: median(taken[client].cpu) }));
}

/** Many concurrent logins. */
export interface Throughput {
  readonly atOnce: number;
  /** Logins a second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Number of logins that failed. */
  readonly failed: number;
}

export function measureThroughput(
  stacks: Stacks,
  client: Client,
  service: Service,
  total: number,
  atOnce: number,
): Throughput {
  const begin = performance.now();
  const logins = stacks.run(client, service, total, atOnce);
  const seconds = (performance.now() - begin) / 1000;
  const walls = logins.map(({ wall }) => wall);
  return {
    atOnce,
    rate: total / seconds,
    p50: median(walls),
    p99: percentile(walls, 0.99),
    failed: logins.filter(({ code }) => code !== 0).length,
  };
}

/** Logins that wait for their push. */
export interface Waiting {
  readonly count: number;
  /** Sum of the proportional set sizes of all processes of the logins, in MiB. */
  readonly memory: number;
  /** The part of the resident engine. */
  readonly engine: number;
}

/** The controls of the simulated Duo that a measurement uses. */
export interface Phone {
  pending(): Promise<number>;
  approve(): Promise<number>;
}

export async function measureWaiting(
  stacks: Stacks,
  engine: ResidentEngine,
  phone: Phone,
  client: Client,
  count: number,
): Promise<Waiting> {
  const driver = stacks.start(client, 'sshd', count);
  let output = '';
  driver.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ended = once(driver, 'close');
  while ((await phone.pending()) < count) {
    if (driver.exitCode !== null) throw new Error(`${count} logins of the ${client} client: ${output}`);
    await new Promise((go) => setTimeout(go, 50));
  }
  const hosts = withDescendants([driver.pid ?? 0]);
  const shared = client === 'resident' ? proportionalMiB([engine.pid]) : 0;
  const memory = proportionalMiB(hosts) + shared;
  await phone.approve();
  await ended;
  allIn(client, timings(output));
  return { count, memory, engine: shared };
}
