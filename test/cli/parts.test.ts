import { existsSync } from 'node:fs';
import test from 'ava';

test('the build made V8’s code cache for the engine, without which every login starts more slowly', (t) => {
  t.true(existsSync('build/parts/engine.cache'));
});
