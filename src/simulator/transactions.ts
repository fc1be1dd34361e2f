/** Authentications in progress: the request, what the phone shows, and the result. */
import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { Clock } from '../lib/clock.ts';
import type { Factor, FactorKind } from './factors.ts';
import type { User } from './users.ts';
import type { Verification } from './verified-push.ts';

/** The details that the client sent. */
export interface Occasion {
  readonly username: string;
  readonly application: string;
  readonly ipaddr: string;
  readonly hostname: string;
  readonly pushinfo: Readonly<Record<string, string>>;
}

export interface State {
  readonly result: 'allow' | 'deny' | 'waiting';
  readonly status: string;
  readonly status_msg: string;
}

const PUSHED: State = {
  result: 'waiting',
  status: 'pushed',
  status_msg: 'Pushed a login request to your device...',
};
const ANSWERED: State = {
  result: 'waiting',
  status: 'answered',
  status_msg: "Answered. Press '#' on your phone to log in.",
};
const ALLOWED: State = { result: 'allow', status: 'allow', status_msg: 'Success. Logging you in...' };
const DENIED: State = { result: 'deny', status: 'deny', status_msg: 'Login request denied.' };
const FRAUD: State = { result: 'deny', status: 'fraud', status_msg: 'Login request reported as fraudulent.' };
const TIMED_OUT: State = { result: 'deny', status: 'timeout', status_msg: 'Login timed out.' };
const UNREACHABLE: State = {
  result: 'deny',
  status: 'push_failed',
  status_msg: 'Unable to send a push to your device.',
};

/** Milliseconds: the lifetime of a push, the time until a call is answered, and the limit of a long poll. */
const PUSH_LIFE_MS = 60_000;
const RING_MS = 2_000;
const PICK_UP_MS = 3_000;
export const LONG_POLL_MS = 30_000;

/** One authentication. Emits `change`. */
export class Transaction extends EventEmitter {
  readonly txid = randomUUID();
  readonly kind: FactorKind;
  readonly occasion: Occasion;
  /** The code of a Verified Push. */
  readonly code: string | undefined;
  #state: State;
  #seen: State | undefined;
  readonly #clock: Clock;
  readonly #over = new AbortController();

  constructor(factor: Factor, occasion: Occasion, clock: Clock, verification?: Verification) {
    super();
    this.setMaxListeners(0);
    this.kind = factor.kind;
    this.occasion = occasion;
    this.code = verification?.code;
    this.#clock = clock;
    this.#state = factor.kind === 'phone' ? calling(factor.device.name) : pushed(verification);
  }

  get state(): State {
    return this.#state;
  }

  get pending(): boolean {
    return this.#state.result === 'waiting';
  }

  /** Changes the state. A final state stays. */
  become(state: State): boolean {
    if (!this.pending) return false;
    this.#state = state;
    if (!this.pending) this.#over.abort();
    this.emit('change');
    return true;
  }

  approve(code?: string): boolean {
    if (this.code !== undefined && code !== this.code) return false;
    return this.become(ALLOWED);
  }

  deny(): boolean {
    return this.become(DENIED);
  }

  reportFraud(): boolean {
    return this.become(FRAUD);
  }

  /** Stops the phone's timers. */
  stop(): void {
    this.#over.abort();
  }

  /** Makes the phone act as its owner does. */
  start({ phone }: User): void {
    void this.#live(phone);
  }

  async #live(phone: User['phone']): Promise<void> {
    try {
      if (this.kind === 'phone' && phone !== 'unreachable') {
        await this.#clock.sleep(RING_MS, this.#over.signal);
        this.become(ANSWERED);
        await this.#clock.sleep(PICK_UP_MS, this.#over.signal);
      }
      if (phone === 'approve') this.approve(this.code);
      else if (phone === 'deny') this.deny();
      else if (phone === 'fraud') this.reportFraud();
      else if (phone === 'unreachable') this.become(UNREACHABLE);
      await this.#clock.sleep(PUSH_LIFE_MS, this.#over.signal);
      this.become(TIMED_OUT);
    } catch {
      // The state is final.
    }
  }

  /**
   * The state, as soon as it differs from the last one returned, and after LONG_POLL_MS at the latest. The
   * last one is returned again, because the reply may have been lost.
   */
  async news(): Promise<State> {
    if (this.#seen === this.#state && this.pending) {
      const waiting = new AbortController();
      const late = this.#clock
        .sleep(LONG_POLL_MS, AbortSignal.any([waiting.signal, this.#over.signal]))
        .catch(() => {});
      await Promise.race([once(this, 'change', { signal: waiting.signal }).catch(() => {}), late]);
      waiting.abort();
    }
    this.#seen = this.#state;
    return this.#state;
  }

  /** The result. */
  async end(): Promise<State> {
    while (this.pending) await once(this, 'change');
    return this.#state;
  }
}

function calling(number: string): State {
  return { result: 'waiting', status: 'calling', status_msg: `Dialing ${number}...` };
}

/** Only here a client without a menu of its own gets the code. */
function pushed(verification: Verification | undefined): State {
  if (verification?.told !== true) return PUSHED;
  const status_msg = `Pushed a login request to your device. Open Duo Mobile and enter verification code ${verification.code}.`;
  return { ...PUSHED, status_msg };
}
