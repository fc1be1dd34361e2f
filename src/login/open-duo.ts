/** From a configuration to the Duo application that it names. */
import type { Config, ConfigSource } from '../config/config.ts';
import type { DuoApi } from '../duo/api.ts';
import { createClient } from '../duo/client.ts';
import { parseProxy } from '../duo/proxy.ts';
import { loadTrust } from '../duo/trust.ts';
import { systemClock } from '../lib/clock.ts';
import { RELEASE } from '../lib/release.ts';

/** How each program calls itself towards Duo. */
const AGENTS = { pam: 'pam_duo_ts', login_duo: 'login_duo_ts' } as const;

/**
 * Opens it. Files are read here for the last time in a login: from then on the engine may read none.
 * @param notify is told of waits that the user should know of
 * @param program on whose behalf
 * @throws DuoHandleError when cafile or http_proxy can't be used
 */
export async function openDuo(
  config: Config,
  notify: (text: string) => void,
  program: ConfigSource['program'],
): Promise<DuoApi> {
  const { host, port, ikey, skey, httpProxy, httpsTimeout } = config;
  const trust = await loadTrust(config);
  const proxy = httpProxy === undefined ? {} : { proxy: parseProxy(httpProxy) };
  const platform = `${process.arch}-${process.platform}`;
  return createClient({
    host,
    port,
    ikey,
    skey,
    trust,
    ...proxy,
    timeout: httpsTimeout * 1000,
    userAgent: `${AGENTS[program]}/${RELEASE} (${platform}) libduo/${RELEASE}`,
    clock: systemClock,
    notify,
  });
}
