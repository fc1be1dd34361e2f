/** The service's side of a request's signature, versions 1 and 2. Strict: what Duo would refuse is refused. */
import { createHmac, timingSafeEqual } from 'node:crypto';
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
  /** Query string or form body, as it was sent. */
  readonly parameters: string;
  readonly authorization: string | undefined;
  readonly date: string | undefined;
  /** Version 2: the date is part of what is signed. Otherwise a request without one is signed as version 1 has it. */
  readonly dated: boolean;
}

export interface Refusal {
  readonly code: number;
  readonly message: string;
}

/** How far the client's clock may be off, in milliseconds. */
const MAX_SKEW_MS = 300_000;

/** Why the request is refused; undefined when it is good. */
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

/** Version 2 is HMAC-SHA512, and the SHA1 of older clients; version 1 knows SHA1 only. */
function signatures({ date, method, host, path, parameters }: SignedRequest, skey: string): string[] {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  const undated = [method, name, path, canonical(parameters)];
  const [text, hashes] =
    date === undefined ? [undated.join('\n'), ['sha1']] : [[date, ...undated].join('\n'), ['sha512', 'sha1']];
  return hashes.map((hash) => createHmac(hash, skey).update(text).digest('hex'));
}

/** Decoded, encoded again as RFC 3986 has it, and sorted: what was sent in another form does not match. */
function canonical(parameters: string): string {
  return [...new URLSearchParams(parameters)]
    .sort(([a], [b]) => (a < b ? -1 : Number(a > b)))
    .map(([key, value]) => `${encode(key)}=${encode(value)}`)
    .join('&');
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
