/** Certificates for the simulated service, valid and invalid ones, made at its start. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** Kinds of server certificates: a valid one, and those that a client must or may refuse. */
export const CERTIFICATE_KINDS = [
  'good',
  'expired',
  'not-yet-valid',
  'wrong-name',
  'name-in-cn',
  'utf8-name-in-cn',
  'self-signed',
] as const;
export type CertificateKind = (typeof CERTIFICATE_KINDS)[number];

export interface Certificates {
  /** PEM of the authority for clients. */
  readonly ca: string;
  /** PEM of the server's certificate and of its key. */
  readonly cert: string;
  readonly key: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** Makes an authority and a certificate for these names and addresses. */
export async function makeCertificates(
  kind: CertificateKind,
  names: readonly string[],
  addresses: readonly string[],
  now: number,
): Promise<Certificates> {
  const caKeys = await newKeys();
  const valid = { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + 365 * DAY_MS) };
  const ca = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=Simulated Duo authority',
    ...valid,
    signingAlgorithm: ALGORITHM,
    keys: caKeys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  const keys = await newKeys();
  const later = { notBefore: new Date(now + DAY_MS), notAfter: new Date(now + 30 * DAY_MS) };
  const expired = { notBefore: new Date(now - 30 * DAY_MS), notAfter: new Date(now - DAY_MS) };
  const subject = kind === 'wrong-name' ? 'elsewhere.example.test' : (names[0] ?? 'localhost');
  const leaf = {
    serialNumber: '02',
    ...(kind === 'expired' ? expired : kind === 'not-yet-valid' ? later : valid),
    signingAlgorithm: ALGORITHM,
    extensions: alternativeNames(kind, names, addresses),
  };
  const certificate =
    kind === 'self-signed'
      ? await X509CertificateGenerator.createSelfSigned({ ...leaf, name: `CN=${subject}`, keys })
      : await X509CertificateGenerator.create({
          ...leaf,
          // The library would write a PrintableString. OpenSSL writes a UTF8String.
          subject:
            kind === 'utf8-name-in-cn' ? new Name([{ CN: [{ utf8String: subject }] }]) : `CN=${subject}`,
          issuer: ca.subject,
          publicKey: keys.publicKey,
          signingKey: caKeys.privateKey,
        });
  return { ca: ca.toString('pem'), cert: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
}

function alternativeNames(
  kind: CertificateKind,
  names: readonly string[],
  addresses: readonly string[],
): Extension[] {
  switch (kind) {
    case 'name-in-cn':
    case 'utf8-name-in-cn':
      return [];
    case 'wrong-name':
      return [new SubjectAlternativeNameExtension([{ type: 'dns', value: 'elsewhere.example.test' }])];
    case 'good':
    case 'expired':
    case 'not-yet-valid':
    case 'self-signed':
      return [
        new SubjectAlternativeNameExtension([
          ...names.map((value) => ({ type: 'dns' as const, value })),
          ...addresses.map((value) => ({ type: 'ip' as const, value })),
        ]),
      ];
  }
}

function newKeys() {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
}
