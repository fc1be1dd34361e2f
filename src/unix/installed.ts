/** The addon as it is installed, for the resident engine. */
import { lstatSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Unix } from './unix.ts';

/**
 * Loads the addon that is installed beside the program at `program`, if it is as trustworthy as that: root's (or this
 * process's own user's, in a checkout), in a directory of the same, and writable by nobody else.
 * @throws Error that says what is wrong with it
 */
export function loadInstalledUnix(program: string): Unix {
  const directory = dirname(realpathSync(program));
  const path = join(directory, 'unix.node');
  for (const each of [directory, path]) {
    const { uid, mode } = lstatSync(each);
    if ((uid !== 0 && uid !== process.geteuid?.()) || (mode & 0o022) !== 0) {
      throw new Error(`${each} must be owned by root and writable by nobody else`);
    }
  }
  if (!lstatSync(path).isFile()) throw new Error(`${path} is no regular file`);
  const addon: Unix = createRequire(path)(path);
  return addon;
}
