/** Failures that are this host's own, told from Duo's absence. */
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/**
 * What this host says when it is itself short of something or forbids the call. Whoever logs in can bring some of it
 * about, so it must not pass for Duo's absence. A packet filter's silence is a time-out, and its rejection a refusal:
 * EPERM and EACCES come from what judges by process (cgroups, SELinux), and so by who called. A missing route is nobody's
 * doing: that, and a name server that does not answer, is absence.
 */
const LOCAL =
  /^(?:EMFILE|ENFILE|ENOMEM|ENOBUFS|EAGAIN|EPERM|EACCES|EAI_MEMORY|EAI_SYSTEM|ERR_ACCESS_DENIED)$/;

/** True for an error of this host's own. */
export function isLocal(error: unknown): boolean {
  return LOCAL.test(codeOf(error)) || portsAreGone(error);
}

/** Every local port towards this address is taken. For IPv6 the same code can say that this host has no address. */
function portsAreGone(cause: unknown): boolean {
  if (codeOf(cause) !== 'EADDRNOTAVAIL' || !(cause instanceof Error) || !('address' in cause)) return false;
  const version = typeof cause.address === 'string' ? isIP(cause.address) : 0;
  return version === 4 || (version === 6 && hasGlobalIpv6());
}

function hasGlobalIpv6(): boolean {
  try {
    return Object.values(networkInterfaces())
      .flat()
      .some((entry) => entry?.family === 'IPv6' && !entry.internal && entry.scopeid === 0);
  } catch {
    // Not even that can be found out: this host is short of something.
    return true;
  }
}

/** About as many descriptors as the system's resolver needs at once. */
const PROBES = 8;

/**
 * What this host is short of, if it is. The system's resolver, when it can't open its files or a socket, says that the
 * name is not known, or to try again: whoever takes all descriptors must not get away with that.
 */
export async function findShortage(): Promise<unknown> {
  const results = await Promise.allSettled(Array.from({ length: PROBES }, () => openSocket()));
  let shortage: unknown;
  for (const result of results) {
    if (result.status === 'fulfilled') result.value.close();
    else if (isLocal(result.reason)) shortage ??= result.reason;
  }
  return shortage;
}

function openSocket(): Promise<ReturnType<typeof createSocket>> {
  const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof createSocket>>();
  const socket = createSocket('udp4');
  socket.once('error', reject).once('listening', () => resolve(socket));
  socket.bind(0, '127.0.0.1');
  return promise;
}

/** The `code` of a system error; empty when there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
