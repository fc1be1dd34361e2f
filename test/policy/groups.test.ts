import test from 'ava';
import fc from 'fast-check';
import { parseGroups } from '../../src/config/groups.ts';
import { allNegated, needsFactor, wildcardMatches } from '../../src/policy/groups.ts';

const CASES: readonly [string, readonly string[], boolean][] = [
  ['', [], true],
  ['', ['users'], true],
  ['wheel', ['wheel'], true],
  ['wheel', ['users'], false],
  ['wheel', [], false],
  ['wheel', ['Wheel'], false],
  ['wh*', ['users', 'wheel'], true],
  ['wh??l', ['wheel'], true],
  ['wh?l', ['wheel'], false],
  ['wheel,adm', ['adm'], true],
  ['wheel adm', ['adm'], true],
  ['*,!staff', ['users'], true],
  ['*,!staff', ['users', 'staff'], false],
  ['!staff,*', ['users', 'staff'], false],
  ['*,!staff wheel', ['staff', 'wheel'], true],
  ['!staff', ['users'], false],
  ['!staff', ['staff'], false],
  ['!staff *', ['staff'], true],
  ['domain\\ users', ['domain users'], true],
  ['*\\ users', ['domain users'], true],
  [',', ['users'], true],
  ['a,!', ['a'], true],
];
for (const [value, groups, needed] of CASES) {
  test(`groups = ${value}: a member of ${groups.join(' and ') || 'nothing'} is${needed ? '' : ' not'} asked`, (t) => {
    t.is(needsFactor(groups, parseGroups(value)), needed);
  });
}

test('lists of negations alone are recognised', (t) => {
  for (const value of ['!a', '!a,!b', '!a !b,!c']) t.true(allNegated(parseGroups(value)), value);
  for (const value of ['', 'a', '!a,*', '!a b', ',']) t.false(allNegated(parseGroups(value)), value);
});

test('wildcards match like the equivalent regular expression', (t) => {
  const char = fc.constantFrom('a', 'b', '*', '?', '.', ' ', '\n', '\\', '$');
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', ' ', '\n', '\\', '$'), maxLength: 12 });
  fc.assert(
    fc.property(fc.string({ unit: char, maxLength: 8 }), text, (pattern, group) => {
      const model = new RegExp(
        `^${pattern
          .replace(/[.\\$^]/g, '\\$&')
          .replaceAll('*', '[^]*')
          .replaceAll('?', '[^]')}$`,
      );
      t.is(wildcardMatches(pattern, group), model.test(group));
    }),
    { numRuns: 2_000 },
  );
});

test('a list matches as documented', (t) => {
  const name = fc.constantFrom('a', 'b', 'c');
  const pattern = fc.record({ pattern: fc.constantFrom('a', 'b', '*', '?'), negated: fc.boolean() });
  const lists = fc.array(fc.array(pattern, { minLength: 1, maxLength: 4 }), { maxLength: 3 });
  fc.assert(
    fc.property(fc.array(name, { maxLength: 3 }), lists, (groups, given) => {
      const hits = ({ pattern: text }: { pattern: string }) =>
        groups.some((group) => /[*?]/.test(text) || text === group);
      const model = given.some(
        (list) =>
          list.some((item) => !item.negated && hits(item)) &&
          !list.some((item) => item.negated && hits(item)),
      );
      t.is(needsFactor(groups, given), given.length === 0 || model);
    }),
  );
});

test('many stars are matched without a long delay', (t) => {
  t.false(wildcardMatches('*a'.repeat(1_000), `${'a'.repeat(10_000)}b`));
});
