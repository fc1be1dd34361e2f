/** Who may vouch for Duo's service: the anchors of anchors.ts, a file of the administrator's, or nobody at all. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { PeerCertificate } from 'node:tls';
import { checkServerIdentity } from 'node:tls';
import { ANCHORS, type Anchor } from './anchors.ts';
import { DuoHandleError } from './errors.ts';

/** `authorities` are PEM texts; `none` means that no certificate is verified. */
export type Trust =
  | { readonly kind: 'authorities'; readonly pem: readonly string[] }
  | { readonly kind: 'none' };

export interface TrustOptions {
  /** PEM file that replaces Duo's authorities; empty: no verification. */
  readonly cafile: string | undefined;
  readonly noverify: boolean;
}

/** Where Debian and its kin keep all authorities in one file, and where Fedora and its kin do. */
const SYSTEM_STORES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Reads what the configuration trusts.
 * @throws DuoHandleError when cafile can't be read or holds no certificate
 */
export async function loadTrust({ cafile, noverify }: TrustOptions): Promise<Trust> {
  if (noverify || cafile === '') return { kind: 'none' };
  if (cafile === undefined) return { kind: 'authorities', pem: await duoAuthorities() };
  let text: string;
  try {
    text = await readFile(cafile, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new DuoHandleError(`Couldn't open Duo API handle: cafile ${cafile} can't be read (${code})`);
  }
  const pem = text.match(CERTIFICATE) ?? [];
  if (pem.length === 0 || !pem.every(isCertificate)) {
    throw new DuoHandleError(`Couldn't open Duo API handle: cafile ${cafile} holds no usable certificates`);
  }
  return { kind: 'authorities', pem };
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

async function duoAuthorities(): Promise<string[]> {
  const held = ANCHORS.flatMap(({ der }) => (der === undefined ? [] : [pemOf(der)]));
  const wanted = ANCHORS.filter(({ der }) => der === undefined);
  return [...held, ...(await fromSystem(wanted))];
}

/** Anchors that only the system has. One that is nowhere is not trusted: fewer authorities are no danger. */
async function fromSystem(wanted: readonly Anchor[]): Promise<string[]> {
  for (const store of SYSTEM_STORES) {
    const text = await readFile(store, 'latin1').catch(() => '');
    if (text === '') continue;
    return (text.match(CERTIFICATE) ?? []).filter((pem) => {
      const fingerprint = createHash('sha256').update(derOf(pem)).digest('hex');
      return wanted.some(({ sha256 }) => sha256 === fingerprint);
    });
  }
  return [];
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
}

/** An anchor's certificate as PEM. */
export function pemOf(der: string): string {
  const lines = der.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/**
 * True when the certificate was made for this host: by its subject alternative names, or, where it has none at all, by
 * its common name, as private deployments still have them.
 */
export function namesHost(certificate: PeerCertificate, host: string): boolean {
  return checkServerIdentity(host, certificate) === undefined;
}
