/** From a configuration, or from what a program says itself, to the Duo application that it names. */
import type { Config, ConfigSource } from '../config/config.ts';
import type { DuoApi } from '../duo/api.ts';
import { createClient } from '../duo/client.ts';
import { parseProxy } from '../duo/proxy.ts';
import type { ServiceCache } from '../duo/service-cache.ts';
import { loadTrust, type Trust } from '../duo/trust.ts';
import { userAgent } from '../duo/user-agent.ts';
import { systemClock } from '../lib/clock.ts';
import { RELEASE } from '../lib/release.ts';

/** Which application, how to reach it, and whom to trust. A Config is one of these. */
export interface DuoSettings
  extends Pick<
    Config,
    | 'host'
    | 'port'
    | 'ikey'
    | 'skey'
    | 'cafile'
    | 'noverify'
    | 'disableCaPinning'
    | 'minTls'
    | 'httpProxy'
    | 'httpsTimeout'
  > {
  /** Whom to trust, where that is not cafile's and noverify's to say. */
  readonly trust?: Trust;
}

/** A program that names itself towards Duo, as `progname/1.0`. */
export interface Product {
  readonly product: string;
}

/** How each program of ours calls itself towards Duo. */
const AGENTS = { pam: 'pam_duo_ts', login_duo: 'login_duo_ts' } as const;

/**
 * Opens it. Files are read here for the last time in a login: from then on the engine may read none.
 * @param notify is told of waits that the user should know of
 * @param program on whose behalf
 * @param serviceCache what this process's logins share; absent: this one has all to itself
 * @throws DuoHandleError when cafile, the system's certificates or http_proxy can't be used
 */
export async function openDuo(
  settings: DuoSettings,
  notify: (text: string) => void,
  program: ConfigSource['program'] | Product,
  serviceCache?: ServiceCache,
): Promise<DuoApi> {
  const { ikey, skey, httpsTimeout } = settings;
  const product = typeof program === 'string' ? `${AGENTS[program]}/${RELEASE}` : program.product;
  return createClient({
    ...serviceOf(settings),
    // In its one login a round trip costs more than an ask for the time when Duo complains.
    ...(serviceCache === undefined ? { trustsClock: true } : { serviceCache }),
    ikey,
    skey,
    timeout: httpsTimeout * 1000,
    userAgent: userAgent(product, !settings.disableCaPinning),
    clock: systemClock,
    notify,
  });
}

/**
 * Connects to the service that the configuration names before anybody logs in, and stays connected.
 * @throws DuoHandleError when cafile, the system's certificates or http_proxy can't be used
 */
export async function keepConnected(config: Config, serviceCache: ServiceCache): Promise<void> {
  serviceCache.preconnect({ ...serviceOf(config), clock: systemClock });
}

function serviceOf(settings: DuoSettings) {
  const { host, port, minTls, httpProxy } = settings;
  const trust = settings.trust ?? loadTrust(settings);
  return { host, port, trust, minTls, ...(httpProxy === undefined ? {} : { proxy: parseProxy(httpProxy) }) };
}
