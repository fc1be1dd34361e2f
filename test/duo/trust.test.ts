/** The authorities that may certify Duo: the pinned ones, and the effect of cafile. */
import { createHash, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerCertificate } from 'node:tls';
import test from 'ava';
import { ANCHORS } from '../../src/duo/anchors.ts';
import { DuoHandleError } from '../../src/duo/errors.ts';
import { loadTrust, namesHost, pemOf } from '../../src/duo/trust.ts';
import { makeCertificates } from '../../src/simulator/certificates.ts';
import { clientFor, never, simulatorFor } from '../lib/service.ts';

/** Duo's announced set of July 2026, written independently: CN, last day, SHA-256. */
const FACTS: readonly [string, string, string][] = [
  ['Amazon Root CA 1', '2038-01-17', '8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e'],
  ['Amazon Root CA 2', '2040-05-26', '1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4'],
  ['Amazon Root CA 3', '2040-05-26', '18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4'],
  ['Amazon Root CA 4', '2040-05-26', 'e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092'],
  [
    'Starfield Services Root Certificate Authority - G2',
    '2037-12-31',
    '568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5',
  ],
  [
    'DigiCert High Assurance EV Root CA',
    '2031-11-10',
    '7431e5f4c3c1ce4690774f0b61e05440883ba9a01ed00ba6abd7806ed3b118cf',
  ],
  [
    'DigiCert TLS ECC P384 Root G5',
    '2046-01-14',
    '018e13f0772532cf809bd1b17281867283fc48c6e13be9c69812854a490c1b05',
  ],
  [
    'DigiCert TLS RSA4096 Root G5',
    '2046-01-14',
    '371a00dc0533b3721a7eeb40e8419e70799d2b0a0f2c1d80693165f7cec4ad75',
  ],
  ['GlobalSign Root R46', '2046-03-20', '4fa3126d8d3a11d1c4855a4f807cbad6cf919d3a5a88b03bea2c6372d93c40c9'],
  ['GlobalSign Root E46', '2046-03-20', 'cbb9c44d84b8043e1050ea31a69f514955d7bfd2e2c6b49301019ad61d9f5058'],
  ['GTS Root R2', '2036-06-22', '8d25cd97229dbf70356bda4eb3cc734031e24cf00fafcfd32dc76eb5841c7ea8'],
  ['GTS Root R4', '2036-06-22', '349dfa4058c5e263123b398ae795573c4e1313c83fe68f93556cd5e8031b3c7d'],
  [
    'IdenTrust Commercial Root CA 1',
    '2034-01-16',
    '5d56499be4d2e08bcfcad08a3e38723d50503bde706948e42f55603019e528ae',
  ],
  [
    'Starfield Root Certificate Authority - G2',
    '2037-12-31',
    '2ce1cb0bf9d2f9e102993fbe215152c3b2dd0cabde1c68e5319b839154dbb7f5',
  ],
  [
    'IdenTrust Commercial Root TLS ECC CA 2',
    '2039-04-11',
    '983d826ba9c87f653ff9e8384c5413e1d59acf19ddc9c98cecae5fdea2ac229c',
  ],
];

test('the trust anchors are exactly the documented ones', (t) => {
  t.deepEqual(
    ANCHORS.map(({ sha256 }) => sha256),
    FACTS.map(([, , sha256]) => sha256),
  );
});

for (const [index, [name, expires, sha256]] of FACTS.entries()) {
  test(`anchor: ${name}`, (t) => {
    const anchor = ANCHORS[index];
    if (anchor === undefined) return t.fail();
    const certificate = new X509Certificate(pemOf(anchor.der));
    t.is(createHash('sha256').update(certificate.raw).digest('hex'), sha256);
    t.is(anchor.sha256, sha256);
    t.true(certificate.subject.split('\n').includes(`CN=${name}`));
    t.true(anchor.name.endsWith(`CN=${name}`));
    t.is(certificate.validToDate.toISOString().slice(0, 10), expires);
    t.is(anchor.expires, expires);
    t.true(certificate.ca);
    t.true(certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey));
  });
}

test('the anchors are renewed a year before the last one expires', (t) => {
  const year = 366 * 86_400_000;
  const soon = ANCHORS.filter(({ expires }) => Date.parse(expires) - Date.now() < year);
  for (const { name, expires } of soon) t.log(`${name} expires ${expires}: look for Duo's new set`);
  t.true(soon.length < ANCHORS.length, 'every anchor expires within a year');
});

test("Duo's anchors are the default, and a name in CN alone is refused there", async (t) => {
  const trust = loadTrust({ cafile: undefined, noverify: false });
  if (trust.kind !== 'authorities') return t.fail();
  t.is(trust.pem.length, FACTS.length);
  t.is(trust.commonName, undefined);
});

test('noverify accepts any certificate whatever else is set, and an empty cafile does not', async (t) => {
  const none = { kind: 'none' } as const;
  t.deepEqual(loadTrust({ cafile: '/nowhere', noverify: true }), none);
  t.deepEqual(loadTrust({ cafile: undefined, noverify: true, disableCaPinning: true }), none);
  t.throws(() => loadTrust({ cafile: '', noverify: false }), { instanceOf: DuoHandleError });
});

test('disable_ca_pinning uses the first system CA file that only root can write', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pam-duo-ts-trust-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const owner = process.getuid?.() ?? 0;
  const paths = ['first', 'second', 'third'].map((name) => join(directory, name));
  const [first = '', second = '', third = ''] = paths;
  const load = (uid = owner) =>
    loadTrust({ cafile: undefined, noverify: false, disableCaPinning: true }, { paths, owner: uid });
  const refused = (message: string, uid?: number) =>
    t.throws(() => load(uid), { instanceOf: DuoHandleError, message });
  const authority = async () => (await makeCertificates('good', ['a.test'], [], Date.now())).ca.trim();
  const [one, two] = [await authority(), await authority()];
  const pemOfStore = () => {
    const trust = load();
    return trust.kind === 'authorities' && trust.commonName === undefined ? trust.pem : undefined;
  };
  const none = 'disable_ca_pinning found no certificates of the system: ';
  refused(`${none}${paths.map((path) => `${path} (ENOENT)`).join(', ')}`);

  writeFileSync(third, `# three\n${two}\n\n# and\n${one}\n`, { mode: 0o644 });
  t.deepEqual(pemOfStore(), [two, one]);
  writeFileSync(second, one, { mode: 0o444 });
  t.deepEqual(pemOfStore(), [one]);
  chmodSync(second, 0o664);
  t.deepEqual(pemOfStore(), [two, one]);
  mkdirSync(first);
  // A directory is not a file, and files that others can write are not the system's.
  t.deepEqual(pemOfStore(), [two, one]);
  refused(
    `${none}${paths.map((path) => `${path} (others than root may write to it)`).join(', ')}`,
    owner + 1,
  );
  chmodSync(second, 0o644);
  writeFileSync(second, '');
  refused(`${second} holds no usable certificates`);

  const simulator = await simulatorFor(t);
  const [anchor] = ANCHORS.map(({ der }) => pemOf(der));
  writeFileSync(second, `${anchor}${simulator.ca}`);
  await clientFor(simulator, { trust: load() }).client.ping(never);
  for (const trust of [
    loadTrust({ cafile: undefined, noverify: false }),
    loadTrust({ cafile: third, noverify: false }),
  ]) {
    await t.throwsAsync(clientFor(simulator, { trust }).client.ping(never), {
      message: /certificate verify failed$/,
    });
  }
  const nameless = await simulatorFor(t, { certificate: 'name-in-cn' });
  writeFileSync(second, nameless.ca);
  await t.throwsAsync(clientFor(nameless, { trust: load() }).client.ping(never), {
    message: /Certificate name validation failed$/,
  });
});

test('cafile replaces the anchors', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pam-duo-ts-trust-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'ca.pem');
  const { ca } = await makeCertificates('good', ['a.test'], [], Date.now());
  const load = () => loadTrust({ cafile: path, noverify: false });
  const refused = (message: string) => t.throws(load, { instanceOf: DuoHandleError, message });

  writeFileSync(path, `# mine\n${ca}\n${ca}`);
  const trust = load();
  t.true(trust.kind === 'authorities' && trust.pem.length === 2 && trust.commonName === true);

  const unusable = `cafile ${path} holds no usable certificates`;
  for (const text of [
    '',
    'hello',
    ca.replace(/\n[^-]{64}/, ''),
    `${ca}${ca.replace('MII', 'AII')}`,
    ca.slice(0, -9),
  ]) {
    writeFileSync(path, text);
    refused(unusable);
  }
  rmSync(path);
  refused(`cafile ${path} can't be read (ENOENT)`);
});

/** The part of Node's peer certificate about names. */
function peer(CN: string, subjectaltname?: string): PeerCertificate {
  const certificate = { subject: { CN }, ...(subjectaltname === undefined ? {} : { subjectaltname }) };
  return certificate as PeerCertificate;
}

const NAMES: readonly [string, PeerCertificate, boolean, boolean][] = [
  // host, certificate: result under Duo's anchors, result with a cafile
  ['a.test', peer('x', 'DNS:a.test'), true, true],
  ['a.test', peer('x', 'DNS:b.test, DNS:a.test'), true, true],
  ['api.a.test', peer('x', 'DNS:*.a.test'), true, true],
  ['x.api.a.test', peer('x', 'DNS:*.a.test'), false, false],
  ['192.0.2.1', peer('x', 'IP Address:192.0.2.1'), true, true],
  ['192.0.2.1', peer('192.0.2.1', 'DNS:192.0.2.1'), false, false],
  ['a.test', peer('a.test', 'DNS:b.test'), false, false],
  ['a.test', peer('a.test'), false, true],
  ['a.test', peer('a.test', 'email:a@a.test'), false, true],
  ['a.test', peer('b.test'), false, false],
];
for (const [host, certificate, anchors, cafile] of NAMES) {
  test(`is ${host} ${certificate.subject.CN} ${certificate.subjectaltname ?? ''}`, (t) => {
    t.is(namesHost(certificate, host, {}), anchors);
    t.is(namesHost(certificate, host, { commonName: true }), cafile);
  });
}
