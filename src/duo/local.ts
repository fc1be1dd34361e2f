/** Failures that are this host's own, told from Duo's absence. */
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
  return Object.values(networkInterfaces())
    .flat()
    .some((entry) => entry?.family === 'IPv6' && !entry.internal && entry.scopeid === 0);
}

/** The `code` of a system error; empty when there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
