/**
 * Which certificates are trusted: the authorities of anchors.ts, a file of the administrator's, the system's store, or
 * any certificate.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { PeerCertificate } from 'node:tls';
import { checkServerIdentity } from 'node:tls';
import { OwnedFileError, readOwned } from '../lib/owned-file.ts';
import { ANCHORS } from './anchors.ts';
import { DuoHandleError } from './errors.ts';
import { codeOf } from './local.ts';

/** `authorities` are PEM texts; `none` means that no certificate is verified. */
export type Trust =
  | {
      readonly kind: 'authorities';
      readonly pem: readonly string[];
      /** Accept the common name of a certificate without subject alternative names, as on private deployments. */
      readonly commonName?: true;
    }
  | { readonly kind: 'none' };

export interface TrustOptions {
  /** PEM file that replaces Duo's authorities. */
  readonly cafile: string | undefined;
  /** Verify nothing, whatever the other options say. */
  readonly noverify: boolean;
  /** The system's authorities replace Duo's. */
  readonly disableCaPinning?: boolean;
}

/** The system's certificate files, and their required owner. */
export interface SystemStore {
  readonly paths: readonly string[];
  readonly owner: number;
}

const SYSTEM_STORE: SystemStore = {
  paths: [
    // Debian, Arch and Alpine; Fedora and Red Hat; others.
    '/etc/ssl/certs/ca-certificates.crt',
    '/etc/pki/tls/certs/ca-bundle.crt',
    '/etc/ssl/cert.pem',
  ],
  owner: 0,
};

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Reads the trusted certificates of a configuration.
 * @throws DuoHandleError when cafile or the system's store cannot be read or holds no certificate
 */
export function loadTrust(
  { cafile, noverify, disableCaPinning = false }: TrustOptions,
  store = SYSTEM_STORE,
): Trust {
  if (noverify) return { kind: 'none' };
  if (disableCaPinning) return readStore(store);
  if (cafile === undefined) return { kind: 'authorities', pem: ANCHORS.map(({ der }) => pemOf(der)) };
  let text: string;
  try {
    // Synchronous, because a login would wait for libuv's threads.
    text = readFileSync(cafile, 'utf8');
  } catch (error) {
    throw new DuoHandleError(`cafile ${cafile} can't be read (${codeOf(error)})`);
  }
  return authoritiesIn(text, `cafile ${cafile} holds no usable certificates`);
}

/** The authorities of the first existing file with the right owner. */
function readStore({ paths, owner }: SystemStore): Trust {
  const problems: string[] = [];
  for (const path of paths) {
    let text: string;
    try {
      text = readOwned(path, [owner]);
    } catch (error) {
      if (!(error instanceof OwnedFileError)) throw error;
      problems.push(`${path} (${error.message})`);
      continue;
    }
    return { kind: 'authorities', pem: certificatesIn(text, `${path} holds no usable certificates`) };
  }
  throw new DuoHandleError(`disable_ca_pinning found no certificates of the system: ${problems.join(', ')}`);
}

/**
 * Trust in the certificates of a chosen PEM text.
 * @throws DuoHandleError with the complaint, when there is none or one is invalid
 */
export function authoritiesIn(text: string, complaint: string): Trust {
  return { kind: 'authorities', pem: certificatesIn(text, complaint), commonName: true };
}

function certificatesIn(text: string, complaint: string): readonly string[] {
  const pem = text.match(CERTIFICATE) ?? [];
  if (pem.length === 0 || !pem.every(isCertificate)) throw new DuoHandleError(complaint);
  return pem;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/** An authority's certificate as PEM. */
export function pemOf(der: string): string {
  const lines = der.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/**
 * True when the certificate is valid for this host: by its subject alternative names, or, if it has none and the trust
 * allows it, by its common name.
 */
export function namesHost(
  certificate: PeerCertificate,
  host: string,
  { commonName }: Pick<Extract<Trust, { kind: 'authorities' }>, 'commonName'>,
): boolean {
  const named = /(?:^|, )(?:DNS|IP Address):/.test(certificate.subjectaltname ?? '');
  if (!named && !commonName) return false;
  return checkServerIdentity(host, certificate) === undefined;
}
