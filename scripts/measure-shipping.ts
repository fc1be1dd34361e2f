/**
 * Measures two ways to ship the engine: the single executable that is installed, and a directory with the
 * same Node, the same bundle and V8's code cache. `node scripts/measure-shipping.ts [ROUNDS]` after `npm
 * run build` prints the table in CONTRIBUTING. No test runs it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { PERMISSIONS } from '../src/cli/permissions.ts';

const ENV = { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: '/' };

/**
 * Loads the engine's bundle with V8's code cache from its directory, as src/cli/parts.ts does inside the
 * executable.
 */
const LOADER = `'use strict';
const { readFileSync } = require('node:fs');
const { Script } = require('node:vm');
let cachedData;
try { cachedData = readFileSync(__dirname + '/engine.cache'); } catch {}
const text = readFileSync(__dirname + '/engine.cjs', 'utf8');
const script = new Script('(function (module, exports, require) {' + text + '\\n})', { filename: 'engine.cjs', cachedData });
if (script.cachedDataRejected) throw new Error('the code cache is not taken');
for (const name of ['fetch', 'FormData', 'Headers', 'Request', 'Response', 'WebSocket', 'EventSource']) delete globalThis[name];
const part = { exports: {} };
script.runInThisContext()(part, part.exports, require);
part.exports.runEngine();
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
  /** Of that, anonymous memory. */
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

/** Time from the start to the first byte of HELLO, and the memory in use then. */
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

/** A directory as it would be installed. */
function directory(base: string, name: string, cache: boolean): Way {
  const place = join(base, cache ? 'cache' : 'none');
  mkdirSync(place);
  const path = (file: string) => join(place, file);
  copyFileSync(process.execPath, path('node'));
  const bundles = cache ? ['engine.cjs', 'engine.cache'] : ['engine.cjs'];
  for (const file of bundles) copyFileSync(`build/parts/${file}`, path(file));
  writeFileSync(path('loader.cjs'), LOADER);
  const flags = [...PERMISSIONS, '--disable-warning=ExperimentalWarning', '--disable-warning=PERM0001'];
  const args = [...flags, path('loader.cjs'), 'engine'];
  return { name, program: path('node'), args, files: ['node', 'loader.cjs', ...bundles].map(path) };
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
    directory(base, 'directory, no code cache', false),
    directory(base, 'directory, the same code cache', true),
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
