/**
 * One service as it is known here: connections to it, and how far its clock is from ours. A private engine has one for
 * its login; a resident engine shares one among all logins that name the same service and trust it in the same way
 * (see service-cache.ts). Nothing of a login is kept in it.
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
  /** The lowest version of TLS that is spoken; TLSv1.2 unless given. */
  readonly minTls?: 'TLSv1.2' | 'TLSv1.3';
  readonly clock: Clock;
}

export interface CachePolicy {
  /** Milliseconds for which an idle connection is kept. */
  readonly idleMs: number;
  /** Milliseconds for which Duo's clock needs no other look. */
  readonly offsetMs: number;
  /** Looks names up each time, unless given. */
  readonly resolver?: Resolver;
}

/** For one login: less idle time than servers and gateways in between allow, and each try looks at Duo's clock. */
const FOR_ONE_LOGIN: CachePolicy = { idleMs: 15_000, offsetMs: 0 };

/** Milliseconds by which our clock and time itself may part before the offset is no longer believed. */
const STEP_MS = 1000;

interface Offset {
  readonly ms: number;
  /** When it was measured, monotonic. */
  readonly at: number;
  /** Our clock minus the monotonic one: changes when somebody sets our clock. */
  readonly base: number;
}

export class DuoService {
  readonly endpoint: Endpoint;
  /** When a login last used it, monotonic milliseconds. */
  usedAt: number;
  /** Seconds for which the service says that it keeps an idle connection; undefined: it does not say. */
  keepAliveHint: number | undefined;
  readonly #policy: CachePolicy;
  /** Connections that nobody uses, the one used last at the end. */
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
        // An empty list spares Node the reading of its own authorities, which nothing here trusts.
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

  /** True when the offset was measured a short while ago and nobody has set our clock since. */
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

  /** The connection that was used last and still has its connection, else a new one. To be given back. */
  acquire(): Connection {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.connected) return this.#markBusy(connection);
      connection.destroy();
    }
    return this.open();
  }

  /** A new connection, without a connection yet. To be given back. */
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

  /** A connection that was thought alive was not: the idle ones are no better. */
  dropIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  /** How many connections wait for a call. */
  get idleCount(): number {
    return this.#idle.filter(({ connected }) => connected).length;
  }

  /** How many calls are under way. */
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
