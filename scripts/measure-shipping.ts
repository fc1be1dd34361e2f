/**
 * Two ways to ship the engine, measured: the single executable that is installed, and a directory with the same Node, the
 * same bundle and V8's code cache. `node scripts/measure-shipping.ts [ROUNDS]` after `npm run build`. The table in
 * CONTRIBUTING comes from here. It decides nothing by itself and no test runs it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';

const ENV = { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: '/' };
const FLAGS = [
  '--permission',
  '--allow-net',
  '--allow-fs-read=*',
  '--allow-fs-write=*',
  '--disable-warning=ExperimentalWarning',
];

/** Runs the bundle beside it with V8's code cache beside that; writes the cache when it is told where to. */
const LOADER = `'use strict';
const { readFileSync, writeFileSync } = require('node:fs');
const { Script, constants } = require('node:vm');
const file = __dirname + '/duo-ts.cjs';
let cachedData;
try { cachedData = readFileSync(__dirname + '/duo-ts.cache'); } catch {}
const source = '(function (exports, require, module, __filename, __dirname) {' + readFileSync(file, 'utf8') + '\\n})';
const script = new Script(source, {
  filename: file, cachedData, importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER });
if (process.argv[3] === 'cold') writeFileSync(__dirname + '/duo-ts.cache', script.createCachedData());
if (process.argv[3] === 'warm') process.on('exit', () => writeFileSync(__dirname + '/duo-ts.cache', script.createCachedData()));
if (script.cachedDataRejected) process.exitCode = 3;
process.argv.length = 3;
script.runInThisContext()(exports, require, module, file, __dirname);
`;

interface Way {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly files: readonly string[];
}

interface Sample {
  readonly ms: number;
  readonly rssKib: number;
  /** Of that, what no file stands behind. */
  readonly anonymousKib: number;
}

function start({ program, args }: Pick<Way, 'program' | 'args'>): ChildProcess {
  return spawn(program, args, { env: ENV, cwd: '/', stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
}

function socketOf(child: ChildProcess): Readable {
  const socket = child.stdio[3];
  if (socket === undefined || socket === null || !('read' in socket)) throw new Error('no socket');
  return socket;
}

/** From before the start to the first byte of its HELLO; what it holds then. */
async function sample(way: Way): Promise<Sample> {
  const before = process.hrtime.bigint();
  const child = start(way);
  await once(socketOf(child), 'data');
  const ms = Number(process.hrtime.bigint() - before) / 1e6;
  const rollup = readFileSync(`/proc/${child.pid}/smaps_rollup`, 'latin1');
  const kib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(rollup)?.[1] ?? NaN);
  const result = { ms, rssKib: kib('Rss'), anonymousKib: kib('Anonymous') };
  socketOf(child).destroy();
  await once(child, 'exit');
  return result;
}

/** A directory as it would be installed; `when` says whether its cache knows the functions that a start runs. */
async function directory(base: string, name: string, when: 'none' | 'cold' | 'warm'): Promise<Way> {
  const place = join(base, when);
  mkdirSync(place);
  const path = (file: string) => join(place, file);
  copyFileSync(process.execPath, path('node'));
  copyFileSync('build/duo-ts.cjs', path('duo-ts.cjs'));
  writeFileSync(path('loader.cjs'), LOADER);
  const args = [...FLAGS, path('loader.cjs'), 'engine'];
  if (when !== 'none') {
    // The permission to write goes with the engine's first step, so the cache is made without that rule.
    const child = start({ program: path('node'), args: [path('loader.cjs'), 'engine', when] });
    await once(socketOf(child), 'data');
    socketOf(child).destroy();
    await once(child, 'exit');
  }
  const files = ['node', 'duo-ts.cjs', 'loader.cjs', ...(when === 'none' ? [] : ['duo-ts.cache'])];
  return { name, program: path('node'), args, files: files.map(path) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

const rounds = Number(process.argv[2] ?? 40);
const base = mkdtempSync(join(tmpdir(), 'duo-ts-shipping-'));
try {
  const executable = resolve('build/duo-ts');
  const ways: Way[] = [
    { name: 'single executable', program: executable, args: ['engine'], files: [executable] },
    await directory(base, 'directory, no code cache', 'none'),
    await directory(base, 'directory, code cache made before running', 'cold'),
    await directory(base, 'directory, code cache made after running', 'warm'),
  ];
  const samples = ways.map((): Sample[] => []);
  for (let round = -2; round < rounds; round += 1) {
    for (const [index, way] of ways.entries()) {
      const one = await sample(way);
      if (round >= 0) samples[index]?.push(one);
    }
  }
  for (const [index, { name, files }] of ways.entries()) {
    const of = (key: keyof Sample) => median((samples[index] ?? []).map((one) => one[key]));
    const size = files.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6;
    process.stdout.write(
      `| ${name} | ${of('ms').toFixed(1)} ms | ${(of('rssKib') / 1024).toFixed(1)} MiB | ` +
        `${(of('anonymousKib') / 1024).toFixed(1)} MiB | ${size.toFixed(1)} MB |\n`,
    );
  }
} finally {
  rmSync(base, { recursive: true, force: true });
}
