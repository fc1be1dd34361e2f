/** One timer for all heartbeats of a process. */
import test from 'ava';
import { Heartbeats } from '../../src/bridge/heartbeat.ts';
import { FakeClock } from '../lib/fake-clock.ts';

test('one timer sends all heartbeats, each until it is stopped', async (t) => {
  const clock = new FakeClock();
  const heartbeats = new Heartbeats(clock);
  const beats = [0, 0, 0];
  const [first, second, third] = beats.map((_, at) =>
    heartbeats.start(() => {
      beats[at] = (beats[at] ?? 0) + 1;
    }),
  );
  t.is(clock.sleeping, 1);
  await clock.advance(1000);
  t.deepEqual(beats, [1, 1, 1]);
  first?.();
  first?.();
  await clock.advance(2000);
  t.deepEqual(beats, [1, 3, 3]);
  second?.();
  third?.();
  await clock.advance(0);
  t.is(clock.sleeping, 0);
  await clock.advance(5000);
  t.deepEqual(beats, [1, 3, 3]);
});

test('the timer starts again after the last heartbeat was stopped', async (t) => {
  const clock = new FakeClock();
  const heartbeats = new Heartbeats(clock);
  for (let turn = 0; turn < 3; turn += 1) {
    let beats = 0;
    const stop = heartbeats.start(() => {
      beats += 1;
    });
    await clock.advance(1000);
    t.is(beats, 1);
    stop();
    // At once, and a moment later.
    if (turn === 1) await clock.advance(10);
  }
});
