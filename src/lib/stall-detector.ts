/**
 * Distinguishes a real timeout from one that expired while this process did not run. A process that was frozen, starved
 * or suspended finds its timers expired, although the peer may have answered long before.
 */
import type { Clock } from './clock.ts';

const TICK_MS = 100;
/** The lateness of a tick that a busy machine explains, in milliseconds. */
const USUAL_MS = 100;

/** One wait that is watched. */
export interface StallWatch {
  /** Milliseconds in which the process did not run since the wait began. */
  readonly lost: number;
  /** Call this at the end of the wait. */
  end(): void;
}

const detectors = new WeakMap<Clock, StallDetector>();

/** One per clock, and so one per process. It ticks once for all waits, and only while there is one. */
export class StallDetector {
  readonly #clock: Clock;
  #watches = 0;
  #ticking: AbortController | undefined;
  #last = 0;
  #lost = 0;

  private constructor(clock: Clock) {
    this.#clock = clock;
  }

  static of(clock: Clock): StallDetector {
    const known = detectors.get(clock);
    if (known !== undefined) return known;
    const detector = new StallDetector(clock);
    detectors.set(clock, detector);
    return detector;
  }

  watch(): StallWatch {
    this.#watches += 1;
    this.#ticking ??= this.#start();
    const total = () => this.#total();
    const release = () => this.#release();
    const before = total();
    let ended = false;
    return {
      get lost() {
        return total() - before;
      },
      end: () => {
        if (!ended) release();
        ended = true;
      },
    };
  }

  #release(): void {
    this.#watches -= 1;
    if (this.#watches > 0) return;
    this.#ticking?.abort();
    this.#ticking = undefined;
  }

  #start(): AbortController {
    const ticking = new AbortController();
    this.#last = this.#clock.monotonic();
    void this.#tick(ticking.signal);
    return ticking;
  }

  async #tick(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.#clock.sleep(TICK_MS, signal);
        this.#lost = this.#total();
        this.#last = this.#clock.monotonic();
      }
    } catch {
      // There are no waits left.
    }
  }

  /** Includes the gap since the last tick, before its timer has fired. */
  #total(): number {
    const late = this.#clock.monotonic() - this.#last - TICK_MS;
    return this.#lost + (late > USUAL_MS ? late : 0);
  }
}
