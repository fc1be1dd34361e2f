/**
 * How long this process was kept from running. Whoever calls a setuid host may stop what it starts for a while (with a
 * cgroup of their own, or by keeping every processor busy): waits then run out though the other side was quick.
 */
import type { Clock } from './clock.ts';

const TICK_MS = 100;
/** What a busy machine takes from anybody. */
const USUAL_MS = 100;

export class Awake {
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #last: number;
  #lost = 0;

  /** Watches until stop(). */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = clock.monotonic();
    void this.#watch();
  }

  /** Milliseconds so far in which this process stood still. */
  get lost(): number {
    return this.#lost + this.#gap();
  }

  stop(): void {
    this.#stop.abort();
  }

  #gap(): number {
    const late = this.#clock.monotonic() - this.#last - TICK_MS;
    return late > USUAL_MS ? late : 0;
  }

  async #watch(): Promise<void> {
    try {
      for (;;) {
        await this.#clock.sleep(TICK_MS, this.#stop.signal);
        this.#lost += this.#gap();
        this.#last = this.#clock.monotonic();
      }
    } catch {
      // Stopped.
    }
  }
}
