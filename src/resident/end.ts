/**
 * When a resident engine is to end. An error that nobody foresaw is one reason: who knows what it left behind? But many
 * share this process, so those who are under way end well, and the next engine begins with a clean slate.
 */
import type { EventEmitter } from 'node:events';
import { Priority } from '../login/messages.ts';

export interface End {
  /** A signal, or `unforeseen error`. */
  readonly reason: string;
  readonly failed: boolean;
}

/** An error may come again and again until the end. */
const MOST = 10;

/**
 * Resolves at SIGTERM, at SIGINT and at the first error that nobody caught, a promise's included. From then on none of them
 * ends the process by itself.
 * @param log for errors: what kind, and where
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

/** The error's kind and where it was thrown. Its message is not ours and could hold anything. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const place = (error.stack ?? '')
    .replace(error.message, '')
    .split('\n')
    .find((line) => /^\s+at /.test(line));
  return `${error.name}${place === undefined ? '' : ` ${place.trim()}`}`;
}
