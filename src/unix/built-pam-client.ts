/** The PAM client of a checkout, for the demonstration, tests and the benchmark. */
import { createRequire } from 'node:module';
import type { PamClient } from './pam-client.ts';

/** Loads the addon. @throws Error when it has not been built */
export function loadPamClient(): PamClient {
  const addon: PamClient = createRequire(import.meta.url)('../../build/Release/pam_client.node');
  return addon;
}
