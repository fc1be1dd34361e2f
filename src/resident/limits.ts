/** How many logins may be under way, and how often a user may begin one. */
import type { Clock } from '../lib/clock.ts';

/** Root's logins at once: what a process can carry, not what a host needs. */
export const MAX_ROOT = 1024;
/** Everybody else's at once, all together and each. */
export const MAX_OTHERS = 64;
export const MAX_EACH = 4;
/**
 * A user may begin so many logins at once, and then one more whenever so many milliseconds have passed; and be told as often
 * that he may not: to read what he says takes time too.
 */
export const BURST = 10;
export const REFILL_MS = 6000;

/** `admitted`: call `leave` once when it is over. `refused`: why, for whoever calls. `dropped`: no word is wasted. */
export type Admission =
  | { readonly kind: 'admitted'; readonly leave: () => void }
  | { readonly kind: 'refused'; readonly error: string; readonly leave: () => void }
  | { readonly kind: 'dropped'; readonly error: string };

interface User {
  inFlight: number;
  tokens: number;
  /** How often he may be refused in words. */
  words: number;
  /** When the tokens were counted; monotonic. */
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

  /** Judges one more connection of this user's. */
  admit(uid: number): Admission {
    return uid === 0 ? this.#admitRoot() : this.#admitOther(uid);
  }

  #admitRoot(): Admission {
    // Hung up on, root's host takes a private engine.
    if (this.#root >= MAX_ROOT) return { kind: 'dropped', error: `${MAX_ROOT} logins are under way` };
    this.#root += 1;
    return {
      kind: 'admitted',
      leave: once(() => {
        this.#root -= 1;
      }),
    };
  }

  #admitOther(uid: number): Admission {
    // A refusal takes a connection too, for a moment.
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
    if (before.own >= MAX_EACH) return refused(`uid ${uid} has ${MAX_EACH} logins under way`);
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

  /** Users who could not be told from new ones. */
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
