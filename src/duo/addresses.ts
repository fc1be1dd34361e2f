/** The addresses of a host: looked up, and remembered where one process serves many logins. */
import type { Clock } from '../lib/clock.ts';
import { createLookUp, type LookUp, LookUpError } from './look-up.ts';

export interface Addresses {
  readonly list: readonly string[];
  /** They come from memory: where none of them answers the name is asked for again. */
  readonly remembered: boolean;
}

export interface Resolver {
  /** @throws LookUpError */
  resolve(name: string): Promise<Addresses>;
  /** None of the addresses answered. */
  forget(name: string): void;
}

/** Looks the name up each time. */
export function plainResolver(clock: Clock, lookUp: LookUp = createLookUp(clock)): Resolver {
  return {
    resolve: async (name) => ({ list: await lookUp(name), remembered: false }),
    forget: () => {},
  };
}

/** Addresses that a name server gave. */
export interface KnownAddresses {
  readonly list: readonly string[];
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** Where addresses outlive the process. */
export interface AddressStore {
  load(): ReadonlyMap<string, KnownAddresses>;
  save(known: ReadonlyMap<string, KnownAddresses>): void;
}

/** Milliseconds for which addresses are used without asking again, and for which they stand in for an answer. */
const FRESH_MS = 60_000;
export const USABLE_MS = 30 * 24 * 3_600_000;
/** Addresses that have not changed are saved no more often. */
const SAVE_MS = 3_600_000;
/** More names than a host has services. */
export const MAX_NAMES = 64;

/**
 * Remembers. Where a name can't be looked up, the last addresses hold: whoever answers there must show Duo's
 * certificate, and where nobody does, the kernel says so.
 */
export class MemoryResolver implements Resolver {
  readonly #clock: Clock;
  readonly #lookUp: LookUp;
  readonly #store: AddressStore | undefined;
  readonly #known: Map<string, KnownAddresses>;
  /** When a name was last looked up, monotonic. */
  readonly #fresh = new Map<string, number>();
  readonly #asked = new Map<string, Promise<readonly string[]>>();

  constructor(clock: Clock, lookUp: LookUp = createLookUp(clock), store?: AddressStore) {
    this.#clock = clock;
    this.#lookUp = lookUp;
    this.#store = store;
    this.#known = new Map(store?.load());
  }

  async resolve(name: string): Promise<Addresses> {
    const known = this.#known.get(name);
    const asked = this.#fresh.get(name);
    if (known !== undefined && asked !== undefined && this.#clock.monotonic() - asked < FRESH_MS) {
      return { list: known.list, remembered: true };
    }
    try {
      return { list: await this.#ask(name), remembered: false };
    } catch (error) {
      if (!(error instanceof LookUpError) || known === undefined) throw error;
      if (this.#clock.now() - known.at >= USABLE_MS) throw error;
      return { list: known.list, remembered: false };
    }
  }

  forget(name: string): void {
    // The addresses stay, for when the name can't be looked up.
    this.#fresh.delete(name);
  }

  #ask(name: string): Promise<readonly string[]> {
    const asked = this.#asked.get(name);
    if (asked !== undefined) return asked;
    const question = this.#lookUp(name)
      .then((list) => {
        this.#remember(name, list);
        return list;
      })
      .finally(() => this.#asked.delete(name));
    this.#asked.set(name, question);
    return question;
  }

  #remember(name: string, list: readonly string[]): void {
    this.#fresh.set(name, this.#clock.monotonic());
    const known = this.#known.get(name);
    const now = this.#clock.now();
    if (known !== undefined && isSame(known.list, list) && Math.abs(now - known.at) < SAVE_MS) return;
    // The last in a Map is the youngest.
    this.#known.delete(name);
    this.#known.set(name, { list, at: now });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_NAMES) break;
      this.#known.delete(oldest);
      this.#fresh.delete(oldest);
    }
    this.#store?.save(this.#known);
  }
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((address) => other.includes(address));
}
