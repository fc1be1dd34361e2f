/** The approvals that a resident engine remembers, in its memory alone: `remember` of pam_duo.conf. */
import type { Clock } from '../lib/clock.ts';

/** More than the sessions of a big host; the oldest is forgotten first. */
const MAX_APPROVALS = 10_000;

interface Approval {
  readonly user: string;
  /** When Duo approved, monotonic milliseconds, and since 1970. */
  readonly at: number;
  readonly date: number;
}

export class Approvals {
  readonly #clock: Clock;
  readonly #approvals = new Map<string, Approval>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds since the approval; undefined: there is none within that time. */
  age(binding: string, within: number): number | undefined {
    const approval = this.#approvals.get(binding);
    if (approval === undefined) return undefined;
    // The monotonic clock stands still while the machine is suspended, and the other one can be set back.
    const age = Math.max(this.#clock.monotonic() - approval.at, this.#clock.now() - approval.date);
    return age < within ? age : undefined;
  }

  /** Remembers an approval of Duo's, which replaces an earlier one. */
  add(binding: string, user: string): void {
    this.#approvals.delete(binding);
    this.#approvals.set(binding, { user, at: this.#clock.monotonic(), date: this.#clock.now() });
    for (const oldest of this.#approvals.keys()) {
      if (this.#approvals.size <= MAX_APPROVALS) break;
      this.#approvals.delete(oldest);
    }
  }

  /** Forgets the approvals of an account, or all. Returns how many there were, old ones included. */
  forget(user?: string): number {
    const gone = [...this.#approvals].filter(([, approval]) => user === undefined || approval.user === user);
    for (const [binding] of gone) this.#approvals.delete(binding);
    return gone.length;
  }
}
