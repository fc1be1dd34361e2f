/** The frames of test/fixtures/frames, which the C tests read too. */
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import test from 'ava';
import {
  decodeFrame,
  encodeFrame,
  FIELDS,
  type Field,
  type FieldName,
  FrameError,
  FrameReader,
  FrameType,
  MAX_FRAME,
  MAX_HOST_FRAME,
} from '../../src/bridge/frame.ts';

/** `word rest` a line; `#` begins a comment. */
function read(path: string): (readonly [string, string])[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);
}

function one(lines: readonly (readonly [string, string])[], word: string): string {
  const found = lines.find(([name]) => name === word);
  if (found === undefined) throw new Error(`there is no ${word}`);
  return found[1];
}

const names = Object.keys(FIELDS) as FieldName[];

for (const path of globSync('test/fixtures/frames/*.frame')) {
  test(`${basename(path)} is decoded and encoded`, (t) => {
    const lines = read(path);
    const bytes = Buffer.from(one(lines, 'frame'), 'hex');
    const type = Object.values(FrameType).find((number) => String(number) === one(lines, 'type'));
    if (type === undefined) throw new Error('no such type');
    const frame = decodeFrame(bytes.subarray(4));
    t.is(frame.type, type);
    const fields: Field[] = lines
      .filter(([word]) => word === 'field')
      .map(([, rest]) => {
        const [tag, hex = ''] = rest.split(' ');
        const name =
          names.find(
            (each) => String(FIELDS[each].tag) === tag && (each !== 'answer') === (type !== FrameType.answer),
          ) ?? names.find((each) => String(FIELDS[each].tag) === tag);
        if (name === undefined) throw new Error(`no such tag: ${tag}`);
        const value = Buffer.from(hex, 'hex');
        return [name, FIELDS[name].kind === 'number' ? value.readUInt32BE() : value.toString()] as const;
      });
    for (const [name, value] of fields) {
      if (typeof value === 'number') t.is(frame.number(name), value);
      else t.true(frame.texts(name).includes(value), name);
    }
    t.deepEqual(encodeFrame(type, fields), bytes);
  });
}

for (const path of globSync('test/fixtures/frames/nonsense/*.frame')) {
  const lines = read(path);
  test(`nonsense/${basename(path)}: ${one(lines, 'why')}`, (t) => {
    const bytes = Buffer.from(one(lines, 'frame'), 'hex');
    const reader = new FrameReader(one(lines, 'from') === 'host' ? MAX_HOST_FRAME : MAX_FRAME);
    const type = bytes[4];
    if (type !== undefined && type < 64 !== (one(lines, 'from') === 'host') && type !== 0) {
      // A valid frame in the wrong direction: the reader must check its type.
      t.is([...reader.push(bytes)][0]?.type, type as FrameType);
      return;
    }
    t.throws(() => [...reader.push(bytes)], { instanceOf: FrameError });
  });
}
