/** The engine in a rehearsal: `rehearsal-engine.ts PART CACHE make|take`; see rehearsal.ts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { partScript } from '../src/cli/parts.ts';

const [, , part = '', cache = '', what] = process.argv;
const make = what === 'make';
const script = partScript('engine', readFileSync(part, 'utf8'), make ? undefined : readFileSync(cache));
if (script.cachedDataRejected === true) throw new Error('V8 does not take the code cache that it made');
if (make) process.once('exit', () => writeFileSync(cache, script.createCachedData()));
if (make) {
  // On a slow machine timers would fire, and V8 would compile their functions: each build must make the same cache.
  const { setTimeout } = globalThis;
  const never = (callback: () => void) => setTimeout(callback, 2 ** 31 - 1);
  Object.assign(globalThis, { setTimeout: never });
}
const module: { exports: { runEngine?: () => Promise<void> } } = { exports: {} };
script.runInThisContext()(module, module.exports, createRequire(import.meta.url));
await module.exports.runEngine?.();
