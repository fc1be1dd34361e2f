/** The wait after HTTP 429. */

/** The longest acceptable wait, in seconds. */
const MAX_WAIT = 32;

export interface Wait {
  /** Milliseconds; undefined: give up. */
  readonly ms: number | undefined;
}

/**
 * The wait before the next attempt: what Duo requests, else 1, 2, 4 … 32 seconds, plus up to a second of jitter so that
 * clients do not return at the same time.
 * @param retryAfter the header's value: seconds, or an HTTP date
 * @param attempt the number of earlier 429 replies
 * @param now milliseconds since 1970
 * @param random 0 … 1
 */
export function rateLimitWait(
  retryAfter: string | undefined,
  attempt: number,
  now: number,
  random: number,
): Wait {
  const asked = retryAfter === undefined ? undefined : secondsOf(retryAfter, now);
  // A service that always requests no wait still gets increasing waits.
  const seconds = asked === undefined || (asked === 0 && attempt > 0) ? 2 ** attempt : asked;
  return { ms: seconds > MAX_WAIT ? undefined : Math.round((seconds + random) * 1000) };
}

function secondsOf(value: string, now: number): number | undefined {
  const trimmed = value.trim();
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed);
  const date = Date.parse(trimmed);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - now) / 1000);
}
