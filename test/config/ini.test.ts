import test from 'ava';
import fc from 'fast-check';
import { readIni } from '../../src/config/ini.ts';

/** Each entry as `line name=value`; `?` is an invalid line. */
function read(text: string): string[] {
  return [...readIni(text)].map(({ line, name, value }) =>
    name === undefined ? `${line} ?` : `${line} ${name}=${value}`,
  );
}

const table: readonly [string, string, readonly string[]][] = [
  ['nothing', '', []],
  ['comments and empty lines', '; a\n# b\n\n  \n', []],
  ['a setting with = and one with :', 'a = 1\nb: 2', ['1 a=1', '2 b=2']],
  ['the first = or : ends the name', 'a = b = c\nd: e=f', ['1 a=b = c', '2 d=e=f']],
  ['a section is no setting', '[duo]\na = 1', ['2 a=1']],
  [
    'a comment behind a value needs white space',
    'a = 1 ; x\nb = 1;2\nc = #3',
    ['1 a=1', '2 b=1;2', '3 c=#3'],
  ],
  ['an empty value', 'a =', ['1 a=']],
  [
    'a semicolon that begins a value is the value’s',
    'a = ; b\nc =;d ; e\nf = ; ; g',
    ['1 a=; b', '2 c=;d', '3 f=;'],
  ],
  ['an indented line goes on with the setting above', 'a = 1\n  2\n\tb = 3', ['1 a=1', '2 a=2', '3 a=b = 3']],
  ['a comment between is no end', 'a = 1\n  ; x\n  2', ['1 a=1', '3 a=2']],
  ['after a section nothing goes on', 'a = 1\n[duo]\n  b = 2', ['1 a=1', '3 b=2']],
  ['a line that says nothing', 'a = 1\nnonsense\nb = 2', ['1 a=1', '2 ?', '3 b=2']],
  ['lines that end as Windows has it', '[duo]\r\na = 1\r\n\r\nb = 2\r\n', ['2 a=1', '4 b=2']],
  ['a mark before the first line', '\ufeff[duo]\na = 1', ['2 a=1']],
  ['the last line without an end', 'a = 1', ['1 a=1']],
];
for (const [name, text, entries] of table) {
  test(name, (t) => t.deepEqual(read(text), entries));
}

test('any text is read to its end, line by line', (t) => {
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('a = 1', ' x', '[duo]', '[', '; c', '=', ' = '),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
      const text = lines.join('\n');
      const entries = [...readIni(text)];
      const count = text.split('\n').length;
      let last = 0;
      for (const entry of entries) {
        t.true(entry.line > last && entry.line <= count);
        t.notRegex(entry.value, /\n/);
        last = entry.line;
      }
    }),
  );
});

test('parsing time is linear in the length of a line', (t) => {
  const [entry] = readIni(`a = b ;${' '.repeat(60_000)}x${' '.repeat(5_000)}`);
  t.is(entry?.value, 'b');
  const [plain] = readIni(`a =${' '.repeat(60_000)}x`);
  t.is(plain?.value, 'x');
});
