/** This host's own address. */
import { networkInterfaces } from 'node:os';
import { sourceAddress } from './udp.ts';

/**
 * The address that a packet to the outside would come from, else that of the first interface which is not the loopback.
 * Undefined when there is none.
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
