/** Many logins in one process: each connection is one, with its own state, deadline and cancellation. */
import type { Duplex } from 'node:stream';
import { serveLogin } from '../bridge/link.ts';
import { DuoCode, type Login, Outcome, Priority, type Verdict } from '../bridge/messages.ts';
import type { Clock } from '../lib/clock.ts';
import { sentence } from '../policy/sentence.ts';
import { type CallerOptions, judgeFacts } from './caller.ts';
import { Limits } from './limits.ts';

/** Milliseconds for a host to say what it wants, and to hang up when it has its verdict. */
export const FACTS_MS = 5000;
export const LEAVE_MS = 5000;
/** The longest login, in milliseconds, whatever its host says. */
export const LOGIN_MS = 120_000;
/** Milliseconds for which the same complaint is not written again: whoever causes it may do so all the time. */
const QUIET_MS = 10_000;

export interface ServerOptions extends CallerOptions {
  readonly login: Login;
  readonly clock: Clock;
  readonly release: string;
  /** The engine's own log: one line, without secrets. */
  readonly log: (priority: Priority, text: string) => void;
}

export class ResidentServer {
  readonly #options: ServerOptions;
  readonly #limits: Limits;
  readonly #connections = new Set<Promise<void>>();
  #complaint = { text: '', at: 0 };
  #draining = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#limits = new Limits(options.clock);
  }

  /** How many connections are open. */
  get inFlight(): number {
    return this.#connections.size;
  }

  /** Serves one connection of the user `uid`, which the kernel named. */
  accept(socket: Duplex, uid: number): void {
    if (this.#draining) {
      hangUp(socket);
      return;
    }
    const admission = this.#limits.admit(uid);
    if (admission.kind === 'dropped') {
      this.#complain(`a connection of uid ${uid} is dropped: ${admission.error}`);
      hangUp(socket);
      return;
    }
    const login = admission.kind === 'admitted' ? this.#login(uid) : this.#refusal(uid, admission.error);
    const served = this.#serve(socket, login).finally(() => {
      admission.leave();
      this.#connections.delete(served);
    });
    this.#connections.add(served);
  }

  /**
   * From now on hangs up on whoever comes, so that he need not wait to find another engine. Resolves when every login that
   * is under way has ended.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    while (this.#connections.size > 0) await Promise.allSettled(this.#connections);
  }

  async #serve(socket: Duplex, login: Login): Promise<void> {
    const { clock, release } = this.#options;
    const closed = Promise.withResolvers<void>();
    socket.once('close', () => closed.resolve());
    await serveLogin(socket, login, { clock, release, factsWithin: FACTS_MS, maxDeadline: LOGIN_MS });
    if (socket.closed) return;
    const timer = new AbortController();
    clock.sleep(LEAVE_MS, timer.signal).then(
      () => socket.destroy(),
      () => {},
    );
    await closed.promise;
    timer.abort();
  }

  #complain(text: string): void {
    const now = this.#options.clock.monotonic();
    if (text === this.#complaint.text && now - this.#complaint.at < QUIET_MS) return;
    this.#complaint = { text, at: now };
    this.#options.log(Priority.warning, text);
  }

  #login(uid: number): Login {
    return async (facts, host) => {
      const judged = await judgeFacts(facts, uid, this.#options);
      if (judged.ok) return this.#options.login(judged.facts, host);
      return this.#refusal(uid, judged.error)(facts, host);
    };
  }

  #refusal(uid: number, error: string): Login {
    return async ({ user, service }, host): Promise<Verdict> => {
      this.#complain(sentence(`uid ${uid}, service ${service} is refused: ${error}`));
      host.log(Priority.error, sentence('Error in Duo login', { user, error }));
      return { outcome: Outcome.serviceError, code: DuoCode.libError, stage: 'engine', error };
    };
  }
}

function hangUp(socket: Duplex): void {
  socket.on('error', () => {});
  socket.destroy();
}
