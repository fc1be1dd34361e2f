/** Opens the Duo application that a configuration or a libduo program names. */
import type { Config, ConfigSource } from '../config/config.ts';
import type { DuoApi } from '../duo/api.ts';
import { createClient } from '../duo/client.ts';
import { DuoHandleError } from '../duo/errors.ts';
import { parseProxy } from '../duo/proxy.ts';
import type { ServiceCache } from '../duo/service-cache.ts';
import { loadTrust, type Trust } from '../duo/trust.ts';
import { userAgent } from '../duo/user-agent.ts';
import { systemClock } from '../lib/clock.ts';
import { OwnedFileError, readOwned } from '../lib/owned-file.ts';
import { RELEASE } from '../lib/release.ts';
import { Secret } from '../lib/secret.ts';

/** The application, how to reach it, and the certificates to trust. A Config is one. */
export interface DuoSettings
  extends Pick<
    Config,
    | 'host'
    | 'port'
    | 'ikey'
    | 'cafile'
    | 'noverify'
    | 'disableCaPinning'
    | 'minTls'
    | 'httpProxy'
    | 'httpsTimeout'
  > {
  /** One of these is set. */
  readonly skey: Secret | undefined;
  readonly skeyFile?: string | undefined;
  /** The certificates to trust, instead of cafile and noverify. */
  readonly trust?: Trust;
}

/** A program that names itself to Duo, as `progname/1.0`. */
export interface Product {
  readonly product: string;
}

/** The name of each of our programs in the User-Agent. */
const AGENTS = { pam: 'pam_duo_ts', login_duo: 'login_duo_ts' } as const;

/**
 * Opens the application. This is the last step of a login that reads files; afterwards the engine drops the permission.
 * @param notify receives messages about waits, for the user
 * @param program the program that runs the login
 * @param serviceCache shared by the logins of this process; absent: this login has its own connections
 * @throws DuoHandleError when cafile, the system's certificates or http_proxy cannot be used
 */
export async function openDuo(
  settings: DuoSettings,
  notify: (text: string) => void,
  program: ConfigSource['program'] | Product,
  serviceCache?: ServiceCache,
): Promise<DuoApi> {
  const { ikey, httpsTimeout } = settings;
  const product = typeof program === 'string' ? `${AGENTS[program]}/${RELEASE}` : program.product;
  return createClient({
    ...serviceOf(settings),
    // A single login saves the round trip of a ping; Duo rejects a wrong timestamp, and the client then corrects it.
    ...(serviceCache === undefined ? { trustsClock: true } : { serviceCache }),
    ikey,
    skey: skeyOf(settings),
    timeout: httpsTimeout * 1000,
    userAgent: userAgent(product, !settings.disableCaPinning),
    clock: systemClock,
    notify,
  });
}

/**
 * The key: of the configuration, or from its file, which only root and the engine's user can read.
 * @throws DuoHandleError when the file cannot be used
 */
export function skeyOf({ skey, skeyFile: file = '' }: Pick<DuoSettings, 'skey' | 'skeyFile'>): Secret {
  if (skey !== undefined) return skey;
  const credentials = process.env['CREDENTIALS_DIRECTORY'];
  const problem = (why: string) => new DuoHandleError(`skey_file ${file} can't be used (${why})`);
  if (file.startsWith('%d/') && credentials === undefined)
    throw problem('systemd gave this engine no credentials');
  const own = process.geteuid?.() ?? 0;
  let text: string;
  try {
    // systemd may give a credential to the service's user.
    text = readOwned(
      file.replace(/^%d(?=\/)/, () => credentials ?? ''),
      file.startsWith('%d/') ? [0, own] : [0],
      0o004,
    );
  } catch (error) {
    if (!(error instanceof OwnedFileError)) throw error;
    throw problem(error.message);
  }
  const key = text.trim();
  if (key === '' || /\s/.test(key)) throw problem('it must hold one line, the key');
  return new Secret(key);
}

/**
 * Connects to the service of the configuration before the first login, and stays connected.
 * @throws DuoHandleError when cafile, the system's certificates or http_proxy cannot be used
 */
export async function keepConnected(config: Config, serviceCache: ServiceCache): Promise<void> {
  serviceCache.preconnect({ ...serviceOf(config), clock: systemClock });
}

/** What a client needs to know of the service. @throws DuoHandleError as above */
export function serviceOf(settings: DuoSettings) {
  const { host, port, minTls, httpProxy } = settings;
  const trust = settings.trust ?? loadTrust(settings);
  return { host, port, trust, minTls, ...(httpProxy === undefined ? {} : { proxy: parseProxy(httpProxy) }) };
}
