/**
 * Builds the content of `npm pack` in dist/: one JavaScript file for Node 20.17 and later, and its types.
 *
 * The file contains what the library needs of other packages, so a program that uses the library installs
 * no other package. Only the code that a login runs is included, in the versions tested here.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { leanAxios } from './bundle.ts';

const TYPES = 'dist/types';

/** The library in one file. Returns the packages that went into it. */
async function buildCode(): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: ['src/library/index.ts'],
    outfile: 'dist/index.js',
    bundle: true,
    platform: 'node',
    target: 'node20.17',
    format: 'esm',
    define: { 'Promise.withResolvers': 'withResolvers' },
    inject: ['src/library/node20.ts'],
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    plugins: [leanAxios()],
  });
  const names = Object.keys(metafile.inputs).map(
    (path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1],
  );
  return [...new Set(names)].filter((name) => name !== undefined).sort();
}

/** The notices that the licences of the packages inside ask for. */
function writeNotices(packages: readonly string[]): void {
  const notices = packages.map((name) => {
    const [path] = globSync(`node_modules/${name}/LICEN[CS]E*`);
    if (path === undefined) throw new Error(`${name} has no licence to pass on`);
    return `${name}\n\n${readFileSync(path, 'utf8').trim()}\n`;
  });
  writeFileSync('dist/THIRD-PARTY.txt', notices.join(`\n${'-'.repeat(80)}\n\n`));
}

function buildTypes(): void {
  const { status } = spawnSync('node_modules/.bin/tsc', ['-p', 'tsconfig.library.json'], {
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error(`tsc failed with ${status}`);
  const wanted = new Set<string>();
  const want = (path: string): void => {
    if (wanted.has(path)) return;
    wanted.add(path);
    for (const [, other = ''] of readFileSync(path, 'utf8').matchAll(/from '(\.[^']+)\.ts'/g)) {
      want(resolve(dirname(path), `${other}.d.ts`));
    }
  };
  want(resolve(TYPES, 'library/index.d.ts'));
  for (const path of globSync(join(TYPES, '**/*.d.ts'))) if (!wanted.has(resolve(path))) unlinkSync(path);
}

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
writeNotices(await buildCode());
buildTypes();
