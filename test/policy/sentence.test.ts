import test from 'ava';
import { sentence } from '../../src/policy/sentence.ts';

const table: readonly [Parameters<typeof sentence>, string][] = [
  [['Hello'], 'Hello'],
  [['Hello', { user: 'alice' }], "Hello for 'alice'"],
  [['Hello', { user: 'alice', host: '192.0.2.7', error: 'why' }], "Hello for 'alice' from 192.0.2.7: why"],
  [['Hello', { host: '', error: '' }], 'Hello'],
  [['Hello', { user: '' }], "Hello for ''"],
  [['Hello', { error: 'HTTP 503' }], 'Hello: HTTP 503'],
];
for (const [parts, line] of table) {
  test(`${JSON.stringify(parts)} is logged as: ${line}`, (t) => t.is(sentence(...parts), line));
}

test('one event is one line, with any content', (t) => {
  const evil = "x'\r\n\u001b[2J\u009b\u0000\u202e";
  const line = sentence(evil, { user: evil, host: evil, error: evil });
  t.notRegex(line, /[\p{Cc}\u202e]/u);
});
