/** Resolves a host name to addresses, with a memory for processes that serve many logins. */
import type { Clock } from '../lib/clock.ts';
import { createLookUp, type LookUp, LookUpError } from './look-up.ts';

export interface Addresses {
  readonly list: readonly string[];
  /** The addresses come from memory. If none of them answers, the name is looked up again. */
  readonly remembered: boolean;
}

export interface Resolver {
  /** @throws LookUpError */
  resolve(name: string): Promise<Addresses>;
  /** Reports that none of the addresses answered. */
  forget(name: string): void;
}

/** Looks the name up each time. */
export function plainResolver(clock: Clock, lookUp: LookUp = createLookUp(clock)): Resolver {
  return {
    resolve: async (name) => ({ list: await lookUp(name), remembered: false }),
    forget: () => {},
  };
}

/** Addresses from a name server. */
export interface KnownAddresses {
  readonly list: readonly string[];
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** Persistent storage of addresses. */
export interface AddressStore {
  load(): ReadonlyMap<string, KnownAddresses>;
  save(known: ReadonlyMap<string, KnownAddresses>): void;
}

/** Milliseconds for which addresses are used without a new look-up, and for which they replace a failed one. */
const FRESH_MS = 60_000;
export const USABLE_MS = 30 * 24 * 3_600_000;
/** The interval in which unchanged addresses are saved, in milliseconds. */
const SAVE_MS = 3_600_000;
/** More names than a machine has services. */
export const MAX_NAMES = 64;

/**
 * Remembers addresses. If a name cannot be looked up, the last addresses are used: a server there must show Duo's
 * certificate, and if there is none, the kernel reports it.
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
    // Keep the addresses for the case that the name cannot be looked up.
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
    // A Map keeps insertion order: the last entry is the newest.
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
