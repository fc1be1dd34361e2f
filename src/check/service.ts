/** Duo's service as a configuration names it: name, addresses, certificate, clock and keys. */
import { isIP } from 'node:net';
import type { Config } from '../config/config.ts';
import { connectTls, hostHeader } from '../duo/connect.ts';
import { DuoError } from '../duo/errors.ts';
import { exchange } from '../duo/exchange.ts';
import { createLookUp, LookUpError } from '../duo/look-up.ts';
import { ping } from '../duo/ping.ts';
import { openReply } from '../duo/replies.ts';
import { DuoService, type DuoServiceOptions } from '../duo/service.ts';
import { authorization, duoDate } from '../duo/signature.ts';
import { userAgent } from '../duo/user-agent.ts';
import { systemClock } from '../lib/clock.ts';
import { RELEASE } from '../lib/release.ts';
import { serviceOf, skeyOf } from '../login/open-duo.ts';
import { Findings } from './finding.ts';

/** Milliseconds for one address, and for one reply. */
const ADDRESS_MS = 8000;
const REPLY_MS = 10_000;
/** Milliseconds between this machine's clock and Duo's: worth a warning; rejected by Duo. */
const WARN_MS = 10_000;
const REJECT_MS = 60_000;
const DAYS = 86_400_000;
const SOON_DAYS = 14;

export async function checkService(config: Config): Promise<Findings> {
  const findings = new Findings('duo');
  let options: DuoServiceOptions;
  try {
    options = { ...serviceOf(config), clock: systemClock };
  } catch (error) {
    if (!(error instanceof DuoError)) throw error;
    findings.error('duo-settings', error.message, 'Correct the option in the configuration.');
    return findings;
  }
  const addresses = await lookUp(options, findings);
  if (addresses === undefined) return findings;
  const reached = await checkAddresses(options, addresses, findings);
  if (reached.length > 0) await checkAnswers(options, reached, config, findings);
  return findings;
}

/** The addresses of the API host, or of the proxy. */
async function lookUp(
  { host, proxy }: DuoServiceOptions,
  findings: Findings,
): Promise<readonly string[] | undefined> {
  const name = proxy?.host ?? host;
  if (isIP(name) !== 0) return [name];
  try {
    const list = await createLookUp(systemClock)(name);
    findings.ok(
      'dns',
      `${name} has ${list.length === 1 ? 'the address' : 'the addresses'} ${list.join(', ')}`,
    );
    return list;
  } catch (error) {
    if (!(error instanceof LookUpError)) throw error;
    findings.error(
      'dns',
      `${name} cannot be looked up: ${error.message}`,
      `Check host${proxy ? ' and http_proxy' : ''} in the configuration, /etc/resolv.conf and the name server.`,
    );
    return undefined;
  }
}

function serviceAt(options: DuoServiceOptions, addresses: readonly string[]): DuoService {
  const resolver = {
    resolve: async () => ({ list: addresses, remembered: false }),
    forget: () => {},
  };
  return new DuoService(options, { idleMs: REPLY_MS, offsetMs: REPLY_MS, resolver });
}

/** The addresses that answer with a valid certificate. */
async function checkAddresses(
  options: DuoServiceOptions,
  addresses: readonly string[],
  findings: Findings,
): Promise<readonly string[]> {
  const reached: string[] = [];
  const failures: { address: string; text: string }[] = [];
  await Promise.all(
    addresses.map(async (address) => {
      // An address literal is its own name; a name is asked at this address.
      const { endpoint } = serviceAt(options, [address]);
      try {
        const socket = await connectTls(endpoint, AbortSignal.timeout(ADDRESS_MS));
        reached.push(address);
        checkLifetime(socket.getPeerCertificate().valid_to, findings);
        socket.destroy();
      } catch (error) {
        failures.push({ address, text: error instanceof DuoError ? error.message : 'no answer in time' });
      }
    }),
  );
  for (const { address, text } of failures) {
    const what = `${address}: ${text}`;
    if (reached.length > 0)
      findings.warn('address', what, 'Allow this address in the firewall: logins try each address.');
    else if (/certificate|name validation/i.test(text))
      findings.error(
        'certificate',
        what,
        'Something between this machine and Duo answers with another certificate, or the clock is wrong. A TLS-inspecting proxy needs cafile.',
      );
    else
      findings.error(
        options.proxy ? 'proxy' : 'connection',
        what,
        options.proxy
          ? 'Check http_proxy and that proxy.'
          : 'Allow outgoing TCP to port 443 in the firewall, or set http_proxy.',
      );
  }
  if (reached.length > 0)
    findings.ok('connection', `Duo answers at ${reached.join(', ')} with a valid certificate`);
  return reached;
}

function checkLifetime(validTo: string, findings: Findings): void {
  const days = Math.floor((Date.parse(validTo) - Date.now()) / DAYS);
  if (days < SOON_DAYS && !findings.list.some(({ id }) => id === 'certificate-expires'))
    findings.warn(
      'certificate-expires',
      `Duo's certificate expires in ${days} days`,
      'Duo renews it. On a private deployment renew it yourself.',
    );
}

async function checkAnswers(
  options: DuoServiceOptions,
  addresses: readonly string[],
  config: Config,
  findings: Findings,
): Promise<void> {
  const service = serviceAt(options, addresses);
  const signal = AbortSignal.timeout(2 * REPLY_MS);
  try {
    await ping(service, signal);
    const seconds = Math.round(service.offset / 1000);
    const clock = `this machine's clock is ${Math.abs(seconds)} seconds ${seconds > 0 ? 'behind' : 'ahead of'} Duo's`;
    if (Math.abs(service.offset) >= REJECT_MS)
      findings.error('clock', clock, 'Set the clock, and run a time service (systemd-timesyncd, chrony).');
    else if (Math.abs(service.offset) >= WARN_MS)
      findings.warn('clock', clock, 'Run a time service (systemd-timesyncd, chrony).');
    if (config.skeyFile?.startsWith('%d/')) {
      findings.ok('keys', `skey is the engine's credential ${config.skeyFile}, so it is not checked here`);
      return;
    }
    await checkKeys(service, config, signal);
    findings.ok('keys', 'Duo accepts ikey and skey');
  } catch (error) {
    if (!(error instanceof DuoError)) throw error;
    if (error.code === 'ERR_DUO_UNAUTHORIZED')
      findings.error(
        'keys',
        'Duo does not accept ikey and skey',
        'Copy both from the same UNIX Application in the Duo admin panel, and host too.',
      );
    else if (error.code === 'ERR_DUO_HANDLE')
      findings.error('skey-file', error.message, 'Create it with root as its owner: see pam_duo_ts.conf(5).');
    else
      findings.error(
        'duo-answer',
        `Duo's answer: ${error.message}`,
        'Try again; see https://status.duo.com.',
      );
  } finally {
    service.close();
  }
}

/** The call that checks the keys. @throws DuoError */
async function checkKeys(service: DuoService, config: Config, signal: AbortSignal): Promise<void> {
  const { ikey, host } = config;
  const skey = skeyOf(config);
  const date = duoDate(systemClock.now() + service.offset);
  const method = 'GET';
  const path = '/auth/v2/check';
  const connection = service.acquire();
  try {
    const reply = await exchange(connection, {
      method,
      path,
      body: '',
      headers: {
        Host: hostHeader(service.endpoint),
        'User-Agent': userAgent(`duo-ts/${RELEASE}`),
        'X-Duo-Date': date,
        Authorization: authorization(ikey, skey, { date, method, host, path, parameters: {} }),
      },
      timeout: REPLY_MS,
      signal,
    });
    openReply(reply);
  } finally {
    service.release(connection);
  }
}
