/** Many logins in one process. Each connection is one login with its own state, deadline and cancellation. */
import type { Duplex } from 'node:stream';
import pLimit from 'p-limit';
import { Heartbeats } from '../bridge/heartbeat.ts';
import { serveLogin } from '../bridge/link.ts';
import type { Clock } from '../lib/clock.ts';
import { DuoCode, type Groups, type Login, Outcome, Priority, type Verdict } from '../login/messages.ts';
import { sentence } from '../policy/sentence.ts';
import { type CallerOptions, judgeFacts } from './caller.ts';
import { Limits } from './limits.ts';

/** Milliseconds for a caller to send FACTS, and to close the connection after its verdict. */
export const FACTS_MS = 5000;
export const LEAVE_MS = 5000;
/** The longest login, in milliseconds, whatever its deadline says. */
export const LOGIN_MS = 120_000;
/**
 * The number of concurrent look-ups of users' passwd entries and groups. Each takes one of libuv's threads for as long as the name
 * service needs, and root's logins need those for Duo's address.
 */
export const MAX_LOOKUPS = 2;
/**
 * The longest FACTS of a user, in bytes. Root's may have the protocol's limit, which takes half a second to read.
 */
export const MAX_FACTS = 131_072;
/**
 * Milliseconds between log lines about the same user, and the number of users in the log within that time. A user can
 * cause complaints at any rate.
 */
const QUIET_MS = 10_000;
const MAX_COMPLAINTS = 64;
/** The longest complaint, in characters. */
const MAX_COMPLAINT = 500;

export interface ServerOptions extends CallerOptions {
  readonly login: Login;
  readonly clock: Clock;
  readonly release: string;
  /** The groups of a uid. */
  readonly groupsOf: (uid: number) => Promise<Groups>;
  /** Forgets the remembered approvals of an account, or all; returns their number. */
  readonly forget: (user: string | undefined) => number;
  /** The engine's own log: one line, without secrets. */
  readonly log: (priority: Priority, text: string) => void;
}

export class ResidentServer {
  #options: ServerOptions;
  readonly #limits: Limits;
  readonly #heartbeats: Heartbeats;
  readonly #connections = new Set<Promise<void>>();
  /** The users in the log, and when. */
  readonly #complaints = new Map<number, number>();
  #draining = false;
  /** When the last connection ended, monotonic milliseconds. */
  #idleSince: number;

  constructor(options: ServerOptions) {
    const limit = pLimit(MAX_LOOKUPS);
    this.#options = {
      ...options,
      accountOf: (uid) => limit(options.accountOf, uid),
      groupsOf: (uid) => limit(options.groupsOf, uid),
    };
    this.#limits = new Limits(options.clock);
    this.#heartbeats = new Heartbeats(options.clock);
    this.#idleSince = options.clock.monotonic();
  }

  /** For new logins. */
  reconfigure(files: Pick<ServerOptions, 'settings' | 'config'>): void {
    this.#options = { ...this.#options, ...files };
  }

  /** Milliseconds since the last connection ended; 0 while there is one. */
  get idleFor(): number {
    return this.#connections.size > 0 ? 0 : this.#options.clock.monotonic() - this.#idleSince;
  }

  /** Milliseconds after which it may end; 0: never. */
  get idleMs(): number {
    return this.#options.settings.idleMs;
  }

  /** How many connections are open. */
  get inFlight(): number {
    return this.#connections.size;
  }

  /** Serves one connection of the user `uid`, as reported by the kernel. */
  accept(socket: Duplex, uid: number): void {
    if (this.#draining) {
      hangUp(socket);
      return;
    }
    const admission = this.#limits.admit(uid);
    if (admission.kind === 'dropped') {
      this.#complain(uid, `a connection of uid ${uid} is dropped: ${admission.error}`);
      hangUp(socket);
      return;
    }
    const login = admission.kind === 'admitted' ? this.#login(uid) : this.#refusal(uid, admission.error);
    const served = this.#serve(socket, login, uid).finally(() => {
      admission.leave();
      this.#connections.delete(served);
      this.#idleSince = this.#options.clock.monotonic();
    });
    this.#connections.add(served);
  }

  /**
   * From now on closes new connections at once, so that callers find another engine. Resolves when every login in
   * progress has ended.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    while (this.#connections.size > 0) await Promise.allSettled(this.#connections);
  }

  async #serve(socket: Duplex, login: Login, uid: number): Promise<void> {
    const { clock, release } = this.#options;
    const closed = Promise.withResolvers<void>();
    socket.once('close', () => closed.resolve());
    await serveLogin(socket, login, {
      clock,
      release,
      heartbeats: this.#heartbeats,
      factsWithin: FACTS_MS,
      maxDeadline: LOGIN_MS,
      ...(uid === 0 ? { forget: this.#options.forget } : { maxFacts: MAX_FACTS }),
    });
    if (socket.closed) return;
    const timer = new AbortController();
    clock.sleep(LEAVE_MS, timer.signal).then(
      () => socket.destroy(),
      () => {},
    );
    await closed.promise;
    timer.abort();
  }

  #complain(uid: number, text: string): void {
    const now = this.#options.clock.monotonic();
    for (const [other, at] of this.#complaints) if (now - at >= QUIET_MS) this.#complaints.delete(other);
    if (this.#complaints.has(uid) || this.#complaints.size >= MAX_COMPLAINTS) return;
    this.#complaints.set(uid, now);
    this.#options.log(Priority.warning, text.slice(0, MAX_COMPLAINT));
  }

  #login(uid: number): Login {
    return async (facts, context) => {
      const judged = await judgeFacts(facts, uid, this.#options);
      if (!judged.ok) return this.#refusal(uid, judged.error)(facts, context);
      // The name service's time counts for the login, and must not look like Duo's absence.
      context.signal.throwIfAborted();
      // Users other than root could send any groups.
      const groupsOf = () => {
        context.noGroups();
        return this.#options.groupsOf(uid);
      };
      return this.#options.login(judged.facts, uid === 0 ? context : { ...context, groupsOf });
    };
  }

  #refusal(uid: number, error: string): Login {
    return async ({ user, service }, context): Promise<Verdict> => {
      this.#complain(uid, sentence(`uid ${uid}, service ${service} is refused: ${error}`));
      context.log(Priority.error, sentence('Error in Duo login', { user, error }));
      return { outcome: Outcome.serviceError, code: DuoCode.libError, error };
    };
  }
}

function hangUp(socket: Duplex): void {
  socket.on('error', () => {});
  socket.destroy();
}
