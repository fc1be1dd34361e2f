/** Node's permission model for this program: what the build grants, and what a private engine drops. */

/**
 * The built-in options: network and reading files for all, writing files for the command-line tool, native code for the
 * resident engine before it listens. No part may start a process or a thread.
 */
export const PERMISSIONS: readonly string[] = [
  '--permission',
  '--allow-net',
  '--allow-fs-read=*',
  '--allow-fs-write=*',
  '--allow-addons',
];

/** Drops native code and writing files for the rest of the process. */
export function giveUpPermissions(): void {
  process.permission?.drop('addon');
  process.permission?.drop('fs.write');
}
