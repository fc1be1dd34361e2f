/** What the logins of a resident engine share: one service for each service that they name and the way they trust it. */
import { createHash } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { MemoryResolver } from './addresses.ts';
import { DuoError } from './errors.ts';
import { ping } from './ping.ts';
import { type CachePolicy, DuoService, type DuoServiceOptions } from './service.ts';

/** Idle time that servers and gateways commonly allow is 60 seconds. */
const IDLE_MS = 50_000;
/** How often one connection of a service is used, so that it never idles out. */
const PING_INTERVAL_MS = 25_000;
const LEAST_INTERVAL_MS = 3000;
/** A service that no login has used for so long is left to cool. */
const UNUSED_MS = 600_000;
/** Clocks that drift a second in this time are broken; 40105 corrects them too. */
const OFFSET_MS = 600_000;
/** Only root names services: a process that serves so many is misused, and forgets the oldest. */
const MAX_SERVICES = 64;

export class ServiceCache {
  readonly #clock: Clock;
  readonly #services = new Map<string, DuoService>();
  readonly #policy: CachePolicy;
  readonly #tell: (problem: string) => void;
  readonly #keptConnected = new Set<DuoService>();
  readonly #stop = new AbortController();
  /** The one that always has a connection. */
  #preconnected: DuoService | undefined;

  /** @param tell is told, once, why a connection can't be kept */
  constructor(clock: Clock, tell: (problem: string) => void, policy: Partial<CachePolicy> = {}) {
    this.#clock = clock;
    this.#tell = tell;
    this.#policy = {
      idleMs: IDLE_MS,
      offsetMs: OFFSET_MS,
      resolver: new MemoryResolver(clock),
      ...policy,
    };
  }

  /** The service for this service, host, port, proxy, trust and lowest version of TLS being the same. */
  service(options: DuoServiceOptions): DuoService {
    const service = this.#find(options);
    // The login that asks for it opens the first connection itself.
    if (!this.#keptConnected.has(service))
      void this.#keepConnected(service, PING_INTERVAL_MS, () => this.#isUsed(service));
    return service;
  }

  /** Opens a connection to this service now, and keeps one until another service is named here. */
  preconnect(options: DuoServiceOptions): void {
    const service = this.#find(options);
    if (service === this.#preconnected) return;
    this.#preconnected = service;
    if (!this.#keptConnected.has(service)) void this.#keepConnected(service, 0, () => this.#isUsed(service));
  }

  #find(options: DuoServiceOptions): DuoService {
    const key = keyOf(options);
    const known = this.#services.get(key);
    const service = known ?? new DuoService(options, this.#policy);
    service.usedAt = this.#clock.monotonic();
    // The last in a Map is the youngest.
    this.#services.delete(key);
    this.#services.set(key, service);
    if (known === undefined) this.#makeRoom();
    return service;
  }

  /** Learns the service's clock and keeps one connection from idling out. Whatever fails is told and tried again. */
  async #keepConnected(service: DuoService, delay: number, wanted: () => boolean): Promise<void> {
    const { signal } = this.#stop;
    let failed = false;
    this.#keptConnected.add(service);
    if (delay > 0) await this.#clock.sleep(delay, signal).catch(() => {});
    while (!signal.aborted && wanted()) {
      try {
        await ping(service, signal);
        failed = false;
      } catch (error) {
        if (signal.aborted) return;
        // Nobody waits for this: what was thrown here would end the process, and every login of it.
        if (!failed) this.#tell(reasonOf(error));
        failed = true;
      }
      await this.#clock.sleep(pingInterval(service), signal).catch(() => {});
    }
    this.#keptConnected.delete(service);
  }

  close(): void {
    this.#stop.abort();
    for (const service of this.#services.values()) service.close();
    this.#services.clear();
  }

  #isUsed(service: DuoService): boolean {
    if (service === this.#preconnected) return true;
    const kept = [...this.#services.values()].includes(service);
    return kept && this.#clock.monotonic() - service.usedAt < UNUSED_MS;
  }

  #makeRoom(): void {
    for (const [key, service] of this.#services) {
      if (this.#services.size <= MAX_SERVICES) return;
      // One that is in use is forgotten too; its calls end as they would have.
      service.dropIdle();
      this.#services.delete(key);
    }
  }
}

/** The message of an unforeseen error is not ours and could hold anything: only its kind is told. */
function reasonOf(error: unknown): string {
  if (error instanceof DuoError) return error.message;
  return `this host can't open a connection: ${error instanceof Error ? error.name : typeof error}`;
}

function pingInterval({ keepAliveHint }: DuoService): number {
  if (keepAliveHint === undefined) return PING_INTERVAL_MS;
  return Math.min(PING_INTERVAL_MS, Math.max(LEAST_INTERVAL_MS, (keepAliveHint - 2) * 1000));
}

/** A digest, since a proxy's password is part of it. */
function keyOf({ host, port, proxy, trust, minTls = 'TLSv1.2' }: DuoServiceOptions): string {
  const parts = [
    host,
    port,
    proxy === undefined ? null : [proxy.host, proxy.port, proxy.authorization?.reveal() ?? null],
    trust,
    minTls,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
