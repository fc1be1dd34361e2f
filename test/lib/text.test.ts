import test from 'ava';
import fc from 'fast-check';
import { cleanText } from '../../src/lib/text.ts';

const table: readonly [string, string, string][] = [
  ['tab and newline', 'a\tb\n', 'a\tb\n'],
  ['words of any language', 'Größe 漢字 🔐', 'Größe 漢字 🔐'],
  ['carriage return', 'good\rbad', 'good?bad'],
  ['escape', '\u001b[2Jx', '?[2Jx'],
  ['DEL', 'a\u007f', 'a?'],
  ['C1: CSI in one byte', '\u009b2Jx', '?2Jx'],
  ['NUL, vertical tab, form feed', '\0\v\f', '???'],
  ['marks that turn writing round', '\u202ecod\u2066.exe\u2069', '?cod?.exe?'],
  ['half a surrogate pair', 'a\ud800', 'a\ufffd'],
];
for (const [name, from, to] of table) {
  test(`cleanText: ${name}`, (t) => t.is(cleanText(from), to));
}

test('the result has no control characters, and cleaning it again changes nothing', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const clean = cleanText(text);
      t.notRegex(clean, /(?![\t\n])[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      t.is(cleanText(clean), clean);
    }),
  );
});
