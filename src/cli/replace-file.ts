/** Reads and replaces the system's configuration files. Texts are bytes: each character is one (latin1). */
import {
  chmodSync,
  chownSync,
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createTwoFilesPatch } from 'diff';

/** Why nothing was changed, as a sentence. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

/** The text of a file; undefined when there is none. */
export function readText(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'latin1') : undefined;
}

/** Replaces a file in one step, with its owner and mode. A new file is root's. */
export function replaceFile(path: string, text: string, newMode = 0o600): void {
  const target = existsSync(path) ? realpathSync(path) : path;
  const next = `${target}.duo-ts-new`;
  writeFileSync(next, text, { mode: 0o600, encoding: 'latin1' });
  chmodSync(next, newMode);
  const old = statSync(target, { throwIfNoEntry: false });
  if (old !== undefined) {
    chownSync(next, old.uid, old.gid);
    chmodSync(next, old.mode & 0o7777);
  }
  renameSync(next, target);
}

/** Prints a change as a unified diff. */
export function printDiff(path: string, before: string, after: string): void {
  process.stdout.write(createTwoFilesPatch(path, path, before, after, 'before', 'after'), 'latin1');
}

/** Runs an action; a refusal, or a failure of the system, is a message and exit code 1. */
export function refusing<Arguments extends unknown[]>(
  command: string,
  action: (...args: Arguments) => void | Promise<void>,
) {
  return async (...args: Arguments): Promise<void> => {
    try {
      await action(...args);
    } catch (error) {
      const system = error instanceof Error && 'code' in error;
      if (!(error instanceof RefusedError) && !system) throw error;
      process.stderr.write(`duo-ts ${command}: ${error.message}\n`);
      process.exitCode = 1;
    }
  };
}
