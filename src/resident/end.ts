/**
 * When a resident engine must end. An unforeseen error is one reason, because it may have left invalid state; the
 * logins in progress still end normally, and systemd starts the next engine.
 */
import type { EventEmitter } from 'node:events';
import { Priority } from '../login/messages.ts';

export interface End {
  /** A signal, or `unforeseen error`. */
  readonly reason: string;
  readonly failed: boolean;
}

/** The same error may occur repeatedly until the end. */
const MOST = 10;

/**
 * Resolves at SIGTERM, SIGINT, or the first uncaught error or rejection. From then on none of them ends the process by
 * itself.
 * @param log receives the error's kind and place
 */
export function awaitEnd(
  process: EventEmitter,
  log: (priority: Priority, text: string) => void,
): Promise<End> {
  const { promise, resolve } = Promise.withResolvers<End>();
  const told = new Set<string>();
  for (const reason of ['SIGTERM', 'SIGINT']) process.once(reason, () => resolve({ reason, failed: false }));
  process.on('uncaughtException', (error: unknown) => {
    const text = `unforeseen error: ${describe(error)}`;
    if (told.size < MOST && !told.has(text)) log(Priority.error, text);
    told.add(text);
    resolve({ reason: 'unforeseen error', failed: true });
  });
  return promise;
}

/** The error's kind and where it was thrown. Its message could hold anything. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const place = (error.stack ?? '')
    .replace(error.message, '')
    .split('\n')
    .find((line) => /^\s+at /.test(line));
  return `${error.name}${place === undefined ? '' : ` ${place.trim()}`}`;
}
