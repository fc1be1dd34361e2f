/** Who may vouch for Duo's service: the anchors of anchors.ts, a file of the administrator's, or nobody at all. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { PeerCertificate } from 'node:tls';
import { checkServerIdentity } from 'node:tls';
import { ANCHORS } from './anchors.ts';
import { DuoHandleError } from './errors.ts';
import { codeOf } from './local.ts';

/** `authorities` are PEM texts; `none` means that no certificate is verified. */
export type Trust =
  | {
      readonly kind: 'authorities';
      readonly pem: readonly string[];
      /** A certificate without subject alternative names may have its name in CN, as on private deployments. */
      readonly commonName?: true;
    }
  | { readonly kind: 'none' };

export interface TrustOptions {
  /** PEM file that replaces Duo's authorities; empty: no verification. */
  readonly cafile: string | undefined;
  readonly noverify: boolean;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Reads what the configuration trusts.
 * @throws DuoHandleError when cafile can't be read or holds no certificate
 */
export async function loadTrust({ cafile, noverify }: TrustOptions): Promise<Trust> {
  if (noverify || cafile === '') return { kind: 'none' };
  if (cafile === undefined) return { kind: 'authorities', pem: ANCHORS.map(({ der }) => pemOf(der)) };
  let text: string;
  try {
    text = await readFile(cafile, 'utf8');
  } catch (error) {
    throw new DuoHandleError(`cafile ${cafile} can't be read (${codeOf(error)})`);
  }
  return authoritiesIn(text, `cafile ${cafile} holds no usable certificates`);
}

/**
 * The certificates of a PEM text.
 * @throws DuoHandleError with the complaint, when there are none, or one of them is no certificate
 */
export function authoritiesIn(text: string, complaint: string): Trust {
  const pem = text.match(CERTIFICATE) ?? [];
  if (pem.length === 0 || !pem.every(isCertificate)) throw new DuoHandleError(complaint);
  return { kind: 'authorities', pem, commonName: true };
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/** An anchor's certificate as PEM. */
export function pemOf(der: string): string {
  const lines = der.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/**
 * True when the certificate was made for this host: by its subject alternative names, or, where it has none at all and
 * the trust allows it, by its common name.
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
