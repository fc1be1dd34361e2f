/**
 * A small part of `npm run soak`, which keeps the soak itself working: few logins with every kind of fault.
 */
import test from 'ava';
import { soak } from '../../bench/soak/soak.ts';
import { setUp } from './machine.ts';

test.before(() => setUp());

test('no login is lost or answered wrongly under random faults, including a killed engine', async (t) => {
  const seed = 1;
  const result = await soak({
    logins: 400,
    atOnce: 60,
    seed,
    rounds: 1,
    killed: { asked: 20, before: 4, moving: 10 },
    settle: false,
    say: () => {},
  });
  t.log(`seed ${seed}: ${result.seconds.toFixed(1)} seconds, ${result.turnedAway} tries turned away`);
  t.deepEqual(result.wrong, [], result.log);
  // It did what it says.
  const logins = [...result.ends.values()].reduce((sum, count) => sum + count, 0);
  t.is(logins, 400);
  t.is(result.pam, 8);
  t.true(result.guests > 6000);
  t.is(result.killed.length, 34);
  t.true((result.ends.get('fine: 1') ?? 0) > 50 && (result.ends.get('fine: 2') ?? 0) > 20);
});
