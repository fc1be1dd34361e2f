import test from 'ava';
import { BURST, Limits, MAX_EACH, MAX_OTHERS, MAX_ROOT, REFILL_MS } from '../../src/resident/limits.ts';
import { FakeClock } from '../lib/fake-clock.ts';

/** Admits a login and returns the decision, with a function that ends it. */
function admit(limits: Limits, uid: number) {
  const admission = limits.admit(uid);
  return { kind: admission.kind, leave: admission.kind === 'dropped' ? () => {} : admission.leave };
}

test('root is limited only by what one process can serve', (t) => {
  const limits = new Limits(new FakeClock());
  for (let uid = 1000; uid < 1000 + 2 * MAX_OTHERS; uid += 1) limits.admit(uid);
  const held = Array.from({ length: MAX_ROOT }, () => admit(limits, 0));
  t.true(held.every(({ kind }) => kind === 'admitted'));
  t.is(admit(limits, 0).kind, 'dropped');
  held[0]?.leave();
  held[0]?.leave();
  t.is(admit(limits, 0).kind, 'admitted');
  t.is(admit(limits, 0).kind, 'dropped');
});

test("a user has few concurrent logins and cannot use up another's", (t) => {
  const limits = new Limits(new FakeClock());
  const own = Array.from({ length: MAX_EACH }, () => admit(limits, 1000));
  t.true(own.every(({ kind }) => kind === 'admitted'));
  t.is(admit(limits, 1000).kind, 'refused');
  for (let more = 0; more < MAX_EACH; more += 1) admit(limits, 1000);
  t.is(admit(limits, 1000).kind, 'dropped');
  t.is(admit(limits, 1001).kind, 'admitted');
});

test('all users together have a limit', (t) => {
  const limits = new Limits(new FakeClock());
  for (let uid = 1000; uid < 1000 + MAX_OTHERS; uid += 1) t.is(admit(limits, uid).kind, 'admitted');
  t.is(admit(limits, 5000).kind, 'refused');
  for (let uid = 6000; uid < 6000 + MAX_OTHERS; uid += 1) admit(limits, uid);
  t.is(admit(limits, 7000).kind, 'dropped');
});

test('a user who logs in too often has to wait', async (t) => {
  const clock = new FakeClock();
  const limits = new Limits(clock);
  for (let login = 0; login < BURST; login += 1) {
    const { kind, leave } = admit(limits, 1000);
    t.is(kind, 'admitted');
    leave();
  }
  const refused = admit(limits, 1000);
  t.is(refused.kind, 'refused');
  refused.leave();
  await clock.advance(REFILL_MS);
  const again = admit(limits, 1000);
  t.is(again.kind, 'admitted');
  again.leave();
  t.is(admit(limits, 1000).kind, 'refused');
});

test('a user refused too often is disconnected without a message', async (t) => {
  const clock = new FakeClock();
  const limits = new Limits(clock);
  const kinds = () => {
    const { kind, leave } = admit(limits, 1000);
    leave();
    return kind;
  };
  const all = Array.from({ length: 2 * BURST + 5 }, kinds);
  t.deepEqual(all, [
    ...Array<string>(BURST).fill('admitted'),
    ...Array<string>(BURST).fill('refused'),
    ...Array<string>(5).fill('dropped'),
  ]);
  await clock.advance(REFILL_MS);
  // A dropped connection does not count: the next login is due at its usual time.
  t.deepEqual([kinds(), kinds(), kinds()], ['admitted', 'refused', 'dropped']);
});
