import { getEventListeners } from 'node:events';
import test from 'ava';
import { systemClock } from '../../src/lib/clock.ts';

test('a sleep ends and leaves no listener on its signal', async (t) => {
  const { signal } = new AbortController();
  const before = systemClock.monotonic();
  await systemClock.sleep(1, signal);
  t.true(systemClock.monotonic() >= before);
  t.is(getEventListeners(signal, 'abort').length, 0);
});

test("an abort ends a sleep with the signal's reason", async (t) => {
  const controller = new AbortController();
  const sleep = systemClock.sleep(2 ** 30, controller.signal);
  const reason = new Error('enough');
  controller.abort(reason);
  await t.throwsAsync(sleep, { is: reason });
});

test('a sleep with an aborted signal ends at once', async (t) => {
  const reason = new Error('enough');
  await t.throwsAsync(systemClock.sleep(2 ** 30, AbortSignal.abort(reason)), { is: reason });
});

test('now() is the time of day', (t) => {
  t.true(systemClock.now() > Date.UTC(2026, 0, 1));
});
