/** Duo's request signature, version 2. */
import { createHmac } from 'node:crypto';
import type { Secret } from '../lib/secret.ts';

export type Method = 'GET' | 'POST';
export type Parameters = Readonly<Record<string, string>>;

export interface SignedParts {
  /** As sent in X-Duo-Date; see duoDate(). */
  readonly date: string;
  readonly method: Method;
  /** The API host without a port. */
  readonly host: string;
  readonly path: string;
  readonly parameters: Parameters;
}

/** RFC 3986: everything but `A-Za-z0-9_.~-` as upper-case hex. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Parameters as they are signed and sent: sorted by key, encoded, joined with `&`. */
export function encodeParameters(parameters: Parameters): string {
  return Object.entries(parameters)
    .sort(([a], [b]) => (a < b ? -1 : Number(a > b)))
    .map(([key, value]) => `${encode(key)}=${encode(value)}`)
    .join('&');
}

/** RFC 2822 as Duo wants it: `Tue, 21 Aug 2012 17:29:18 -0000`. */
export function duoDate(ms: number): string {
  return new Date(ms).toUTCString().replace(/GMT$/, '-0000');
}

/** The signed text: date, method, host, path and parameters, one per line. */
export function canonicalString({ date, method, host, path, parameters }: SignedParts): string {
  return [date, method, host.toLowerCase(), path, encodeParameters(parameters)].join('\n');
}

/** The Authorization header: `Basic base64(ikey:HMAC-SHA512)`. Holds no recoverable secret. */
export function authorization(ikey: string, skey: Secret, parts: SignedParts): string {
  const signature = createHmac('sha512', skey.reveal()).update(canonicalString(parts)).digest('hex');
  return `Basic ${Buffer.from(`${ikey}:${signature}`).toString('base64')}`;
}
