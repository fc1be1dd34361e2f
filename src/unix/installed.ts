/** Loads the installed addons. */
import { lstatSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { PamClient } from './pam-client.ts';
import type { Unix } from './unix.ts';

export function loadInstalledUnix(program: string): Unix {
  return loadInstalled<Unix>(program, 'unix.node');
}

export function loadInstalledPamClient(program: string): PamClient {
  return loadInstalled<PamClient>(program, 'pam_client.node');
}

/**
 * Loads an addon beside the program at `program`, if only root (in a checkout also this process's user) owns and can
 * write it and its directory.
 * @throws Error that names the problem
 */
function loadInstalled<Addon>(program: string, name: string): Addon {
  const directory = dirname(realpathSync(program));
  const path = join(directory, name);
  for (const each of [directory, path]) {
    const { uid, mode } = lstatSync(each);
    if ((uid !== 0 && uid !== process.geteuid?.()) || (mode & 0o022) !== 0) {
      throw new Error(`${each} must be owned by root and writable by nobody else`);
    }
  }
  if (!lstatSync(path).isFile()) throw new Error(`${path} is not a regular file`);
  const addon: Addon = createRequire(path)(path);
  return addon;
}
