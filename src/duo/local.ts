/** Separates failures of this machine from failures of the network or Duo. */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../lib/clock.ts';
import { connectUdp, openUdp, sendUdp } from './udp.ts';

/**
 * The errors with which the kernel or OpenSSL reports the peer or the route. Every other code is a local failure: a
 * shortage (EMFILE, ENOMEM, ENOBUFS, EAGAIN) or a forbidden call (EPERM, EACCES). Local users can cause most of those,
 * so only listed codes can count as evidence.
 */
const EVIDENCE = new RegExp(
  '^(?:ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENETRESET' +
    '|EAFNOSUPPORT|EPROTO|HPE_.*|ERR_TLS_.*|ERR_SSL_(?!MALLOC_FAILURE$).*)$',
);

/** True for an error that says nothing about the peer. */
export function isLocal(error: unknown): boolean {
  return !EVIDENCE.test(codeOf(error)) && !hasNoIpv6(error);
}

/**
 * EADDRNOTAVAIL means that every local port towards an address is taken, which is a local failure. For IPv6 it can also
 * mean that this machine has no IPv6 address, which is a missing route.
 */
function hasNoIpv6(cause: unknown): boolean {
  if (codeOf(cause) !== 'EADDRNOTAVAIL' || !(cause instanceof Error) || !('address' in cause)) return false;
  return typeof cause.address === 'string' && isIP(cause.address) === 6 && !hasGlobalIpv6();
}

function hasGlobalIpv6(): boolean {
  try {
    return Object.values(networkInterfaces())
      .flat()
      .some((entry) => entry?.family === 'IPv6' && !entry.internal && entry.scopeid === 0);
  } catch {
    // A local shortage.
    return true;
  }
}

/**
 * Finds what keeps packets from leaving this machine; undefined: nothing. A full connection-tracking table drops the
 * first packet of each new connection without a TCP error, so that connections time out; for UDP it is an immediate
 * error. The probe sends one datagram from a socket to itself.
 */
export async function findShortage(): Promise<unknown> {
  try {
    const socket = await openUdp('udp4', '127.0.0.1');
    try {
      await connectUdp(socket, socket.address().port, '127.0.0.1');
      await sendUdp(socket, Buffer.of());
    } finally {
      socket.close();
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

const PROBE_MS = 1000;

/** Probes every second until `signal` aborts. @returns a function that returns what was found */
export function watchShortage(clock: Clock, signal: AbortSignal): () => unknown {
  let found: unknown;
  const watch = async () => {
    while (found === undefined) {
      await clock.sleep(PROBE_MS, signal);
      found = await findShortage();
    }
  };
  watch().catch(() => {});
  return () => found;
}

/** Milliseconds, shorter than any wait for the peer, so that no wait expires merely because this process stalled. */
const MAX_LOST_MS = 2000;

/**
 * Text for the error of a wait during which this process stalled; undefined: it did not.
 * @param lost milliseconds from StallDetector
 */
export function standstill(lost: number): string | undefined {
  if (lost <= MAX_LOST_MS) return undefined;
  const seconds = Math.round(lost / 1000);
  return `but this host kept the engine from running for ${seconds} seconds, so that it says nothing about Duo`;
}

/** The `code` of a system error; empty when there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
