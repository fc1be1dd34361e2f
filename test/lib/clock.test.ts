import { getEventListeners } from 'node:events';
import test from 'ava';
import { systemClock } from '../../src/lib/clock.ts';

test('a sleep ends, and leaves nothing with its signal', async (t) => {
  const { signal } = new AbortController();
  const before = systemClock.monotonic();
  await systemClock.sleep(1, signal);
  t.true(systemClock.monotonic() >= before);
  t.is(getEventListeners(signal, 'abort').length, 0);
});

test('a sleep is ended by its signal, with the reason that it gives', async (t) => {
  const controller = new AbortController();
  const sleep = systemClock.sleep(2 ** 30, controller.signal);
  const reason = new Error('enough');
  controller.abort(reason);
  await t.throwsAsync(sleep, { is: reason });
});

test('a signal that was given before lets nobody sleep', async (t) => {
  const reason = new Error('enough');
  await t.throwsAsync(systemClock.sleep(2 ** 30, AbortSignal.abort(reason)), { is: reason });
});

test('now is the time of day', (t) => {
  t.true(systemClock.now() > Date.UTC(2026, 0, 1));
});
