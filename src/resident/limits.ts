/** How many logins may be in progress, and how often a user may begin one. */
import type { Clock } from '../lib/clock.ts';

/** The limit for root's logins at once: what a process can carry. */
export const MAX_ROOT = 1024;
/** The limits for all other users together, and for each. */
export const MAX_OTHERS = 64;
export const MAX_EACH = 4;
/**
 * A user may begin this many logins at once, then one more after each interval. Refusals with a message have the same
 * limit, because reading a request takes time too.
 */
export const BURST = 10;
export const REFILL_MS = 6000;

/** `admitted`: call `leave` once at the end. `refused`: with a reason for the caller. `dropped`: without a message. */
export type Admission =
  | { readonly kind: 'admitted'; readonly leave: () => void }
  | { readonly kind: 'refused'; readonly error: string; readonly leave: () => void }
  | { readonly kind: 'dropped'; readonly error: string };

interface User {
  inFlight: number;
  tokens: number;
  /** How many refusals with a message are left. */
  words: number;
  /** When the tokens were last counted, monotonic. */
  at: number;
}

export class Limits {
  readonly #clock: Clock;
  readonly #users = new Map<number, User>();
  #root = 0;
  #others = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Decides about one more connection of this user. */
  admit(uid: number): Admission {
    return uid === 0 ? this.#admitRoot() : this.#admitOther(uid);
  }

  #admitRoot(): Admission {
    // After a dropped connection, root's PAM application starts a private engine.
    if (this.#root >= MAX_ROOT) return { kind: 'dropped', error: `${MAX_ROOT} logins are in progress` };
    this.#root += 1;
    return {
      kind: 'admitted',
      leave: once(() => {
        this.#root -= 1;
      }),
    };
  }

  #admitOther(uid: number): Admission {
    // A refusal also uses a connection for a moment.
    if (this.#others >= 2 * MAX_OTHERS) {
      return { kind: 'dropped', error: `${2 * MAX_OTHERS} connections of users are open` };
    }
    const user = this.#user(uid);
    const before = { all: this.#others, own: user.inFlight };
    this.#others += 1;
    user.inFlight += 1;
    const leave = once(() => {
      this.#others -= 1;
      user.inFlight -= 1;
    });
    const dropped = (error: string): Admission => {
      leave();
      return { kind: 'dropped', error };
    };
    const refused = (error: string): Admission => {
      if (user.words < 1) return dropped(error);
      user.words -= 1;
      return { kind: 'refused', error, leave };
    };
    if (before.all >= MAX_OTHERS) return refused('too many users log in at once');
    if (before.own >= 2 * MAX_EACH) return dropped(`uid ${uid} has ${before.own} connections`);
    if (before.own >= MAX_EACH) return refused(`uid ${uid} has ${MAX_EACH} logins in progress`);
    if (user.tokens < 1) return refused(`uid ${uid} logs in too often`);
    user.tokens -= 1;
    return { kind: 'admitted', leave };
  }

  #user(uid: number): User {
    const now = this.#clock.monotonic();
    this.#forget(now);
    const user = this.#users.get(uid) ?? { inFlight: 0, tokens: BURST, words: BURST, at: now };
    this.#users.set(uid, user);
    refill(user, now);
    return user;
  }

  /** Users with full limits need no entry. */
  #forget(now: number): void {
    for (const [uid, user] of this.#users) {
      refill(user, now);
      if (user.inFlight === 0 && user.tokens >= BURST && user.words >= BURST) this.#users.delete(uid);
    }
  }
}

function refill(user: User, now: number): void {
  const more = (now - user.at) / REFILL_MS;
  user.tokens = Math.min(BURST, user.tokens + more);
  user.words = Math.min(BURST, user.words + more);
  user.at = now;
}

function once(leave: () => void): () => void {
  let left = false;
  return () => {
    if (!left) leave();
    left = true;
  };
}
