/**
 * BSON documents (bsonspec.org) with the three types that replies of the legacy API use: strings, 32-bit
 * integers and documents. A library for this would add a tenth to the size of the executable. The tests
 * compare it with the `bson` package.
 */

/** @throws TypeError naming the field whose value has another type */
export function encodeBson(document: object): Buffer {
  const elements = Buffer.concat(Object.entries(document).map(([name, value]) => element(name, value)));
  return Buffer.concat([int32(elements.length + 5), elements, Buffer.of(0)]);
}

function element(name: string, value: unknown): Buffer {
  switch (typeof value) {
    case 'string': {
      const text = Buffer.from(`${value}\0`);
      return Buffer.concat([Buffer.from(`\x02${name}\0`), int32(text.length), text]);
    }
    case 'number':
      if (!Number.isInteger(value) || value !== (value | 0)) break;
      return Buffer.concat([Buffer.from(`\x10${name}\0`), int32(value)]);
    case 'object':
      if (value === null || Array.isArray(value)) break;
      return Buffer.concat([Buffer.from(`\x03${name}\0`), encodeBson(value)]);
  }
  throw new TypeError(`${name} is no string, 32-bit integer or document`);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
