/** When a resident engine has had nothing to do for so long that it may end, where the next connection starts another. */
import type { Clock } from '../lib/clock.ts';

/** Milliseconds after which a busy engine, or one whose idle time has changed, is looked at again. */
const LOOK_MS = 30_000;

export interface IdleServer {
  /** Milliseconds since the last connection ended; 0 while there is one. */
  readonly idleFor: number;
  /** Milliseconds after which the engine may end; 0: never. */
  readonly idleMs: number;
}

/**
 * Waits until the server has been idle for its time, and calls `stopAccepting` in the same turn of the event loop: nothing
 * is accepted between the decision and the call.
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
    // A timer may go off a little early.
    await clock.sleep(Math.min(LOOK_MS, Math.ceil(left) + 1), signal);
  }
}
