/** A limit for each test of real hosts, loaded by ava before each file (see ava.config.js). */
import test from 'ava';

/** Time limit for one test with its hooks in milliseconds, far above what any needs on a busy machine. */
const TEST_MS = 240_000;

let limit: NodeJS.Timeout | undefined;
// Names the test or hook that hangs: ava's own limit is for a whole file, and its TAP reporter fails over it.
test.beforeEach(({ title }) => {
  clearTimeout(limit);
  limit = setTimeout(() => {
    const name = title.replace(/^beforeEach hook for /, '');
    throw new Error(`'${name}', or a hook of it, did not end within ${TEST_MS / 1000} seconds`);
  }, TEST_MS).unref();
});
