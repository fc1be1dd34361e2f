/** When a resident engine has been idle for so long that it may end; the next connection starts another. */
import type { Clock } from '../lib/clock.ts';

/** Milliseconds between checks of a busy engine, or of one whose idle time has changed. */
const LOOK_MS = 30_000;

export interface IdleServer {
  /** Milliseconds since the last connection ended; 0 while there is one. */
  readonly idleFor: number;
  /** Milliseconds after which the engine may end; 0: never. */
  readonly idleMs: number;
}

/**
 * Waits until the server has been idle for its time, and calls `stopAccepting` in the same turn of the event loop, so
 * that nothing is accepted in between.
 * @throws the signal's reason
 */
export async function awaitIdle(
  server: IdleServer,
  clock: Clock,
  signal: AbortSignal,
  stopAccepting: () => void,
): Promise<void> {
  for (;;) {
    const { idleFor, idleMs } = server;
    if (idleMs > 0 && idleFor >= idleMs) return stopAccepting();
    const left = idleMs > 0 ? idleMs - idleFor : LOOK_MS;
    // A timer may fire slightly early.
    await clock.sleep(Math.min(LOOK_MS, Math.ceil(left) + 1), signal);
  }
}
