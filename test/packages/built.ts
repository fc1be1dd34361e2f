/** The packages under test, as `npm run package` made them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const DIRECTORY = 'build/packages';

/** Paths of the built packages whose names match. @throws Error when there are none */
export function built(pattern: RegExp): string[] {
  const names = readdirSync(DIRECTORY).filter((name) => pattern.test(name));
  if (names.length === 0)
    throw new Error(`${DIRECTORY} has no package ${pattern}: run npm run test:packages`);
  return names.sort().map((name) => join(DIRECTORY, name));
}
