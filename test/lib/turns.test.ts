import test from 'ava';
import { inTurns } from '../../src/lib/turns.ts';
import { settle } from './fake-clock.ts';

test('no more calls than that are under way at once, in order, and a failed one ends its turn too', async (t) => {
  const calls: { readonly name: string; readonly end: PromiseWithResolvers<string> }[] = [];
  const call = inTurns((name: string) => {
    const end = Promise.withResolvers<string>();
    calls.push({ name, end });
    return end.promise;
  }, 2);
  const results = ['a', 'b', 'c', 'd'].map((name) => call(name).catch((error: unknown) => String(error)));
  await settle();
  const begun = () => calls.map(({ name }) => name).join('');
  t.is(begun(), 'ab');
  calls[1]?.end.reject(new Error('no'));
  await settle();
  t.is(begun(), 'abc');
  calls[0]?.end.resolve('A');
  await settle();
  t.is(begun(), 'abcd');
  calls[2]?.end.resolve('C');
  calls[3]?.end.resolve('D');
  t.deepEqual(await Promise.all(results), ['A', 'Error: no', 'C', 'D']);
  void call('e');
  void call('f');
  void call('g');
  await settle();
  t.is(begun(), 'abcdef');
});
