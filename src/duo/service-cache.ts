/** The services that the logins of a resident engine share, one for each service and trust. */
import { createHash } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { MemoryResolver } from './addresses.ts';
import { DuoError } from './errors.ts';
import { ping } from './ping.ts';
import { type CachePolicy, DuoService, type DuoServiceOptions } from './service.ts';

/** Below the 60 seconds of idle time that servers and gateways commonly allow. */
const IDLE_MS = 50_000;
/** How often one connection of a service is used to keep it open. */
const PING_INTERVAL_MS = 25_000;
const LEAST_INTERVAL_MS = 3000;
/** A service without logins for this long is no longer kept connected. */
const UNUSED_MS = 600_000;
/** A clock that drifts by a second in this time is broken; error 40105 corrects it too. */
const OFFSET_MS = 600_000;
/** Only root names services. More than this is misuse, and the oldest is removed. */
const MAX_SERVICES = 64;

export class ServiceCache {
  readonly #clock: Clock;
  readonly #services = new Map<string, DuoService>();
  readonly #policy: CachePolicy;
  readonly #tell: (problem: string) => void;
  readonly #keptConnected = new Set<DuoService>();
  readonly #stop = new AbortController();
  /** The service that always has a connection. */
  #preconnected: DuoService | undefined;

  /** @param tell receives the reason, once, when a connection cannot be kept open */
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

  /** The shared service: host, port, proxy, trust and lowest TLS version are the same. */
  service(options: DuoServiceOptions): DuoService {
    const service = this.#find(options);
    // The requesting login opens the first connection itself.
    if (!this.#keptConnected.has(service))
      void this.#keepConnected(service, PING_INTERVAL_MS, () => this.#isUsed(service));
    return service;
  }

  /** Opens a connection to this service now, and keeps one open until another service is set here. */
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

  /** Measures the service's clock and keeps one connection open. Failures are reported and retried. */
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
        // An exception here would end the process and all its logins.
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
      // A service in use can be removed too; its calls continue.
      service.dropIdle();
      this.#services.delete(key);
    }
  }
}

/** An unforeseen error's message could hold anything, so only its kind is logged. */
function reasonOf(error: unknown): string {
  if (error instanceof DuoError) return error.message;
  return `this host can't open a connection: ${error instanceof Error ? error.name : typeof error}`;
}

function pingInterval({ keepAliveHint }: DuoService): number {
  if (keepAliveHint === undefined) return PING_INTERVAL_MS;
  return Math.min(PING_INTERVAL_MS, Math.max(LEAST_INTERVAL_MS, (keepAliveHint - 2) * 1000));
}

/** A digest, because the key includes the proxy's password. */
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
