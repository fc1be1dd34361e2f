/** The marked block in a PAM stack that asks Duo after the password. Pure: texts in, texts out. */
import { checksPassword } from './guard.ts';
import { logicalLines } from './stack.ts';

const MODULE = 'pam_duo_ts.so';
const BEGIN = '# BEGIN duo-ts: written by `duo-ts pam`, removed by `duo-ts pam disable`';
const BLOCK = [BEGIN, `auth required ${MODULE}`, '# END duo-ts'];

/** The lines of a file that name the module, counted from 1, and whether this program wrote them. */
export interface Uses {
  readonly marked: readonly number[];
  readonly other: readonly number[];
}

export function usesOf(text: string): Uses {
  const marked: number[] = [];
  const other: number[] = [];
  const blocks = blocksOf(text.split('\n'));
  for (const { number, words } of logicalLines(text)) {
    if (!words.some((word) => word.endsWith(MODULE))) continue;
    const inBlock = blocks.some((begin) => number > begin && number <= begin + BLOCK.length);
    (inBlock ? marked : other).push(number);
  }
  return { marked, other };
}

/**
 * Adds the block after the last line that checks a password.
 * @returns undefined when no line does
 */
export function addBlock(text: string): string | undefined {
  const lines = text.split('\n');
  const after = [...logicalLines(text)].filter(({ words }) => asksPassword(words)).at(-1)?.last;
  return after === undefined ? undefined : lines.toSpliced(after, 0, ...BLOCK).join('\n');
}

/** Removes every block. What else the file has stays as it is. */
export function removeBlocks(text: string): string {
  const lines = text.split('\n');
  for (const begin of blocksOf(lines).reverse()) lines.splice(begin, BLOCK.length);
  return lines.join('\n');
}

/** Where blocks begin, counted from 0. A block that somebody changed is not a block. */
function blocksOf(lines: readonly string[]): number[] {
  return lines.flatMap((_, at) => (BLOCK.every((line, more) => lines[at + more] === line) ? [at] : []));
}

/** Debian's and Red Hat's files for passwords. */
const INCLUDES = /^(?:common-auth|system-auth|system-local-login|system-login|password-auth|su)$/;

function asksPassword([first = '', control = '', module = '']: readonly string[]): boolean {
  if (first === '@include') return INCLUDES.test(control);
  if (first.replace(/^-/, '') !== 'auth') return false;
  return control === 'include' || control === 'substack' ? INCLUDES.test(module) : checksPassword({ module });
}
