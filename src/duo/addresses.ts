/** Names become addresses: by the system's resolver, and from memory where one process serves many logins. */
import { lookup } from 'node:dns/promises';
import type { Clock } from '../lib/clock.ts';

export interface Addresses {
  readonly list: readonly string[];
  /** They come from memory: where none of them answers the name is asked for again. */
  readonly remembered: boolean;
}

/** Resolves a name. Rejects with the system's error. */
export interface Resolver {
  resolve(name: string): Promise<Addresses>;
  /** None of the addresses answered. */
  forget(name: string): void;
}

export type Lookup = (name: string) => Promise<readonly string[]>;

const systemLookup: Lookup = async (name) =>
  (await lookup(name, { all: true })).map(({ address }) => address);

/** Asks the system each time. */
export const systemResolver: Resolver = {
  resolve: async (name) => ({ list: await systemLookup(name), remembered: false }),
  forget: () => {},
};

/** Milliseconds for which an answer is taken without asking again, and for which it stands in for one that fails. */
const FRESH_MS = 60_000;
const USABLE_MS = 24 * 3_600_000;

interface Known {
  readonly list: readonly string[];
  readonly at: number;
}

/**
 * Remembers. One question at a time is asked for a name, whoever waits for it; where the resolver fails, the last answer
 * holds: whoever is there must show Duo's certificate all the same.
 */
export class MemoryResolver implements Resolver {
  readonly #clock: Clock;
  readonly #lookup: Lookup;
  readonly #known = new Map<string, Known>();
  readonly #asked = new Map<string, Promise<readonly string[]>>();

  constructor(clock: Clock, lookupName: Lookup = systemLookup) {
    this.#clock = clock;
    this.#lookup = lookupName;
  }

  async resolve(name: string): Promise<Addresses> {
    const known = this.#known.get(name);
    const age = known === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonic() - known.at;
    if (known !== undefined && age < FRESH_MS) return { list: known.list, remembered: true };
    try {
      return { list: await this.#ask(name), remembered: false };
    } catch (error) {
      if (known === undefined || age >= USABLE_MS) throw error;
      return { list: known.list, remembered: false };
    }
  }

  forget(name: string): void {
    const known = this.#known.get(name);
    // Old, not gone: should the resolver fail now, it is better than nothing.
    if (known !== undefined) this.#known.set(name, { ...known, at: known.at - FRESH_MS });
  }

  #ask(name: string): Promise<readonly string[]> {
    const asked = this.#asked.get(name);
    if (asked !== undefined) return asked;
    const question = this.#lookup(name)
      .then((list) => {
        this.#known.set(name, { list, at: this.#clock.monotonic() });
        return list;
      })
      .finally(() => this.#asked.delete(name));
    this.#asked.set(name, question);
    return question;
  }
}
