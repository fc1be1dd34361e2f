/** The heartbeats of all logins in this process, by one timer, to save memory with many waiting logins. */
import type { Clock } from '../lib/clock.ts';

const BEAT_MS = 1000;

export class Heartbeats {
  readonly #clock: Clock;
  readonly #beats = new Set<() => void>();
  #rest = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `beat` every second until the returned function is called. */
  start(beat: () => void): () => void {
    this.#beats.add(beat);
    if (this.#beats.size === 1) void this.#run();
    return () => {
      if (this.#beats.delete(beat) && this.#beats.size === 0) this.#rest.abort();
    };
  }

  async #run(): Promise<void> {
    this.#rest = new AbortController();
    const { signal } = this.#rest;
    try {
      for (;;) {
        await this.#clock.sleep(BEAT_MS, signal);
        for (const beat of this.#beats) beat();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
