/**
 * Cases that golden.test.ts cannot express as files: split streams, memory, and frames that cannot be sent.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import {
  decodeFrame,
  encodeFrame,
  FIELDS,
  type Field,
  FrameError,
  FrameReader,
  FrameType,
  MAX_FRAME,
  MAX_HOST_FRAME,
} from '../../src/bridge/frame.ts';

const status = (text: string) => encodeFrame(FrameType.status, [['text', text]]);

/** The frames that a reader finds in chunks. */
function readAll(chunks: readonly Buffer[], limit = MAX_HOST_FRAME): string[] {
  const reader = new FrameReader(limit);
  return chunks.flatMap((chunk) => [...reader.push(chunk)].map((frame) => frame.text('text')));
}

test('a stream split at any point has the same frames', (t) => {
  const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((value) => !value.includes('\0'));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), fc.array(fc.nat(400)), (texts, cuts) => {
      const bytes = Buffer.concat(texts.map(status));
      const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort(
        (a, b) => a - b,
      );
      const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      t.deepEqual(readAll(chunks), texts);
    }),
  );
});

test('any input is frames or a FrameError', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
      try {
        decodeFrame(Buffer.from(noise));
      } catch (error) {
        t.true(error instanceof FrameError);
      }
    }),
  );
});

test('a changed byte in a frame never crashes the reader', (t) => {
  const fields: Field[] = [
    ['outcome', 3],
    ['code', 2],
    ['error', 'no'],
  ];
  const verdict = encodeFrame(FrameType.verdict, fields).subarray(4);
  fc.assert(
    fc.property(fc.nat(verdict.length - 1), fc.nat(255), (at, byte) => {
      const changed = Buffer.from(verdict);
      changed[at] = byte;
      try {
        decodeFrame(changed);
      } catch (error) {
        t.true(error instanceof FrameError);
      }
    }),
  );
});

test('a reader knows whether it is between two frames', (t) => {
  const reader = new FrameReader(MAX_FRAME);
  const bytes = status('x');
  t.true(reader.idle);
  for (const byte of bytes.subarray(0, -1)) {
    t.is([...reader.push(Buffer.of(byte))].length, 0);
    t.false(reader.idle);
  }
  t.is([...reader.push(bytes.subarray(-1))].length, 1);
  t.true(reader.idle);
});

test('a length above the limit is refused after its four bytes', (t) => {
  for (const [limit, length] of [
    [MAX_FRAME, MAX_FRAME + 1],
    [MAX_HOST_FRAME, MAX_HOST_FRAME + 1],
    [MAX_HOST_FRAME, 0xffff_ffff],
  ] as const) {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(length);
    t.throws(() => [...new FrameReader(limit).push(head)], {
      instanceOf: FrameError,
      message: `a frame of ${length} bytes is too long`,
    });
  }
});

test('only FACTS may exceed the length of other frames', (t) => {
  const text = (bytes: number) => 'x'.repeat(bytes - 6);
  t.is(decodeFrame(status(text(MAX_FRAME)).subarray(4)).text('text').length, MAX_FRAME - 6);
  const tooLong = { instanceOf: FrameError, message: /too long$/ };
  t.throws(() => status(text(MAX_FRAME + 1)), tooLong);
  const facts = encodeFrame(FrameType.facts, [['configText', text(MAX_HOST_FRAME)]]);
  t.is(facts.length, 4 + MAX_HOST_FRAME);
  t.throws(() => encodeFrame(FrameType.facts, [['configText', text(MAX_HOST_FRAME + 1)]]), tooLong);
  const answer = Buffer.from(facts.subarray(4));
  answer[0] = FrameType.answer;
  t.throws(() => decodeFrame(answer), tooLong);
});

test('a field that nearly fits its frame is refused', (t) => {
  const body = Buffer.from(status('abc').subarray(4));
  for (const length of [4, 5, 0x7fff_ffff, 0xffff_ffff]) {
    body.writeUInt32BE(length, 2);
    t.throws(() => decodeFrame(body), { instanceOf: FrameError, message: 'a field runs past its frame' });
  }
});

const unsendable: readonly [string, FrameType, Field, RegExp][] = [
  ["another type's field", FrameType.status, ['outcome', 1], /outcome is not of type 67/],
  ['a text with NUL', FrameType.status, ['text', 'a\0b'], /text holds NUL/],
  ['a number for a text', FrameType.status, ['text', 1], /text is of another kind/],
  ['a text for a number', FrameType.verdict, ['outcome', '1'], /outcome is of another kind/],
  ['a negative number', FrameType.verdict, ['outcome', -1], /outcome is not a 32-bit number/],
  ['a broken number', FrameType.verdict, ['outcome', 1.5], /outcome is not a 32-bit number/],
  ['no number', FrameType.verdict, ['outcome', Number.NaN], /outcome is not a 32-bit number/],
  ['a large number', FrameType.facts, ['deadline', 2 ** 32], /deadline is not a 32-bit number/],
];
for (const [name, type, field, message] of unsendable) {
  test(`${name} is not sent`, (t) => {
    t.throws(() => encodeFrame(type, [field]), { instanceOf: FrameError, message });
  });
}

test('a frame too long for its type is refused before its body arrives', (t) => {
  const head = Buffer.of(0, 0, 0x40, 1, FrameType.answer);
  t.throws(() => [...new FrameReader(MAX_HOST_FRAME).push(head)], {
    instanceOf: FrameError,
    message: `a frame of type ${FrameType.answer} is too long`,
  });
  t.throws(() => [...new FrameReader(MAX_HOST_FRAME).push(Buffer.of(0, 0, 0, 9, 200))], {
    instanceOf: FrameError,
    message: 'unknown frame type 200',
  });
});

test('input that arrives byte by byte is not stored as one object per byte', async (t) => {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  if (typeof gc !== 'function') throw new Error('no gc');
  const reader = new FrameReader(MAX_HOST_FRAME);
  const frame = encodeFrame(FrameType.facts, [['command', 'x'.repeat(1000)]]);
  const read: unknown[] = [];
  const pieces = Array.from(frame.subarray(0, -1), (byte) => {
    const piece = Buffer.alloc(1, byte);
    read.push(...reader.push(piece));
    return new WeakRef(piece);
  });
  await new Promise((resolve) => setImmediate(resolve));
  gc();
  t.true(pieces.filter((piece) => piece.deref() !== undefined).length <= 100);
  read.push(...reader.push(frame.subarray(-1)));
  t.is(read.length, 1);
});

test('an absent field is an error where it is required, and undefined elsewhere', (t) => {
  const frame = decodeFrame(Buffer.of(FrameType.verdict));
  t.throws(() => frame.number('outcome'), { instanceOf: FrameError, message: 'field outcome is missing' });
  t.throws(() => frame.text('error'), { instanceOf: FrameError, message: 'field error is missing' });
  t.is(frame.optionalNumber('outcome'), undefined);
  t.is(frame.optionalText('error'), undefined);
  t.deepEqual(frame.texts('error'), []);
});

for (const [name, { tag, kind }] of Object.entries(FIELDS)) {
  if (kind === 'number') continue;
  test(`${name} that is not UTF-8 is ${kind === 'foreign' ? 'read as ISO 8859-1' : 'refused'}`, (t) => {
    const [type] = Object.values(FrameType).filter((each) => {
      try {
        return (
          decodeFrame(Buffer.of(each, tag, 0, 0, 0, 1, 0x78)).texts(name as keyof typeof FIELDS)[0] === 'x'
        );
      } catch {
        return false;
      }
    });
    if (type === undefined) throw new Error(`no frame has ${name}`);
    const body = Buffer.of(type, tag, 0, 0, 0, 2, 0x67, 0xfc);
    if (kind === 'foreign') t.is(decodeFrame(body).text(name as keyof typeof FIELDS), 'gü');
    else t.throws(() => decodeFrame(body), { instanceOf: FrameError, message: `tag ${tag} is not UTF-8` });
  });
}

test('an error shows no content of the frame', (t) => {
  const secret = 'skey = never-to-be-seen';
  for (const body of [
    Buffer.concat([Buffer.of(FrameType.facts, 35, 0, 0, 0, 250), Buffer.from(secret)]),
    Buffer.concat([Buffer.of(FrameType.facts, 35, 0, 0, 0, secret.length + 1), Buffer.from(`${secret}\0`)]),
    Buffer.concat([Buffer.of(FrameType.answer, 35), Buffer.from(secret)]),
  ]) {
    const error = t.throws(() => decodeFrame(body), { instanceOf: FrameError });
    t.false(String(error?.stack).includes('never'));
  }
});
