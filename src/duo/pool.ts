/** What the logins of a resident engine share: one station for each service that they name and the way they trust it. */
import { createHash } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { MemoryResolver } from './addresses.ts';
import { DuoError } from './errors.ts';
import { Station, type StationManner, type StationOptions } from './station.ts';
import { warm } from './warm.ts';

/** Idle time that servers and gateways commonly allow is 60 seconds. */
const IDLE_MS = 50_000;
/** How often one connection of a station is used, so that it never idles out. */
const WARM_MS = 25_000;
const LEAST_WARM_MS = 3000;
/** A station that no login has used for so long is left to cool. */
const UNUSED_MS = 600_000;
/** Clocks that drift a second in this time are broken; 40105 corrects them too. */
const OFFSET_MS = 600_000;
/** Only root names services: a process that serves so many is misused, and forgets the oldest. */
const MAX_STATIONS = 64;

export class Pool {
  readonly #clock: Clock;
  readonly #stations = new Map<string, Station>();
  readonly #manner: StationManner;
  readonly #tell: (problem: string) => void;
  readonly #warmed = new Set<Station>();
  readonly #stop = new AbortController();
  /** The one that always has a connection. */
  #kept: Station | undefined;

  /** @param tell is told, once, why a connection can't be kept */
  constructor(clock: Clock, tell: (problem: string) => void, manner: Partial<StationManner> = {}) {
    this.#clock = clock;
    this.#tell = tell;
    this.#manner = {
      idleMs: IDLE_MS,
      offsetMs: OFFSET_MS,
      resolver: new MemoryResolver(clock),
      ...manner,
    };
  }

  /** The station for this service, host, port, proxy, trust and lowest version of TLS being the same. */
  station(options: StationOptions): Station {
    const station = this.#find(options);
    // The login that asks for it opens the first connection itself.
    if (!this.#warmed.has(station)) void this.#keepWarm(station, WARM_MS, () => this.#isUsed(station));
    return station;
  }

  /** Opens a connection to this service now, and keeps one until another service is named here. */
  keep(options: StationOptions): void {
    const station = this.#find(options);
    if (station === this.#kept) return;
    this.#kept = station;
    if (!this.#warmed.has(station)) void this.#keepWarm(station, 0, () => this.#isUsed(station));
  }

  #find(options: StationOptions): Station {
    const key = keyOf(options);
    const known = this.#stations.get(key);
    const station = known ?? new Station(options, this.#manner);
    station.usedAt = this.#clock.monotonic();
    // The last in a Map is the youngest.
    this.#stations.delete(key);
    this.#stations.set(key, station);
    if (known === undefined) this.#makeRoom();
    return station;
  }

  /** Learns the station's clock and keeps one connection from idling out. Whatever fails is told and tried again. */
  async #keepWarm(station: Station, delay: number, wanted: () => boolean): Promise<void> {
    const { signal } = this.#stop;
    let failed = false;
    this.#warmed.add(station);
    if (delay > 0) await this.#clock.sleep(delay, signal).catch(() => {});
    while (!signal.aborted && wanted()) {
      try {
        await warm(station, signal);
        failed = false;
      } catch (error) {
        if (signal.aborted) return;
        // Nobody waits for this: what was thrown here would end the process, and every login of it.
        if (!failed) this.#tell(reasonOf(error));
        failed = true;
      }
      await this.#clock.sleep(warmInterval(station), signal).catch(() => {});
    }
    this.#warmed.delete(station);
  }

  close(): void {
    this.#stop.abort();
    for (const station of this.#stations.values()) station.close();
    this.#stations.clear();
  }

  #isUsed(station: Station): boolean {
    if (station === this.#kept) return true;
    const kept = [...this.#stations.values()].includes(station);
    return kept && this.#clock.monotonic() - station.usedAt < UNUSED_MS;
  }

  #makeRoom(): void {
    for (const [key, station] of this.#stations) {
      if (this.#stations.size <= MAX_STATIONS) return;
      // One that is in use is forgotten too; its calls end as they would have.
      station.dropIdle();
      this.#stations.delete(key);
    }
  }
}

/** The message of an unforeseen error is not ours and could hold anything: only its kind is told. */
function reasonOf(error: unknown): string {
  if (error instanceof DuoError) return error.message;
  return `this host can't open a connection: ${error instanceof Error ? error.name : typeof error}`;
}

function warmInterval({ keepAliveHint }: Station): number {
  if (keepAliveHint === undefined) return WARM_MS;
  return Math.min(WARM_MS, Math.max(LEAST_WARM_MS, (keepAliveHint - 2) * 1000));
}

/** A digest, since a proxy's password is part of it. */
function keyOf({ host, port, proxy, trust, minTls = 'TLSv1.2' }: StationOptions): string {
  const parts = [
    host,
    port,
    proxy === undefined ? null : [proxy.host, proxy.port, proxy.authorization?.reveal() ?? null],
    trust,
    minTls,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
