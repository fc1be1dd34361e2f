/** What a machine with duo_unix has to change to use this project's module and login_duo. Pure: texts in, texts out. */

/** A change of one file. */
export interface Change {
  readonly path: string;
  /** Undefined: the file is new. */
  readonly before: string | undefined;
  readonly after: string;
}

const MODULE = /(^|\s)(?:[^\s#]*\/)?pam_duo\.so(?=\s|$)/;
const FORCE_COMMAND = /^(\s*ForceCommand\s+"?)(?:\S*\/)?login_duo(?=["\s]|$)/i;

/** A stack with every call of Duo's module replaced. Comments stay as they are. */
export function migrateStack(text: string): string {
  return eachLine(text, (line) => {
    const [code = '', ...comment] = line.split('#');
    return [code.replace(MODULE, '$1pam_duo_ts.so'), ...comment].join('#');
  });
}

/** A configuration of sshd with Duo's login_duo replaced by a program. */
export function migrateSshd(text: string, program: string): string {
  return eachLine(text, (line) => line.replace(FORCE_COMMAND, (_, begin: string) => `${begin}${program}`));
}

/** Lines of an authorized_keys file that run Duo's login_duo, counted from 1. */
export function keysWithLoginDuo(text: string): number[] {
  return text
    .split('\n')
    .flatMap((line, at) => (/^[^#]*command="[^"]*\blogin_duo(?:[\s"]|\\)/.test(line) ? [at + 1] : []));
}

/** pam-auth-update has written this file and refuses to go on after a change by hand. */
export function isGenerated(text: string): boolean {
  return text.includes('# here are the per-package modules');
}

function eachLine(text: string, change: (line: string) => string): string {
  return text.split('\n').map(change).join('\n');
}
