/** PROTOCOL.md, frame.h and frame.ts name the same types and fields with the same numbers. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { encodeFrame, FIELDS, type FieldName, FrameType, PROTOCOL_VERSION } from '../../src/bridge/frame.ts';

const document = readFileSync('PROTOCOL.md', 'utf8');
const header = readFileSync('native/bridge/frame.h', 'utf8');

/** `accountName` as ACCOUNT_NAME. */
const constant = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
/** The text of ANSWER has another name in frame.ts, because it may hold bytes that are not UTF-8. */
const field = (name: string) => constant(name === 'answer' ? 'text' : name);
const sorted = (entries: Iterable<string>) => [...new Set(entries)].sort();

test('the version', (t) => {
  t.is(document.match(/^# The bridge protocol, version (\d+)$/m)?.[1], String(PROTOCOL_VERSION));
  t.is(header.match(/#define FRAME_VERSION (\d+)/)?.[1], String(PROTOCOL_VERSION));
});

test('the types of frames', (t) => {
  const typed = Object.entries(FrameType).map(([name, number]) => `${constant(name)}=${number}`);
  const enumeration = header.match(/enum frame_type \{(.*?)\}/s)?.[1] ?? '';
  const inC = [...enumeration.matchAll(/\bFRAME_(\w+) = (\d+),/g)].map(
    ([, name, number]) => `${name}=${number}`,
  );
  const described = [...document.matchAll(/^- (\d+) ([A-Z]+):/gm)].map(
    ([, number, name]) => `${name}=${number}`,
  );
  t.deepEqual(sorted(inC), sorted(typed));
  t.deepEqual(sorted(described), sorted(typed.map((each) => each.replace(/^(HOST|ENGINE)_/, ''))));
});

test('the fields, with their kinds', (t) => {
  const typed = Object.entries(FIELDS).map(([name, { tag, kind }]) => {
    return `${field(name)}=${tag} ${kind === 'foreign' ? 'bytes' : kind}`;
  });
  const inC = [...header.matchAll(/\bTAG_(\w+) = (\d+),/g)].map(([, name, tag]) => `${name}=${tag}`);
  const described = [...document.matchAll(/(\d+) `(\w+)` (number|text|bytes)/g)].map(
    ([, tag, name = '', kind]) => `${name.toUpperCase()}=${tag} ${kind}`,
  );
  t.deepEqual(sorted(inC), sorted(typed.map((each) => each.replace(/ .*/, ''))));
  t.deepEqual(sorted(described), sorted(typed));
});

/** The part of PROTOCOL.md that lists the fields of a type. */
function description(type: FrameType): string {
  if (type === FrameType.facts) return document.match(/^## FACTS$(.*?)^## /ms)?.[1] ?? '';
  return document.match(new RegExp(`^- ${type} [A-Z]+:(.*?)^(?:- |\n|$)`, 'ms'))?.[1] ?? '';
}

for (const [name, type] of Object.entries(FrameType)) {
  test(`the fields of ${name}`, (t) => {
    const allowed = (Object.keys(FIELDS) as FieldName[]).filter((name) => {
      try {
        encodeFrame(type, [[name, FIELDS[name].kind === 'number' ? 1 : 'x']]);
        return true;
      } catch {
        return false;
      }
    });
    const described = [...description(type).matchAll(/\d+ `(\w+)` (?:number|text|bytes)/g)].map(
      ([, each = '']) => each.toUpperCase(),
    );
    t.deepEqual(sorted(allowed.map(field)), sorted(described));
  });
}
