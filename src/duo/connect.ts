/** A TLS connection to Duo: tries each address of the API host, through a proxy if one is configured. */
import { createConnection, isIP, type Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { Clock } from '../lib/clock.ts';
import { StallDetector } from '../lib/stall-detector.ts';
import { cleanText } from '../lib/text.ts';
import type { Addresses, Resolver } from './addresses.ts';
import { DuoConnectionError, DuoError, DuoLocalError } from './errors.ts';
import { codeOf, isLocal, standstill, watchShortage } from './local.ts';
import { LookUpError } from './look-up.ts';
import type { HttpProxy } from './proxy.ts';
import { namesHost, type Trust } from './trust.ts';

/** The Host header for a service. */
export function hostHeader({ host, port }: Pick<Endpoint, 'host' | 'port'>): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === 443 ? name : `${name}:${port}`;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly proxy: HttpProxy | undefined;
  /** Holds the trusted authorities. */
  readonly context: SecureContext;
  /** The certificates to trust. */
  readonly trust: Trust;
  readonly clock: Clock;
  readonly resolver: Resolver;
}

/** Milliseconds after which no further address is tried, and the limit for one address. */
const ALL_MS = 20_000;
const CONNECT_MS = 10_000;
const PROXY_MS = 10_000;
const HANDSHAKE_MS = 5_000;
const MAX_PROXY_REPLY = 16_384;

/**
 * Converts the error of a failed call.
 * @param cause the system's error; absent when the peer failed or did not answer in time
 */
export function asDuoError(
  { host, port }: Pick<Endpoint, 'host' | 'port'>,
  reason: string,
  cause?: unknown,
): DuoError {
  if (cause !== undefined && isLocal(cause)) {
    const what = codeOf(cause) || (cause instanceof Error ? cause.name : typeof cause);
    return new DuoLocalError(`this host can't open a connection: ${what}`);
  }
  return new DuoConnectionError(`Couldn't connect to ${host}:${port}: ${reason}`);
}

/**
 * Watches a wait. @returns a function that ends the watch and converts an error that a stall of this process may have
 * caused
 */
export function watchWait(clock: Clock): (error?: unknown) => unknown {
  const watch = StallDetector.of(clock).watch();
  return (error) => {
    const stood = standstill(watch.lost);
    watch.end();
    if (stood === undefined || !(error instanceof DuoConnectionError)) return error;
    return new DuoLocalError(`${error.message}; ${stood}`);
  };
}

/**
 * Connects, or rejects with the last address's error, or with a local error if one occurred.
 * @param signal cancels at once; the promise then rejects with its reason
 * @throws DuoConnectionError, DuoLocalError
 */
export async function connectTls(endpoint: Endpoint, signal: AbortSignal): Promise<TLSSocket> {
  const { host } = endpoint.proxy ?? endpoint;
  const { list, remembered } = await addressesOf(host, endpoint, signal);
  try {
    return await connectAny(list, endpoint, signal);
  } catch (error) {
    if (!remembered || !(error instanceof DuoConnectionError)) throw error;
    // The remembered addresses may be out of date. Repeating the same ones would only take time.
    endpoint.resolver.forget(host);
    const fresh = await addressesOf(host, endpoint, signal);
    const others = fresh.list.filter((address) => !list.includes(address));
    if (others.length === 0) throw error;
    return await connectAny(others, endpoint, signal);
  }
}

async function connectAny(
  addresses: readonly string[],
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { port } = endpoint.proxy ?? endpoint;
  let last: DuoError = asDuoError(endpoint, 'Name or service not known');
  let local: DuoError | undefined;
  const begin = endpoint.clock.monotonic();
  for (const address of addresses) {
    // An API host with many silent addresses must be found unreachable before the login's time ends.
    if (endpoint.clock.monotonic() - begin >= ALL_MS) break;
    try {
      return await connectAddress(address, port, endpoint, signal);
    } catch (error) {
      if (!(error instanceof DuoError)) throw error;
      last = error;
      if (error instanceof DuoLocalError) local = error;
    }
  }
  throw local ?? last;
}

async function addressesOf(host: string, endpoint: Endpoint, signal: AbortSignal): Promise<Addresses> {
  if (isIP(host) !== 0) return { list: [host], remembered: false };
  try {
    return await untilAborted(endpoint.resolver.resolve(host), signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof LookUpError)) throw error;
    // getaddrinfo may know a proxy by a short name or from a file, so the name servers' answer is not evidence.
    const elsewhere = error.unknownName && endpoint.proxy !== undefined;
    if (error.evidence && !elsewhere) throw asDuoError(endpoint, error.message);
    throw new DuoLocalError(`this host can't look up ${host}: ${error.message}`);
  }
}

/** A look-up cannot be cancelled. On abort its answer is ignored. */
function untilAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const aborted = () => reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener('abort', aborted, { once: true });
  answer.then(resolve, reject);
  return promise.finally(() => signal.removeEventListener('abort', aborted));
}

async function connectAddress(
  address: string,
  port: number,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<TLSSocket> {
  signal.throwIfAborted();
  const tcp = createConnection({ host: address, port, noDelay: true });
  const { proxy } = endpoint;
  try {
    await tcpConnection(tcp, endpoint, signal);
    if (proxy !== undefined) await openTunnel(tcp, proxy, endpoint, signal);
    return await handshake(tcp, endpoint, signal);
  } catch (error) {
    tcp.destroy();
    throw error;
  }
}

async function tcpConnection(tcp: Socket, endpoint: Endpoint, signal: AbortSignal): Promise<void> {
  const probes = new AbortController();
  const shortage = watchShortage(endpoint.clock, probes.signal);
  const failed = 'Failed to connect';
  try {
    const wait = { endpoint, signal, ms: CONNECT_MS, late: failed, closed: failed, shortage };
    await during(tcp, wait, (resolve) => tcp.once('connect', resolve));
  } finally {
    probes.abort();
  }
}

/** A wait on a socket, and the ways in which it can fail. */
interface Wait {
  readonly endpoint: Endpoint;
  readonly signal: AbortSignal;
  readonly ms: number;
  /** The reason on timeout, and the reason when the socket fails or closes. */
  readonly late: string;
  readonly closed: string;
  /** A local shortage that kept packets from leaving. */
  readonly shortage?: () => unknown;
}

/** Waits for the event of `begin`, the timeout, the signal, an error or the end of the socket. */
async function during<T>(
  socket: Socket,
  { endpoint, signal, ms, late, closed, shortage }: Wait,
  begin: (resolve: (value: T) => void, reject: (reason: DuoError) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = new AbortController();
  const judged = watchWait(endpoint.clock);
  const failed = (error: unknown) => reject(asDuoError(endpoint, reasonOf(error) ?? closed, error));
  const ended = () => reject(asDuoError(endpoint, closed));
  const aborted = () => reject(signal.reason);
  socket.once('error', failed).once('close', ended);
  signal.addEventListener('abort', aborted, { once: true });
  endpoint.clock.sleep(ms, timer.signal).then(
    () => reject(asDuoError(endpoint, late, shortage?.())),
    () => {},
  );
  begin(resolve, reject);
  try {
    return await promise;
  } catch (error) {
    throw judged(error);
  } finally {
    judged();
    timer.abort();
    signal.removeEventListener('abort', aborted);
    socket.off('error', failed).off('close', ended);
    // A later error must not end the process.
    socket.on('error', () => {});
  }
}

/** OpenSSL's reason, such as `unsupported protocol`; undefined for other errors. */
function reasonOf(error: unknown): string | undefined {
  if (!/^ERR_SSL_/.test(codeOf(error)) || !(error instanceof Error) || !('reason' in error)) return undefined;
  return typeof error.reason === 'string' ? `SSL handshake failed (${cleanText(error.reason)})` : undefined;
}

/** Sends CONNECT (RFC 9110). */
async function openTunnel(
  tcp: Socket,
  proxy: HttpProxy,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<void> {
  const target = `${isIP(endpoint.host) === 6 ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
  if (proxy.authorization !== undefined) lines.push(`Proxy-Authorization: ${proxy.authorization.reveal()}`);
  tcp.write(`${lines.join('\r\n')}\r\n\r\n`);
  const wait = {
    endpoint,
    signal,
    ms: PROXY_MS,
    late: 'Proxy connection timed out',
    closed: 'Connection closed',
  };
  await during<void>(tcp, wait, (resolve, reject) => {
    let reply = '';
    const read = (chunk: Buffer) => {
      reply += chunk.toString('latin1');
      const end = /\r?\n\r?\n/.exec(reply);
      if (end === null && reply.length < MAX_PROXY_REPLY) return;
      tcp.off('data', read).pause();
      const status = cleanText(reply.split(/\r?\n/, 1)[0] ?? '').slice(0, 200);
      // More bytes would come from the proxy: the server sends nothing before the handshake.
      const whole = end !== null && end.index + end[0].length === reply.length;
      if (whole && /^HTTP\/1\.[01] 200(?: |$)/.test(status)) resolve();
      else reject(asDuoError(endpoint, `Proxy error: ${status}`));
    };
    tcp.on('data', read);
  });
}

async function handshake(tcp: Socket, endpoint: Endpoint, signal: AbortSignal): Promise<TLSSocket> {
  const { context, host, trust } = endpoint;
  const tls = connect({
    socket: tcp,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: context,
    ALPNProtocols: ['http/1.1'],
    // Both checks follow below: Node does not support common names, and the sentences are duo_unix's.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  const wait = {
    endpoint,
    signal,
    ms: HANDSHAKE_MS,
    late: 'SSL handshake timed out',
    closed: 'Connection closed',
  };
  try {
    await during(tls, wait, (resolve) => tls.once('secureConnect', resolve));
    judgeCertificate(tls, endpoint, trust);
    return tls;
  } catch (error) {
    tls.destroy();
    throw error;
  }
}

function judgeCertificate(tls: TLSSocket, endpoint: Endpoint, trust: Trust): void {
  if (trust.kind === 'none') return;
  if (!tls.authorized) throw asDuoError(endpoint, whyUnverified(tls));
  if (!namesHost(tls.getPeerCertificate(), endpoint.host, trust)) {
    throw asDuoError(endpoint, 'Certificate name validation failed');
  }
}

/** Names the clock, because a machine without a battery starts in the past. */
function whyUnverified(tls: TLSSocket): string {
  const today = new Date().toISOString().slice(0, 10);
  switch (String(tls.authorizationError)) {
    case 'CERT_NOT_YET_VALID':
      return `certificate verify failed: not valid yet, if this host's clock is right (${today})`;
    case 'CERT_HAS_EXPIRED':
      return `certificate verify failed: expired, if this host's clock is right (${today})`;
    default:
      return 'certificate verify failed';
  }
}
