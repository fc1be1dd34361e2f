/** The User-Agent of a program. */
import { RELEASE } from '../lib/release.ts';

/**
 * The value of User-Agent, in the form of Duo's own clients.
 * @param product `PROGRAM/VERSION`
 * @param caPinning false when the system's authorities replace Duo's
 */
export function userAgent(product: string, caPinning = true): string {
  const platform = `${process.arch}-${process.platform}`;
  const pinning = `ca_bundle/1.0 (ca_pinning=${caPinning ? 'enabled' : 'disabled'})`;
  return `${product} (${platform}) libduo/${RELEASE} ${pinning}`;
}
