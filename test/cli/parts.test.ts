import { existsSync } from 'node:fs';
import test from 'ava';

test('the build made V8’s code cache, which shortens each start of the engine', (t) => {
  t.true(existsSync('build/parts/engine.cache'));
});
