/** Where the login comes from, as Duo is told. */
import { isIP } from 'node:net';
import type { Config } from '../config/config.ts';
import type { Facts } from '../login/messages.ts';

/** The warning for a remote host that is a name and is replaced by this host's address. */
export const REPLACED_BY_LOCAL_ADDRESS =
  "fallback_local_ip is replacing the remote client address with this server's IP; " +
  "the address reported to Duo is not the client's";

/** The longest pushinfo that Duo takes, in bytes. */
const MAX_PUSHINFO = 20_000;

export interface Origin {
  /** What Duo is told; undefined when nothing is known. */
  readonly ipaddr: string | undefined;
  /** The remote host's place was taken though it was named. */
  readonly replaced: boolean;
}

/**
 * The client's address: PAM_RHOST as it is, or, with fallback_local_ip, this host's own where PAM_RHOST is no address.
 */
export function originOf(facts: Facts, config: Config, localAddress: string | undefined): Origin {
  const rhost = facts.rhost === '' ? undefined : facts.rhost;
  if (!config.fallbackLocalIp || (rhost !== undefined && isIP(rhost) !== 0)) {
    return { ipaddr: rhost, replaced: false };
  }
  return { ipaddr: localAddress ?? rhost, replaced: rhost !== undefined && localAddress !== undefined };
}

/**
 * What the phone shows besides the user: URL-encoded pairs, at most 20,000 bytes.
 * @param command is cut off where there is no room for it; undefined: none is shown
 */
export function pushinfoOf(command: string | undefined, localAddress: string | undefined): string {
  const encode = encodeURIComponent;
  const server = localAddress === undefined ? '' : `Server%20IP=${encode(localAddress)}`;
  if (command === undefined) return server;
  const head = `${server === '' ? '' : `${server}&`}Command=`;
  let shown = command.toWellFormed();
  while (head.length + encode(shown).length >= MAX_PUSHINFO) {
    shown = shown.slice(0, Math.floor(shown.length * 0.9)).toWellFormed();
  }
  return head + encode(shown);
}
