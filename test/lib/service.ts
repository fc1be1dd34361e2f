/** A simulator and a client for it. */
import { type ClientOptions, createClient } from '../../src/duo/client.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { Secret } from '../../src/lib/secret.ts';
import {
  EXAMPLE_APPLICATION,
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from '../../src/simulator/simulator.ts';

export interface Teardown {
  teardown(end: () => Promise<void>): void;
}

/** Starts a simulator that ends with the test. */
export async function simulatorFor(t: Teardown, options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator(options);
  t.teardown(() => simulator.close());
  return simulator;
}

/** Real time, except that this process never seems to stall: on a slow machine, many tests at once make it do so. */
const CALM: Clock = { ...systemClock, monotonic: () => 0 };

/** A client that trusts the simulator; `notices` collects its notices. */
export function clientFor(simulator: Simulator, options: Partial<ClientOptions> = {}) {
  const notices: string[] = [];
  const client = createClient({
    host: simulator.host,
    port: simulator.port,
    ikey: EXAMPLE_APPLICATION.ikey,
    skey: new Secret(EXAMPLE_APPLICATION.skey),
    trust: { kind: 'authorities', pem: [simulator.ca] },
    timeout: 0,
    userAgent: 'test/1 (test) libduo/1',
    clock: CALM,
    notify: (text) => notices.push(text),
    random: () => 0,
    ...options,
  });
  return { client, notices };
}

/** For calls that are not aborted. */
export const never: AbortSignal = new AbortController().signal;

/** A field of a simulated reply, as text; empty when absent. */
export function fieldOf(answer: unknown, name: string): string {
  const value: unknown = Reflect.get(Object(answer), name);
  return value === undefined ? '' : String(value);
}
