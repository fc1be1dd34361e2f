/**
 * One service: its connections and its clock offset. A private engine has one for its login; a resident engine shares
 * one among all logins with the same service and trust (see service-cache.ts). It keeps nothing of a login.
 */
import { createSecureContext } from 'node:tls';
import type { Clock } from '../lib/clock.ts';
import { plainResolver, type Resolver } from './addresses.ts';
import type { Endpoint } from './connect.ts';
import { Connection } from './exchange.ts';
import type { HttpProxy } from './proxy.ts';
import type { Trust } from './trust.ts';

export interface DuoServiceOptions {
  /** API host name, without a port. */
  readonly host: string;
  readonly port: number;
  readonly trust: Trust;
  readonly proxy?: HttpProxy;
  /** The lowest TLS version; TLSv1.2 by default. */
  readonly minTls?: 'TLSv1.2' | 'TLSv1.3';
  readonly clock: Clock;
}

export interface CachePolicy {
  /** Milliseconds for which an idle connection is kept. */
  readonly idleMs: number;
  /** Milliseconds for which a measured clock offset is valid. */
  readonly offsetMs: number;
  /** By default the name is looked up each time. */
  readonly resolver?: Resolver;
}

/**
 * For one login: idle times are shorter than those of servers and gateways, and each attempt measures the clock offset.
 */
const FOR_ONE_LOGIN: CachePolicy = { idleMs: 15_000, offsetMs: 0 };

/** Largest step of the system clock, in milliseconds, before the measured offset is discarded. */
const STEP_MS = 1000;

interface Offset {
  readonly ms: number;
  /** When it was measured, monotonic. */
  readonly at: number;
  /** The system clock minus the monotonic clock: changes when the system clock is set. */
  readonly base: number;
}

export class DuoService {
  readonly endpoint: Endpoint;
  /** When a login last used it, monotonic milliseconds. */
  usedAt: number;
  /** The service's announced limit for idle connections, in seconds; undefined when unknown. */
  keepAliveHint: number | undefined;
  readonly #policy: CachePolicy;
  /** Idle connections, most recently used last. */
  #idle: Connection[] = [];
  readonly #busy = new Set<Connection>();
  #offset: Offset | undefined;

  constructor(options: DuoServiceOptions, policy: CachePolicy = FOR_ONE_LOGIN) {
    const { host, port, trust, proxy, minTls = 'TLSv1.2', clock } = options;
    this.#policy = policy;
    this.usedAt = clock.monotonic();
    this.endpoint = {
      host,
      port,
      proxy,
      context: createSecureContext({
        // An empty list keeps Node from loading its own authorities, which are not trusted here.
        ca: trust.kind === 'authorities' ? [...trust.pem] : [],
        minVersion: minTls,
      }),
      trust,
      clock,
      resolver: policy.resolver ?? plainResolver(clock),
    };
  }

  /** Duo's clock minus ours, in milliseconds; 0 when it is not known. */
  get offset(): number {
    return this.#offset?.ms ?? 0;
  }

  /** True when the offset was measured recently and the system clock was not set since. */
  get offsetIsRecent(): boolean {
    const { clock } = this.endpoint;
    if (this.#offset === undefined) return false;
    const { at, base } = this.#offset;
    const now = clock.monotonic();
    return now - at < this.#policy.offsetMs && Math.abs(clock.now() - now - base) < STEP_MS;
  }

  /** @param time Duo's clock, in milliseconds since 1970 */
  setTime(time: number): void {
    const { clock } = this.endpoint;
    const now = clock.now();
    const at = clock.monotonic();
    this.#offset = { ms: time - now, at, base: now - at };
  }

  /** @param header the value of a reply's Keep-Alive */
  noteKeepAlive(header: string | undefined): void {
    const seconds = /(?:^|[\s,])timeout=(\d{1,6})/i.exec(header ?? '')?.[1];
    this.keepAliveHint = seconds === undefined ? undefined : Number(seconds);
  }

  /** The most recently used idle connection that is still open, or a new one. The caller must release it. */
  acquire(): Connection {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.connected) return this.#markBusy(connection);
      connection.destroy();
    }
    return this.open();
  }

  /** A new connection, not opened yet. The caller must release it. */
  open(): Connection {
    return this.#markBusy(new Connection(this.endpoint, this.#policy.idleMs));
  }

  release(connection: Connection): void {
    this.#idle = this.#idle.filter((other) => {
      if (!other.connected) other.destroy();
      return other.connected;
    });
    if (this.#busy.delete(connection)) this.#idle.push(connection);
    else connection.destroy();
  }

  /** One idle connection was dead: close the others too. */
  dropIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  /** How many connections wait for a call. */
  get idleCount(): number {
    return this.#idle.filter(({ connected }) => connected).length;
  }

  /** How many calls are in progress. */
  get busyCount(): number {
    return this.#busy.size;
  }

  close(): void {
    this.dropIdle();
    for (const connection of this.#busy) connection.destroy();
    this.#busy.clear();
  }

  #markBusy(connection: Connection): Connection {
    this.#busy.add(connection);
    return connection;
  }
}
