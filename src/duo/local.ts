/** Failures of this host's own, told from what the network or Duo did. */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../lib/clock.ts';
import { connectUdp, openUdp, sendUdp } from './udp.ts';

/**
 * What the kernel or OpenSSL reports of the other side or of the way to it. Every other code is this host's own: it is
 * short of something (EMFILE, ENOMEM, ENOBUFS, EAGAIN) or forbids the call (EPERM, EACCES). A local user can cause most
 * of those, so only what is listed here can count as Duo's absence.
 */
const EVIDENCE = new RegExp(
  '^(?:ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENETRESET' +
    '|EAFNOSUPPORT|EPROTO|HPE_.*|ERR_TLS_.*|ERR_SSL_(?!MALLOC_FAILURE$).*)$',
);

/** True for an error that says nothing about the other side. */
export function isLocal(error: unknown): boolean {
  return !EVIDENCE.test(codeOf(error)) && !hasNoIpv6(error);
}

/**
 * EADDRNOTAVAIL says that every local port towards an address is taken, which is this host's own failure. For an IPv6
 * address it can also say that this host has no IPv6 address to send from, which is a missing route.
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
    // This host is short of something.
    return true;
  }
}

/**
 * What keeps packets from leaving this host, if anything does; undefined: nothing. A full table of a stateful packet
 * filter (conntrack) drops the first packet of each new connection, which TCP does not report: a connection then times
 * out. For UDP the same is an error at once. The probe is one datagram from a socket to itself.
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

/** Probes every second until `signal` ends it. @returns how to read what was found */
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

/** Milliseconds: shorter than any wait for the other side, so that none runs out because this process stood still. */
const MAX_LOST_MS = 2000;

/**
 * What to add to the error of a wait during which this process stood still; undefined: it ran.
 * @param lost milliseconds, as StallDetector counts them
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
