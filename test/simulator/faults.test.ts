/** When each fault applies. test/duo/client.test.ts shows their effect on the wire. */
import test from 'ava';
import { type Fault, Faults } from '../../src/simulator/faults.ts';

test('a fault applies to its call, as often as requested', (t) => {
  const faults = new Faults();
  faults.add('auth', { kind: 'drop' }, 2);
  t.is(faults.take('preauth'), undefined);
  t.deepEqual(faults.take('auth'), { kind: 'drop' });
  t.deepEqual(faults.take('auth'), { kind: 'drop' });
  t.is(faults.take('auth'), undefined);
});

test('faults apply in order', (t) => {
  const faults = new Faults();
  faults.add('*', { kind: 'hang' }, 1);
  faults.add('ping', { kind: 'garbage' }, 1);
  faults.add('*', { kind: 'huge' });
  t.deepEqual(
    ['ping', 'ping', 'ping', 'auth'].map((call) => faults.take(call)?.kind),
    ['hang', 'garbage', 'huge', 'huge'],
  );
  faults.clear();
  t.is(faults.take('ping'), undefined);
});

test('missing fields of a fault have defaults', (t) => {
  const faults = new Faults();
  faults.add('*', { kind: 'status', status: 503 });
  t.deepEqual(faults.take('ping'), { kind: 'status', status: 503, body: '', headers: {} });
});

test('an unknown fault is refused', (t) => {
  for (const fault of [{ kind: 'explode' }, { kind: 'delay' }, { kind: 'drop', status: 1 }]) {
    const faults = new Faults();
    t.throws(() => {
      faults.add('*', fault as Fault);
      faults.take('ping');
    });
  }
});
