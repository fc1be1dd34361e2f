import { createRequire } from 'node:module';
import test from 'ava';
import fc from 'fast-check';
import { authorization, canonicalString, duoDate, encodeParameters } from '../../src/duo/signature.ts';
import { Secret } from '../../src/lib/secret.ts';

interface OfficialSignature {
  sign(
    ikey: string,
    skey: string,
    method: string,
    host: string,
    path: string,
    params: Record<string, string>,
    date: string,
  ): string;
}
const official: OfficialSignature = createRequire(import.meta.url)('@duosecurity/duo_api/lib/duo_sig.js');

const ikey = 'DIWJ8X6AEYOR5OMC6TQ1';
const skey = 'Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep';

test('the canonical string has five lines', (t) => {
  const parts = {
    date: duoDate(Date.UTC(2012, 7, 21, 17, 29, 18)),
    method: 'POST',
    host: 'API-XXXXXXXX.duosecurity.com',
    path: '/auth/v2/preauth',
    parameters: { username: 'a b', ipaddr: '::1' },
  } as const;
  t.is(
    canonicalString(parts),
    'Tue, 21 Aug 2012 17:29:18 -0000\nPOST\napi-xxxxxxxx.duosecurity.com\n/auth/v2/preauth\nipaddr=%3A%3A1&username=a%20b',
  );
});

test('all bytes but the unreserved ones are escaped, in upper case', (t) => {
  t.is(encodeParameters({ "!'()*~._-": '/é\u{1f511} +' }), '%21%27%28%29%2A~._-=%2F%C3%A9%F0%9F%94%91%20%2B');
  t.is(encodeParameters({ broken: '\ud800' }), 'broken=%EF%BF%BD');
});

test("our signatures equal those of Duo's own client", (t) => {
  const text = fc.string({ unit: 'grapheme' });
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ minLength: 1 }), text, { noNullPrototype: true }),
      fc.constantFrom('GET', 'POST'),
      fc.date({ min: new Date('1990-01-01'), max: new Date('2090-01-01'), noInvalidDate: true }),
      (parameters, method, date) => {
        const parts = {
          date: duoDate(date.getTime()),
          method,
          host: 'Api.Example.test',
          path: '/auth/v2/auth',
          parameters,
        };
        t.is(
          authorization(ikey, new Secret(skey), parts),
          official.sign(ikey, skey, method, parts.host, parts.path, parameters, parts.date),
        );
      },
    ),
  );
});
