/** Checks the signature of a request, versions 1, 2, 4 and 5, as strictly as Duo does. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { parseDate } from './date.ts';

export interface Application {
  readonly ikey: string;
  readonly skey: string;
  /** What the phone shows. */
  readonly name: string;
}

export interface SignedRequest {
  readonly method: string;
  /** The Host header. */
  readonly host: string;
  readonly path: string;
  /** Query string or form body, as sent. */
  readonly parameters: string;
  /** A JSON body; undefined for a form. A GET has an empty one. */
  readonly json: string | undefined;
  /** The X-Duo headers except X-Duo-Date, by their names in lower case. */
  readonly duoHeaders: Readonly<Record<string, string>>;
  readonly authorization: string | undefined;
  readonly date: string | undefined;
  /** Versions 2 and later sign the date. A request without a date is of version 1. */
  readonly dated: boolean;
}

export interface Refusal {
  readonly code: number;
  readonly message: string;
}

/** Largest difference of the client's clock, in milliseconds. */
const MAX_SKEW_MS = 300_000;

/** Why the request is refused; undefined when it is valid. */
export function refusal(request: SignedRequest, application: Application, now: number): Refusal | undefined {
  const { authorization, date, dated } = request;
  if (authorization === undefined) return { code: 40101, message: 'Missing request credentials' };
  if (date === undefined) {
    if (dated) return { code: 40104, message: 'Missing request timestamp' };
  } else {
    const old = untimely(date, now);
    if (old !== undefined) return old;
  }
  const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/.exec(authorization)?.[1] ?? '';
  const [ikey, hex] = Buffer.from(encoded, 'base64').toString('latin1').split(':');
  if (ikey !== application.ikey)
    return { code: 40102, message: 'Invalid integration key in request credentials' };
  if (!signatures(request, application.skey).some((good) => equal(good, hex ?? ''))) {
    return { code: 40103, message: 'Invalid signature in request credentials' };
  }
  return undefined;
}

function untimely(date: string, now: number): Refusal | undefined {
  const sent = parseDate(date);
  if (sent === undefined) return { code: 40104, message: 'Invalid request timestamp' };
  if (Math.abs(now - sent) > MAX_SKEW_MS) return { code: 40105, message: 'Bad request timestamp' };
  return undefined;
}

/**
 * The valid signatures. Version 1 is HMAC-SHA1; version 2 is HMAC-SHA512, or the SHA1 of older clients; 4
 * and 5 are HMAC-SHA512. Versions 1 and 2 do not cover a JSON body; 4 and 5 are never used with a form.
 */
function signatures(request: SignedRequest, skey: string): string[] {
  const { date, method, host, path, parameters, json, duoHeaders } = request;
  const name = host.replace(/:\d+$/, '').toLowerCase();
  const common = [method, name, path, canonical(parameters)];
  const sign = (hash: string, lines: readonly string[]) =>
    createHmac(hash, skey).update(lines.join('\n')).digest('hex');
  if (date === undefined) return [sign('sha1', common)];
  const second = [date, ...common];
  const fourth = [...second, digest(json ?? '')];
  const fifth = [...fourth, digest(Object.entries(duoHeaders).sort(byText).flat().join('\0'))];
  return [
    ...(json === undefined || method === 'GET' ? [sign('sha512', second), sign('sha1', second)] : []),
    ...(json === undefined ? [] : [sign('sha512', fourth), sign('sha512', fifth)]),
  ];
}

function digest(text: string): string {
  return createHash('sha512').update(text).digest('hex');
}

/**
 * Decoded, encoded again as in RFC 3986, and sorted by key and value: parameters sent in another form do
 * not match.
 */
function canonical(parameters: string): string {
  return Array.from(new URLSearchParams(parameters), ([key, value]): Pair => [encode(key), encode(value)])
    .sort(byText)
    .map(([key, value]) => `${key}=${value}`)
    .join('&');
}

type Pair = readonly [string, string];

function byText([key, value]: Pair, [otherKey, otherValue]: Pair): number {
  return compare(key, otherKey) || compare(value, otherValue);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function encode(text: string): string {
  return Array.from(Buffer.from(text), (byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9_.~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

function equal(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
