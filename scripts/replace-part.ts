/** Pages with a part that a program writes. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Replaces what is between two lines of a page, and formats the page.
 * @throws Error when the page does not have the lines
 */
export function replacePart(path: string, begin: string, end: string, text: string): void {
  const [before, rest] = readFileSync(path, 'utf8').split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${path} has no place for ${begin}`);
  writeFileSync(path, `${before}${begin}\n\n${text}\n\n${end}${after}`);
  execFileSync('biome', ['format', '--write', path], { stdio: 'ignore' });
}
