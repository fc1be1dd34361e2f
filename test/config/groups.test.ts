import test from 'ava';
import { parseGroups } from '../../src/config/groups.ts';

/** Lists as in a configuration, one a line; negations with `!`. */
function read(value: string): string[][] {
  return parseGroups(value).map((list) =>
    list.map(({ negated, pattern }) => `${negated ? '!' : ''}${pattern}`),
  );
}

const table: readonly [string, readonly string[][]][] = [
  ['', []],
  ['  ', []],
  ['wheel', [['wheel']]],
  ['wheel admin', [['wheel'], ['admin']]],
  ['wheel,!ops', [['wheel', '!ops']]],
  ['*,!ops  admin', [['*', '!ops'], ['admin']]],
  ['domain\\ users', [['domain users']]],
  ['domain\\ users,!domain\\ guests x', [['domain users', '!domain guests'], ['x']]],
  ['a,,b', [['a', 'b']]],
  ['a,!', [['a']]],
  ['!!a', [['!!a']]],
  ['a\tb', [['a'], ['b']]],
];
for (const [value, lists] of table) {
  test(`'${value}'`, (t) => t.deepEqual(read(value), lists));
}
