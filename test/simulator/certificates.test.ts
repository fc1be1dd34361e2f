import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import test from 'ava';
import { type CertificateKind, makeCertificates } from '../../src/simulator/certificates.ts';

const NOW = Date.UTC(2026, 0, 1);

interface Expected {
  readonly name: string | undefined;
  readonly byAuthority: boolean;
  readonly valid: boolean;
}
const kinds: Readonly<Record<CertificateKind, Expected>> = {
  good: { name: 'DNS:api.example.test, DNS:localhost, IP Address:127.0.0.1', byAuthority: true, valid: true },
  expired: {
    name: 'DNS:api.example.test, DNS:localhost, IP Address:127.0.0.1',
    byAuthority: true,
    valid: false,
  },
  'not-yet-valid': {
    name: 'DNS:api.example.test, DNS:localhost, IP Address:127.0.0.1',
    byAuthority: true,
    valid: false,
  },
  'wrong-name': { name: 'DNS:elsewhere.example.test', byAuthority: true, valid: true },
  'name-in-cn': { name: undefined, byAuthority: true, valid: true },
  'utf8-name-in-cn': { name: undefined, byAuthority: true, valid: true },
  'self-signed': {
    name: 'DNS:api.example.test, DNS:localhost, IP Address:127.0.0.1',
    byAuthority: false,
    valid: true,
  },
};
for (const [kind, { name, byAuthority, valid }] of Object.entries(kinds)) {
  test(`${kind}: the certificate has no other defect`, async (t) => {
    const names = ['api.example.test', 'localhost'];
    const made = await makeCertificates(kind as CertificateKind, names, ['127.0.0.1'], NOW);
    const certificate = new X509Certificate(made.cert);
    const authority = new X509Certificate(made.ca);
    t.true(authority.ca);
    t.false(certificate.ca);
    t.is(certificate.subjectAltName, name);
    t.is(certificate.subject, `CN=${kind === 'wrong-name' ? 'elsewhere.example.test' : 'api.example.test'}`);
    t.is(certificate.verify(authority.publicKey), byAuthority);
    t.is(certificate.verify(certificate.publicKey), !byAuthority);
    t.is(Date.parse(certificate.validFrom) <= NOW && NOW <= Date.parse(certificate.validTo), valid);
    t.notThrows(() => createSecureContext({ cert: made.cert, key: made.key }));
  });
}

test('the common name has the string type of its kind', async (t) => {
  // Tag 0x13 is a PrintableString, 0x0c a UTF8String; the length and the name follow.
  for (const [kind, tag] of [
    ['name-in-cn', 0x13],
    ['utf8-name-in-cn', 0x0c],
  ] as const) {
    const { cert } = await makeCertificates(kind, ['api.example.test'], [], NOW);
    const { raw } = new X509Certificate(cert);
    const name = Buffer.from('api.example.test');
    t.true(raw.includes(Buffer.concat([Buffer.of(tag, name.length), name])), kind);
  }
});
