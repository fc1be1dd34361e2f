/** Events that end a resident engine. */
import { spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import test from 'ava';
import { awaitEnd } from '../../src/resident/end.ts';

test('a signal ends the engine cleanly', async (t) => {
  for (const reason of ['SIGTERM', 'SIGINT']) {
    const process = new EventEmitter();
    const end = awaitEnd(process, () => t.fail());
    process.emit(reason);
    t.deepEqual(await end, { reason, failed: false });
  }
});

test('an unexpected error ends the engine with a failure, and its text is not logged', async (t) => {
  const process = new EventEmitter();
  const log: string[] = [];
  const end = awaitEnd(process, (_priority, text) => log.push(text));
  const error = new TypeError('secret\n    at secret');
  for (let time = 0; time < 3; time += 1) process.emit('uncaughtException', error);
  t.deepEqual(await end, { reason: 'unforeseen error', failed: true });
  t.is(log.length, 1);
  t.regex(log[0] ?? '', /^unforeseen error: TypeError at .*end\.test\.ts:\d+:\d+/);
  t.notRegex(log.join(), /secret/);
  process.emit('uncaughtException', 'secret');
  t.is(log[1], 'unforeseen error: string');
  for (let kind = 0; kind < 100; kind += 1) {
    const other = new Error();
    other.name = `Kind${kind}`;
    process.emit('uncaughtException', other);
  }
  t.is(log.length, 10);
});

test('an unhandled rejection asks the engine to end as failed, and exits nothing itself', (t) => {
  const script = `
    import { awaitEnd } from './src/resident/end.ts';
    const end = awaitEnd(process, (_, text) => console.log(text));
    void Promise.reject(new RangeError('secret'));
    console.log((await end).failed);
    setImmediate(() => { console.log('goes on'); process.exit(); });
  `;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  t.is(status, 0);
  t.is(stderr, '');
  t.regex(stdout, /^unforeseen error: RangeError at .*\ntrue\ngoes on\n$/);
});
