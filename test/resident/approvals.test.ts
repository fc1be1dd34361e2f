import test from 'ava';
import { Approvals } from '../../src/resident/approvals.ts';
import { FakeClock } from '../lib/fake-clock.ts';

const MINUTE = 60_000;

test('an approval is remembered for its time, and passes do not prolong it', async (t) => {
  const clock = new FakeClock();
  const approvals = new Approvals(clock);
  approvals.add('place', 'alice');
  t.is(approvals.age('place', MINUTE), 0);
  t.is(approvals.age('another place', MINUTE), undefined);
  await clock.advance(MINUTE - 1);
  t.is(approvals.age('place', MINUTE), MINUTE - 1);
  await clock.advance(1);
  t.is(approvals.age('place', MINUTE), undefined);
  approvals.add('place', 'alice');
  t.is(approvals.age('place', MINUTE), 0);
});

test('time in which the machine was suspended counts, and a clock that is set back prolongs nothing', (t) => {
  let now = 0;
  let monotonic = 0;
  const approvals = new Approvals({ now: () => now, monotonic: () => monotonic, sleep: async () => {} });
  approvals.add('place', 'alice');
  now = MINUTE;
  t.is(approvals.age('place', MINUTE), undefined);
  now = -MINUTE;
  t.is(approvals.age('place', MINUTE), 0);
  monotonic = MINUTE;
  t.is(approvals.age('place', MINUTE), undefined);
});

test('forget: one user, or all', (t) => {
  const approvals = new Approvals(new FakeClock());
  for (const place of ['a', 'b']) approvals.add(place, 'alice');
  approvals.add('c', 'bert');
  t.is(approvals.forget('carol'), 0);
  t.is(approvals.forget('alice'), 2);
  t.is(approvals.age('a', MINUTE), undefined);
  t.is(approvals.age('c', MINUTE), 0);
  t.is(approvals.forget(), 1);
  t.is(approvals.age('c', MINUTE), undefined);
});

test('the number of approvals is limited', (t) => {
  const approvals = new Approvals(new FakeClock());
  for (let place = 0; place < 10_010; place += 1) approvals.add(String(place), 'alice');
  t.is(approvals.age('9', MINUTE), undefined);
  t.is(approvals.age('10', MINUTE), 0);
  t.is(approvals.forget(), 10_000);
});
