import test from 'ava';
import { mappedName, parseUsernameMap, UsernameMapError } from '../../src/config/username-map.ts';

const MAP = parseUsernameMap(
  '; names\nalice = alice.smith@example.com\nroot = !\nbert : b$&{user}\n* = {user}@example.com\n',
  'F',
);

for (const [account, name] of [
  ['alice', 'alice.smith@example.com'],
  ['root', '!'],
  ['bert', 'b$&bert'],
  ['$&', '$&@example.com'],
  ['Alice', 'Alice@example.com'],
] as const) {
  test(`the Duo name of ${account}`, (t) => {
    t.is(mappedName(MAP, account), name);
  });
}

test('without * other accounts have no entry', (t) => {
  t.is(mappedName(parseUsernameMap('alice = a\n', 'F'), 'bert'), undefined);
});

for (const [text, message] of [
  ['alice', 'F, line 1: a line must be ACCOUNT = NAME'],
  ['alice = a\n= b', 'F, line 2: a line must be ACCOUNT = NAME'],
  ['alice =', 'F, line 1: a line must be ACCOUNT = NAME'],
  ['alice = a\n\nalice = b', 'F, line 3: alice has a name already'],
  ['alice = a\n  b', 'F, line 2: alice has a name already'],
] as const) {
  test(`an error: ${JSON.stringify(text)}`, (t) => {
    t.throws(() => parseUsernameMap(text, 'F'), { instanceOf: UsernameMapError, message });
  });
}
