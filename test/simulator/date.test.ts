import test from 'ava';
import { parseDate } from '../../src/simulator/date.ts';

/** All of them are 2012-08-21T17:29:18Z, the date in the example of Duo's documentation. */
const AT = Date.UTC(2012, 7, 21, 17, 29, 18);
for (const text of [
  'Tue, 21 Aug 2012 17:29:18 -0000',
  'Tue, 21 Aug 2012 17:29:18 +0000',
  'Tue, 21 Aug 2012 17:29:18 GMT',
  'Tue, 21 Aug 2012 17:29:18 UT',
  'Tue, 21 Aug 2012 13:29:18 -0400',
  'Tue, 21 Aug 2012 13:29:18 EDT',
  'Tue, 21 Aug 2012 12:29:18 EST',
  'Tue, 21 Aug 2012 12:29:18 CDT',
  'Tue, 21 Aug 2012 11:29:18 CST',
  'Tue, 21 Aug 2012 11:29:18 MDT',
  'Tue, 21 Aug 2012 10:29:18 MST',
  'Tue, 21 Aug 2012 10:29:18 PDT',
  'Tue, 21 Aug 2012 09:29:18 PST',
  'Tue, 21 Aug 2012 22:59:18 +0530',
  'Wed, 22 Aug 2012 02:29:18 +0900',
  '21 Aug 2012 17:29:18 -0000',
  'TUE, 21 AUG 2012 17:29:18 gmt',
]) {
  test(`a valid date: ${text}`, (t) => t.is(parseDate(text), AT));
}

test('one-digit days, with or without a zero, and no seconds', (t) => {
  const at = Date.UTC(2026, 1, 1, 8, 5);
  for (const text of ['Sun, 1 Feb 2026 08:05:00 GMT', 'Sun, 01 Feb 2026 08:05 GMT'])
    t.is(parseDate(text), at);
});

test('the last day of a February', (t) => {
  t.is(parseDate('29 Feb 2024 23:59:59 +0000'), Date.UTC(2024, 1, 29, 23, 59, 59));
  t.is(parseDate('29 Feb 2026 23:59:59 +0000'), undefined);
});

for (const text of [
  '',
  'yesterday',
  '2012-08-21T17:29:18Z',
  '1345570158',
  'Mon, 21 Aug 2012 17:29:18 -0000',
  'Xyz, 21 Aug 2012 17:29:18 -0000',
  'Tue, 32 Aug 2012 17:29:18 -0000',
  'Tue, 0 Aug 2012 17:29:18 -0000',
  'Tue, 21 Foo 2012 17:29:18 -0000',
  'Tue, 21 Aug 12 17:29:18 -0000',
  'Tue, 21 Aug 2012 24:29:18 -0000',
  'Tue, 21 Aug 2012 17:60:18 -0000',
  'Tue, 21 Aug 2012 17:29:60 -0000',
  'Tue, 21 Aug 2012 17:29:18',
  'Tue, 21 Aug 2012 17:29:18 -400',
  'Tue, 21 Aug 2012 17:29:18 -0460',
  'Tue, 21 Aug 2012 17:29:18 CET',
  'Tue, 21 Aug 2012 17:29:18 -0000 x',
]) {
  test(`an invalid date: ${text}`, (t) => t.is(parseDate(text), undefined));
}
