import test from 'ava';
import fc from 'fast-check';
import { originOf, pushinfoOf } from '../../src/policy/origin.ts';
import { parsed } from '../lib/config.ts';
import { factsOf } from '../lib/facts.ts';

const LOCAL = '192.0.2.1';
const table: readonly [
  string,
  string | undefined,
  boolean,
  string | undefined,
  string | undefined,
  boolean,
][] = [
  ['an address', '198.51.100.7', false, LOCAL, '198.51.100.7', false],
  ['an IPv6 address', '2001:db8::7', false, LOCAL, '2001:db8::7', false],
  ['a name', 'client.test', false, LOCAL, 'client.test', false],
  ['nothing', undefined, false, LOCAL, undefined, false],
  ['an empty text', '', false, LOCAL, undefined, false],
  ['an address, with a fallback', '198.51.100.7', true, LOCAL, '198.51.100.7', false],
  ['a name, with a fallback', 'client.test', true, LOCAL, LOCAL, true],
  ['no real address, with a fallback', '999.1.1.1', true, LOCAL, LOCAL, true],
  ['nothing, with a fallback', undefined, true, LOCAL, LOCAL, false],
  ['nothing, with a fallback on nothing', undefined, true, undefined, undefined, false],
  ['an empty text, with a fallback', '', true, LOCAL, LOCAL, false],
  ['a name, with a fallback on nothing', 'client.test', true, undefined, 'client.test', false],
];
for (const [name, rhost, fallback, local, ipaddr, replaced] of table) {
  test(`PAM_RHOST is ${name}`, (t) => {
    const facts = factsOf(rhost === undefined ? {} : { rhost });
    const config = parsed(fallback ? 'fallback_local_ip = yes' : '');
    t.deepEqual(originOf(facts, config, local), { ipaddr, replaced });
  });
}

test('the push shows the server and the command', (t) => {
  const command = '/bin/echo a&b=c é';
  const encoded = 'Command=%2Fbin%2Fecho%20a%26b%3Dc%20%C3%A9';
  t.is(pushinfoOf(command, LOCAL), `Server%20IP=192.0.2.1&${encoded}`);
  t.is(pushinfoOf(command, undefined), encoded);
  t.is(pushinfoOf(undefined, LOCAL), 'Server%20IP=192.0.2.1');
  t.is(pushinfoOf(undefined, undefined), '');
});

test('a command of any length is cut to fit, from its beginning', (t) => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40_000 }),
    fc.nat(30_000).map((length) => 'é'.repeat(length)),
    fc.nat(30_000).map((length) => '😀'.repeat(length)),
  );
  fc.assert(
    fc.property(text, (command) => {
      const pushinfo = pushinfoOf(command, undefined);
      t.true(Buffer.byteLength(pushinfo) < 20_000);
      const shown = new URLSearchParams(pushinfo).get('Command') ?? 'nothing';
      t.true(command.toWellFormed().startsWith(shown.replace(/\ufffd$/, '')));
    }),
    { numRuns: 50 },
  );
});
