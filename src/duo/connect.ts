/** A TLS connection to Duo: every address of the host in turn, through a proxy where one is configured. */
import { lookup } from 'node:dns/promises';
import { createConnection, isIP, type Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { Clock } from '../lib/clock.ts';
import { cleanText } from '../lib/text.ts';
import { DuoConnectionError, DuoError, DuoLocalError } from './errors.ts';
import type { HttpProxy } from './proxy.ts';
import { namesHost } from './trust.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly proxy: HttpProxy | undefined;
  /** Holds the authorities that may vouch for the server. */
  readonly context: SecureContext;
  /** False where the administrator wants no verification. */
  readonly verify: boolean;
  readonly clock: Clock;
}

/** Milliseconds for one address. */
const CONNECT_MS = 10_000;
const PROXY_MS = 10_000;
const HANDSHAKE_MS = 5_000;
const MAX_PROXY_REPLY = 16_384;

/**
 * What this host says when it is itself short of something or forbids the call. Whoever logs in can bring some of it
 * about, so it must not pass for Duo's absence.
 */
const LOCAL = /^(?:EMFILE|ENFILE|ENOMEM|ENOBUFS|EAGAIN|EAI_MEMORY|EAI_SYSTEM|ERR_ACCESS_DENIED)$/;

/** The error for a failed call that is not ours yet. */
export function asDuoError(
  { host, port }: Pick<Endpoint, 'host' | 'port'>,
  reason: string,
  cause?: unknown,
): DuoError {
  const code = codeOf(cause);
  if (LOCAL.test(code) || portsAreGone(cause))
    return new DuoLocalError(`this host can't open a connection: ${code}`);
  return new DuoConnectionError(`Couldn't connect to ${host}:${port}: ${reason}`);
}

/** Every local port towards this address is taken. (For IPv6 the same code says that this host has no address.) */
function portsAreGone(cause: unknown): boolean {
  return (
    codeOf(cause) === 'EADDRNOTAVAIL' &&
    cause instanceof Error &&
    'address' in cause &&
    typeof cause.address === 'string' &&
    isIP(cause.address) === 4
  );
}

/** The `code` of a system error; empty when there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/**
 * Connects, or rejects with the last address's error; with this host's own, where one address met it.
 * @throws DuoConnectionError, DuoLocalError
 */
export async function connectTls(endpoint: Endpoint): Promise<TLSSocket> {
  const { host, port } = endpoint.proxy ?? endpoint;
  let last: DuoError = asDuoError(endpoint, 'Name or service not known');
  let local: DuoError | undefined;
  for (const address of await addressesOf(host, endpoint)) {
    try {
      return await connectAddress(address, port, endpoint);
    } catch (error) {
      if (!(error instanceof DuoError)) throw error;
      last = error;
      if (error instanceof DuoLocalError) local = error;
    }
  }
  throw local ?? last;
}

async function addressesOf(host: string, endpoint: Endpoint): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    throw asDuoError(endpoint, 'Name or service not known', error);
  }
}

async function connectAddress(address: string, port: number, endpoint: Endpoint): Promise<TLSSocket> {
  const tcp = createConnection({ host: address, port, noDelay: true });
  const { proxy } = endpoint;
  try {
    await during(tcp, endpoint, CONNECT_MS, 'Failed to connect', (resolve) => tcp.once('connect', resolve));
    if (proxy !== undefined) await openTunnel(tcp, proxy, endpoint);
    return await handshake(tcp, endpoint);
  } catch (error) {
    tcp.destroy();
    throw error;
  }
}

/** Waits on a socket: for what `begin` announces, but not past the time, the socket's error or its end. */
async function during<T>(
  socket: Socket,
  endpoint: Endpoint,
  ms: number,
  late: string,
  begin: (resolve: (value: T) => void, reject: (reason: DuoError) => void) => void,
  closed = 'Failed to connect',
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = new AbortController();
  const failed = (error: unknown) => reject(asDuoError(endpoint, closed, error));
  const ended = () => reject(asDuoError(endpoint, closed));
  socket.once('error', failed).once('close', ended);
  endpoint.clock.sleep(ms, timer.signal).then(
    () => reject(asDuoError(endpoint, late)),
    () => {},
  );
  begin(resolve, reject);
  try {
    return await promise;
  } finally {
    timer.abort();
    socket.off('error', failed).off('close', ended);
    // An error after the decision has nobody to tell, and must not end the process.
    socket.on('error', () => {});
  }
}

/** CONNECT, as RFC 9110 has it. */
async function openTunnel(tcp: Socket, proxy: HttpProxy, endpoint: Endpoint): Promise<void> {
  const target = `${isIP(endpoint.host) === 6 ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
  if (proxy.authorization !== undefined) lines.push(`Proxy-Authorization: ${proxy.authorization.reveal()}`);
  tcp.write(`${lines.join('\r\n')}\r\n\r\n`);
  let reply = '';
  await during<void>(
    tcp,
    endpoint,
    PROXY_MS,
    'Proxy connection timed out',
    (resolve, reject) => {
      const read = (chunk: Buffer) => {
        reply += chunk.toString('latin1');
        const end = reply.indexOf('\r\n\r\n');
        if (end < 0 && reply.length < MAX_PROXY_REPLY) return;
        tcp.off('data', read).pause();
        const status = cleanText(reply.split(/\r?\n/, 1)[0] ?? '').slice(0, 200);
        // Bytes behind the head would be the proxy's own: the server says nothing before the handshake.
        if (!/^HTTP\/1\.[01] 200(?: |$)/.test(status) || end + 4 !== reply.length) {
          reject(asDuoError(endpoint, `Proxy error: ${status}`));
        } else {
          resolve();
        }
      };
      tcp.on('data', read);
    },
    'Connection closed',
  );
}

async function handshake(tcp: Socket, endpoint: Endpoint): Promise<TLSSocket> {
  const { context, host, verify } = endpoint;
  const tls = connect({
    socket: tcp,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: context,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    // Judged below, so that a wrong name is called a wrong name whatever else is wrong with the certificate.
    rejectUnauthorized: false,
  });
  try {
    await during(
      tls,
      endpoint,
      HANDSHAKE_MS,
      'SSL handshake timed out',
      (resolve) => tls.once('secureConnect', resolve),
      'Connection closed',
    );
    if (verify) judgeCertificate(tls, endpoint);
    return tls;
  } catch (error) {
    tls.destroy();
    throw error;
  }
}

function judgeCertificate(tls: TLSSocket, endpoint: Endpoint): void {
  if (!namesHost(tls.getPeerCertificate(), endpoint.host)) {
    throw asDuoError(endpoint, 'Certificate name validation failed');
  }
  if (!tls.authorized) throw asDuoError(endpoint, 'certificate verify failed');
}
