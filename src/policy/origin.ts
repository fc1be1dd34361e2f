/** Where the login comes from, as reported to Duo. */
import { isIP } from 'node:net';
import type { Config } from '../config/config.ts';
import type { Facts } from '../login/messages.ts';

/** The warning that this machine's address replaces a client name. */
export const REPLACED_BY_LOCAL_ADDRESS =
  "fallback_local_ip is replacing the remote client address with this server's IP; " +
  "the address reported to Duo is not the client's";

/** The longest pushinfo that Duo accepts, in bytes. */
const MAX_PUSHINFO = 20_000;

export interface Origin {
  /** The reported address; undefined when unknown. */
  readonly ipaddr: string | undefined;
  /** The client was named, and its name was replaced. */
  readonly replaced: boolean;
}

/**
 * The client's address: PAM_RHOST unchanged, or, with fallback_local_ip, this machine's address if PAM_RHOST is not an
 * address.
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
 * @param command is cut if it is too long; undefined: not shown
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
