/** Node's permission model for this program: what the build grants, and what engines drop. */

/**
 * The built-in options: network and reading files for all, writing files and starting programs for the command-line tool,
 * native code for the resident engine before it listens. No part may start a thread.
 */
export const PERMISSIONS: readonly string[] = [
  '--permission',
  '--allow-net',
  '--allow-fs-read=*',
  '--allow-fs-write=*',
  '--allow-addons',
  '--allow-child-process',
];

/** No engine starts programs. It drops this before it reads anything. */
export function giveUpProcesses(): void {
  process.permission?.drop('child');
}

/** Drops native code and writing files for the rest of the process. */
export function giveUpPermissions(): void {
  process.permission?.drop('addon');
  process.permission?.drop('fs.write');
}
