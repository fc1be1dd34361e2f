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
import { type Command, rehearse, V8_OPTIONS } from './rehearsal.ts';

/** Runs a program in the foreground. @throws Error when it fails */
export function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: failed with ${status}`);
}

/** Builds the module, the addon and the other native files in build/Release. */
export function buildNative(): void {
  run('node_modules/.bin/cmake-js', ['compile', '--log-level', 'warn']);
  // The resident engine loads the addon from its own directory.
  copyFileSync('build/Release/unix.node', 'build/unix.node.new');
  renameSync('build/unix.node.new', 'build/unix.node');
}

export interface EngineBuild {
  /** The Node whose copy becomes the engine. */
  readonly node: string;
  /** A program that runs a Node of another architecture; none by default. */
  readonly emulator?: string;
  /** The directory for the engine and its parts. */
  readonly directory: string;
}

/**
 * Builds the engine: Node and the bundled sources in one executable, which takes no options from its environment.
 * @returns the packages that are bundled, as paths of their directories
 */
export async function buildEngine({ node, emulator, directory }: EngineBuild): Promise<string[]> {
  const command: Command = emulator === undefined ? [node] : [emulator, node];
  const bundles = `${directory}/parts`;
  mkdirSync(bundles, { recursive: true });
  const packages = await bundle(bundles);
  writeFileSync(
    `${directory}/duo-ts.json`,
    JSON.stringify({
      main: `${bundles}/main.cjs`,
      mainFormat: 'commonjs',
      assets: {
        ...Object.fromEntries(PARTS.map((name) => [`${name}.cjs`, `${bundles}/${name}.cjs`])),
        ...(await engineCache(command, bundles)),
      },
      executable: node,
      output: `${directory}/duo-ts.new`,
      disableExperimentalSEAWarning: true,
      // A code cache would not speed up main.cjs, which is short, and would differ between builds.
      useCodeCache: false,
      // PERM0001 and PERM0002 warn about addons and programs. The engine drops both, and the warnings would appear in a
      // login's log.
      execArgv: [
        ...V8_OPTIONS,
        ...PERMISSIONS,
        '--disable-warning=ExperimentalWarning',
        '--disable-warning=PERM0001',
        '--disable-warning=PERM0002',
      ],
      execArgvExtension: 'none',
    }),
  );
  const [program, ...args] = command;
  run(program, [...args, '--build-sea', `${directory}/duo-ts.json`]);
  // Replaced in one step: a starting login gets the old or the new engine.
  renameSync(`${directory}/duo-ts.new`, `${directory}/duo-ts`);
  return packages;
}

/** Without the cache the engine behaves the same and starts more slowly. */
async function engineCache(command: Command, bundles: string): Promise<Record<string, string>> {
  const path = `${bundles}/engine.cache`;
  try {
    await rehearse(command, `${bundles}/engine.cjs`, path);
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
  const node = process.env['DUO_TS_NODE'] ?? process.execPath;
  if (part !== 'native') await buildEngine({ node, directory: 'build' });
}
