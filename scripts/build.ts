/**
 * Builds everything into build/: `node scripts/build.ts [native|engine]`, both without an argument.
 *
 * DUO_TS_NODE names the Node whose copy becomes the engine, for packagers who bring their own (26 or later); without it,
 * it is the one that runs this script.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { PERMISSIONS } from '../src/cli/permissions.ts';
import { bundle } from './bundle.ts';

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

/** The engine: Node and the bundled sources in one executable, which takes no options from its surroundings. */
export async function buildEngine(): Promise<void> {
  mkdirSync('build', { recursive: true });
  await bundle('build/duo-ts.cjs');
  writeFileSync(
    'build/duo-ts.json',
    JSON.stringify({
      main: 'build/duo-ts.cjs',
      mainFormat: 'commonjs',
      executable: process.env['DUO_TS_NODE'] ?? process.execPath,
      output: 'build/duo-ts.new',
      disableExperimentalSEAWarning: true,
      useCodeCache: true,
      // PERM0001 warns of addons, in words for whoever chose them: nobody who reads a login's log did.
      execArgv: [...PERMISSIONS, '--disable-warning=ExperimentalWarning', '--disable-warning=PERM0001'],
      execArgvExtension: 'none',
    }),
  );
  run(process.execPath, ['--build-sea', 'build/duo-ts.json']);
  // In one step: a login that starts now gets the old engine or the new one, never half of it.
  renameSync('build/duo-ts.new', 'build/duo-ts');
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
