/** How long to wait when Duo says 429. */

/** The longest wait that is worth it, in seconds. */
const MAX_WAIT = 32;

export interface Wait {
  /** Milliseconds; undefined: give up. */
  readonly ms: number | undefined;
}

/**
 * The wait before the next attempt: what Duo asks for, else 1, 2, 4 … 32 seconds, and up to a second of jitter so that
 * many clients don't come back at once. Never shorter than the jitter.
 * @param retryAfter the header's value: seconds, or an HTTP date
 * @param attempt how many attempts were answered with 429 before this one
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
  // A service that asks for no wait at all, again and again, still gets a growing one.
  const seconds = asked === undefined || (asked === 0 && attempt > 0) ? 2 ** attempt : asked;
  return { ms: seconds > MAX_WAIT ? undefined : Math.round((seconds + random) * 1000) };
}

function secondsOf(value: string, now: number): number | undefined {
  const trimmed = value.trim();
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed);
  const date = Date.parse(trimmed);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - now) / 1000);
}
