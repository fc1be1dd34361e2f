/** This machine's own address. */
import { networkInterfaces } from 'node:os';
import { sourceAddress } from './udp.ts';

/**
 * The source address of packets to the outside, or the address of the first interface other than loopback; undefined
 * when there is none.
 */
export async function localAddress(): Promise<string | undefined> {
  for (const family of ['udp4', 'udp6'] as const) {
    try {
      return await sourceAddress(family);
    } catch {
      // This address family has no route.
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
    // Without descriptors the interfaces cannot be listed. The next step fails for the same reason and reports it.
    return undefined;
  }
}
