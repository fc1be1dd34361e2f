import { readFileSync } from 'node:fs';
import test from 'ava';
import { RELEASE } from '../../src/lib/release.ts';

test('the release is the version of package.json, in three numbers', (t) => {
  t.regex(RELEASE, /^\d+\.\d+\.\d+$/);
  t.true(readFileSync('package.json', 'utf8').includes(`"version": "${RELEASE}"`));
});
