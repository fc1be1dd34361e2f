/** Node's own limits on this program: what it is built with, and what a private engine gives up of it. */

/**
 * The options that are built into the program: the network, and files to read. Files to write are for the command-line
 * tool, native code for the resident engine before it listens. Nothing here may start a process or a thread.
 */
export const PERMISSIONS: readonly string[] = [
  '--permission',
  '--allow-net',
  '--allow-fs-read=*',
  '--allow-fs-write=*',
  '--allow-addons',
];

/** For the rest of this process's life: no native code, and no file is written. */
export function giveUpPermissions(): void {
  process.permission?.drop('addon');
  process.permission?.drop('fs.write');
}
