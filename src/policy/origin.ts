/** From where the login comes, as Duo is told. */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Facts } from '../bridge/messages.ts';
import type { Config } from '../config/config.ts';
import { sourceAddress } from '../duo/udp.ts';

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

/** What the phone shows besides the user: URL-encoded pairs, at most 20,000 bytes. */
export function pushinfoOf(
  facts: Pick<Facts, 'command'>,
  config: Pick<Config, 'pushinfo'>,
  localAddress: string | undefined,
): string {
  const encode = encodeURIComponent;
  const server = localAddress === undefined ? '' : `Server%20IP=${encode(localAddress)}`;
  if (!config.pushinfo || facts.command === undefined) return server;
  const head = `${server === '' ? '' : `${server}&`}Command=`;
  let command = facts.command.toWellFormed();
  while (head.length + encode(command).length >= MAX_PUSHINFO) {
    command = command.slice(0, Math.floor(command.length * 0.9)).toWellFormed();
  }
  return head + encode(command);
}

/**
 * This host's own address: the one that a packet to the outside would carry, else that of the first interface which
 * is not the loopback. Undefined when there is none.
 */
export async function localAddress(): Promise<string | undefined> {
  for (const family of ['udp4', 'udp6'] as const) {
    try {
      return await sourceAddress(family);
    } catch {
      // No way to the outside with this family.
    }
  }
  return firstInterfaceAddress();
}

function firstInterfaceAddress(): string | undefined {
  try {
    return Object.values(networkInterfaces())
      .flat()
      .find((entry) => entry !== undefined && !entry.internal)?.address;
  } catch {
    // A host that is out of descriptors can't list them: what comes next fails for the same reason, and says so.
    return undefined;
  }
}
