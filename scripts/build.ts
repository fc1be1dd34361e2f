/**
 * Builds everything into build/: `node scripts/build.ts [native|engine]`, both without an argument.
 *
 * DUO_TS_NODE names the Node whose copy becomes the engine, for packagers who bring their own (26 or later); without it,
 * it is the one that runs this script.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { PARTS } from '../src/cli/parts.ts';
import { PERMISSIONS } from '../src/cli/permissions.ts';
import { bundle } from './bundle.ts';
import { rehearse } from './rehearsal.ts';

/** Runs a program in the foreground. @throws Error when it fails */
export function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: failed with ${status}`);
}

/** The module, the addon and what else is native, in build/Release. */
export function buildNative(): void {
  run('node_modules/.bin/cmake-js', ['compile', '--log-level', 'warn']);
  // Where the resident engine looks for it: beside itself.
  copyFileSync('build/Release/unix.node', 'build/unix.node.new');
  renameSync('build/unix.node.new', 'build/unix.node');
}

const BUNDLES = 'build/parts';

/** The engine: Node and the bundled sources in one executable, which takes no options from its surroundings. */
export async function buildEngine(): Promise<void> {
  const node = process.env['DUO_TS_NODE'] ?? process.execPath;
  mkdirSync(BUNDLES, { recursive: true });
  await bundle(BUNDLES);
  writeFileSync(
    'build/duo-ts.json',
    JSON.stringify({
      main: `${BUNDLES}/main.cjs`,
      mainFormat: 'commonjs',
      assets: {
        ...Object.fromEntries(PARTS.map((name) => [`${name}.cjs`, `${BUNDLES}/${name}.cjs`])),
        ...(await engineCache(node)),
      },
      executable: node,
      output: 'build/duo-ts.new',
      disableExperimentalSEAWarning: true,
      // main.cjs is too short to gain from a code cache, and its cache would differ from build to build.
      useCodeCache: false,
      // PERM0001 warns of addons. The engine loads its own on purpose, and the warning would go to a login's log.
      execArgv: [...PERMISSIONS, '--disable-warning=ExperimentalWarning', '--disable-warning=PERM0001'],
      execArgvExtension: 'none',
    }),
  );
  run(process.execPath, ['--build-sea', 'build/duo-ts.json']);
  // In one step: a login that starts now gets the old engine or the new one, never half of it.
  renameSync('build/duo-ts.new', 'build/duo-ts');
}

/** Without a cache the engine does the same, and starts more slowly. */
async function engineCache(node: string): Promise<Record<string, string>> {
  const path = `${BUNDLES}/engine.cache`;
  try {
    await rehearse(node, `${BUNDLES}/engine.cjs`, path);
    return { 'engine.cache': path };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`build: the engine gets no code cache, and starts more slowly: ${why}\n`);
    return {};
  }
}

if (import.meta.main) {
  const [part] = process.argv.slice(2);
  if (part !== undefined && part !== 'native' && part !== 'engine') {
    process.stderr.write(`build: ${part} is neither native nor engine\n`);
    process.exit(2);
  }
  if (part !== 'engine') buildNative();
  if (part !== 'native') await buildEngine();
}
