import test from 'ava';
import { rateLimitWait } from '../../src/duo/rate-limit.ts';

const NOW = Date.UTC(2026, 0, 1, 12, 0, 0);
const date = (seconds: number) => new Date(NOW + seconds * 1000).toUTCString();

const WAITS: readonly [string | undefined, number, number | undefined][] = [
  // Retry-After and attempts so far: milliseconds without jitter
  [undefined, 0, 1_000],
  [undefined, 1, 2_000],
  [undefined, 5, 32_000],
  [undefined, 6, undefined],
  ['0', 0, 0],
  ['0', 1, 2_000],
  ['3', 0, 3_000],
  ['3', 9, 3_000],
  [' 3 ', 0, 3_000],
  ['32', 0, 32_000],
  ['33', 0, undefined],
  ['999999999', 0, undefined],
  ['99999999999', 0, 1_000],
  [date(7), 0, 7_000],
  [date(32), 0, 32_000],
  [date(33), 0, undefined],
  [date(-60), 0, 0],
  [date(-60), 1, 2_000],
  [date(-60), 6, undefined],
  ['soon', 0, 1_000],
  ['', 2, 4_000],
  ['3.5 seconds', 3, 8_000],
];
for (const [retryAfter, attempt, ms] of WAITS) {
  test(`Retry-After ${JSON.stringify(retryAfter) ?? 'absent'} after ${attempt} attempts`, (t) => {
    t.is(rateLimitWait(retryAfter, attempt, NOW, 0).ms, ms);
    t.is(rateLimitWait(retryAfter, attempt, NOW, 0.5).ms, ms === undefined ? undefined : ms + 500);
  });
}
