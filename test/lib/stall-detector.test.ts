import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import type { Clock } from '../../src/lib/clock.ts';
import { StallDetector } from '../../src/lib/stall-detector.ts';
import { FakeClock } from './fake-clock.ts';

/** A machine on which time can pass while this process does not run. */
class FreezingClock implements Clock {
  readonly inner = new FakeClock();
  #frozen = 0;

  now(): number {
    return this.inner.now() + this.#frozen;
  }

  monotonic(): number {
    return this.inner.monotonic() + this.#frozen;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.inner.sleep(ms, signal);
  }

  freeze(ms: number): void {
    this.#frozen += ms;
  }
}

test('no stall is measured in a running process', async (t) => {
  const clock = new FreezingClock();
  const watch = StallDetector.of(clock).watch();
  await clock.inner.advance(60_000);
  t.is(watch.lost, 0);
  watch.end();
  t.is(clock.inner.sleeping, 0);
});

test('the latency of a busy machine is not counted', async (t) => {
  const clock = new FreezingClock();
  const watch = StallDetector.of(clock).watch();
  for (let tick = 0; tick < 100; tick += 1) {
    await clock.inner.advance(100);
    clock.freeze(99);
  }
  t.is(watch.lost, 0);
  watch.end();
});

test('a freeze is counted at once and stays counted', async (t) => {
  const clock = new FreezingClock();
  const watch = StallDetector.of(clock).watch();
  await clock.inner.advance(1_000);
  clock.freeze(9_000);
  t.is(watch.lost, 8_900, 'before any timer has gone off');
  await clock.inner.advance(1_000);
  t.is(watch.lost, 9_000);
  clock.freeze(2_000);
  await clock.inner.advance(1_000);
  t.is(watch.lost, 11_000);
  watch.end();
});

test('each wait counts its own stalls, and all waits share one timer', async (t) => {
  const clock = new FreezingClock();
  const detector = StallDetector.of(clock);
  t.is(StallDetector.of(clock), detector);
  const early = detector.watch();
  await clock.inner.advance(1_000);
  clock.freeze(5_000);
  // The process has just continued, and no timer has fired yet.
  const late = detector.watch();
  await clock.inner.advance(1_000);
  t.is(clock.inner.sleeping, 1);
  t.true(late.lost <= 100);
  t.is(early.lost, 5_000);
  clock.freeze(3_000);
  await clock.inner.advance(1_000);
  t.true(late.lost >= 2_900 && late.lost <= 3_100);
  early.end();
  early.end();
  t.is(clock.inner.sleeping, 1, 'one still waits');
  late.end();
  t.is(clock.inner.sleeping, 0, 'nobody waits, and nothing ticks');
  clock.freeze(60_000);
  const next = detector.watch();
  t.is(next.lost, 0);
  next.end();
});

test('a real process that is stopped for a while', async (t) => {
  const child = spawn(process.execPath, ['test/lib/stopped.ts'], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 600));
  child.kill('SIGCONT');
  child.stdin.end();
  const [lost]: Buffer[] = await once(child.stdout, 'data');
  t.true(Number(lost) >= 400, `lost ${lost}`);
});
