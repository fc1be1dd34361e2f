/** Compared with the independent `bson` package. */
import test from 'ava';
import { deserialize, serialize } from 'bson';
import fc from 'fast-check';
import { encodeBson } from '../../src/simulator/bson.ts';

test('the example of bsonspec.org', (t) => {
  t.is(encodeBson({ hello: 'world' }).toString('latin1'), '\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0');
});

test('nested documents, numbers and Unicode text are encoded and decoded as by the bson package', (t) => {
  const { document } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, fc.string({ unit: 'grapheme' }), fc.integer(), tie('document')),
    document: fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), tie('value'), {
      maxKeys: 5,
      noNullPrototype: true,
    }),
  }));
  fc.assert(
    fc.property(document, (value) => {
      if (typeof value !== 'object' || value === null) throw new Error('not a document');
      const bytes = encodeBson(value);
      t.deepEqual(deserialize(bytes), value);
      t.deepEqual([...bytes], [...serialize(value)]);
    }),
    { numRuns: 200 },
  );
  t.pass();
});

test('an unsupported type is an error that names the field', (t) => {
  for (const value of [1.5, 2 ** 31, true, null, undefined, [], 1n]) {
    t.throws(() => encodeBson({ response: { odd: value } }), {
      instanceOf: TypeError,
      message: 'odd is no string, 32-bit integer or document',
    });
  }
});
