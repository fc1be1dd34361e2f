/**
 * The frames of PROTOCOL.md. Everything here is pure; link.ts has the socket.
 *
 * Each frame is checked before use: its length before it is buffered, its tags against its type, its numbers against
 * their size, its texts against NUL. An invalid frame is a FrameError, which ends the login.
 */

/** The version of PROTOCOL.md. */
export const PROTOCOL_VERSION = 2;

/** The largest `length` of FACTS and GROUPS. */
export const MAX_HOST_FRAME = 1_048_576;

/** The largest `length` of any other frame. */
export const MAX_FRAME = 16_384;

export const FrameType = {
  hostHello: 1,
  facts: 2,
  answer: 3,
  cancel: 4,
  groups: 5,
  forget: 6,
  engineHello: 65,
  prompt: 66,
  status: 67,
  log: 68,
  heartbeat: 69,
  verdict: 70,
  needs: 71,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** How a field's value is decoded: `text` must be UTF-8, `foreign` falls back to ISO 8859-1. */
type Kind = 'number' | 'text' | 'foreign';

interface FieldShape {
  readonly tag: number;
  readonly kind: Kind;
  readonly repeated?: true;
}

/** Every field of the protocol by its name in PROTOCOL.md. */
export const FIELDS = {
  version: { tag: 1, kind: 'number' },
  release: { tag: 2, kind: 'text' },
  program: { tag: 16, kind: 'text' },
  service: { tag: 17, kind: 'text' },
  user: { tag: 18, kind: 'text' },
  rhost: { tag: 19, kind: 'foreign' },
  tty: { tag: 20, kind: 'foreign' },
  ruser: { tag: 21, kind: 'foreign' },
  flags: { tag: 22, kind: 'number' },
  callerUid: { tag: 23, kind: 'number' },
  accountName: { tag: 24, kind: 'text' },
  accountUid: { tag: 25, kind: 'number' },
  accountGecos: { tag: 26, kind: 'foreign' },
  accountError: { tag: 27, kind: 'text' },
  callerError: { tag: 28, kind: 'text' },
  callerName: { tag: 29, kind: 'text' },
  callerGecos: { tag: 30, kind: 'foreign' },
  group: { tag: 31, kind: 'foreign', repeated: true },
  groupsError: { tag: 32, kind: 'text' },
  command: { tag: 33, kind: 'foreign' },
  configPath: { tag: 34, kind: 'text' },
  configText: { tag: 35, kind: 'foreign' },
  hostName: { tag: 36, kind: 'text' },
  deadline: { tag: 37, kind: 'number' },
  duoUser: { tag: 38, kind: 'text' },
  envFactor: { tag: 39, kind: 'foreign' },
  loginFlags: { tag: 40, kind: 'number' },
  ikey: { tag: 41, kind: 'text' },
  skey: { tag: 42, kind: 'text' },
  apiHost: { tag: 43, kind: 'text' },
  authorities: { tag: 44, kind: 'foreign' },
  httpProxy: { tag: 45, kind: 'text' },
  httpsTimeout: { tag: 46, kind: 'number' },
  tlsVerify: { tag: 47, kind: 'number' },
  text: { tag: 48, kind: 'text' },
  failed: { tag: 49, kind: 'number' },
  signal: { tag: 50, kind: 'number' },
  groupsOf: { tag: 51, kind: 'number' },
  priority: { tag: 52, kind: 'number' },
  channel: { tag: 53, kind: 'number' },
  outcome: { tag: 54, kind: 'number' },
  code: { tag: 55, kind: 'number' },
  error: { tag: 57, kind: 'text' },
  motd: { tag: 58, kind: 'number' },
  loginUid: { tag: 59, kind: 'number' },
  fields: { tag: 60, kind: 'text' },
  session: { tag: 61, kind: 'number' },
  authInfo: { tag: 62, kind: 'foreign' },
  codeFile: { tag: 63, kind: 'text' },
  answer: { tag: 48, kind: 'foreign' },
} as const satisfies Record<string, FieldShape>;

export type FieldName = keyof typeof FIELDS;

const FACTS_FIELDS: readonly FieldName[] = [
  'program',
  'service',
  'user',
  'rhost',
  'tty',
  'ruser',
  'flags',
  'callerUid',
  'loginUid',
  'session',
  'authInfo',
  'accountName',
  'accountUid',
  'accountGecos',
  'accountError',
  'callerName',
  'callerGecos',
  'callerError',
  'command',
  'configPath',
  'configText',
  'hostName',
  'deadline',
  'duoUser',
  'envFactor',
  'loginFlags',
  'ikey',
  'skey',
  'apiHost',
  'authorities',
  'httpProxy',
  'httpsTimeout',
  'tlsVerify',
];

const TYPE_FIELDS: Readonly<Record<FrameType, readonly FieldName[]>> = {
  [FrameType.hostHello]: ['version', 'release'],
  [FrameType.facts]: FACTS_FIELDS,
  [FrameType.answer]: ['answer', 'failed'],
  [FrameType.cancel]: ['signal'],
  [FrameType.groups]: ['group', 'groupsError'],
  [FrameType.forget]: ['user'],
  [FrameType.engineHello]: ['version', 'release'],
  [FrameType.prompt]: ['text'],
  [FrameType.status]: ['text'],
  [FrameType.log]: ['priority', 'text', 'channel', 'fields'],
  [FrameType.heartbeat]: [],
  [FrameType.verdict]: ['outcome', 'code', 'error', 'motd', 'codeFile'],
  [FrameType.needs]: ['groupsOf'],
};

/** A received or outgoing frame does not follow PROTOCOL.md. The message holds no content of the frame. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** One decoded frame. Absent fields are undefined; repeated ones are lists. */
export class Frame {
  readonly type: FrameType;
  readonly #numbers: ReadonlyMap<FieldName, number>;
  readonly #texts: ReadonlyMap<FieldName, readonly string[]>;

  constructor(
    type: FrameType,
    numbers: ReadonlyMap<FieldName, number>,
    texts: ReadonlyMap<FieldName, readonly string[]>,
  ) {
    this.type = type;
    this.#numbers = numbers;
    this.#texts = texts;
  }

  optionalNumber(name: FieldName): number | undefined {
    return this.#numbers.get(name);
  }

  /** @throws FrameError when the field is absent */
  number(name: FieldName): number {
    return present(this.#numbers.get(name), name);
  }

  optionalText(name: FieldName): string | undefined {
    return this.#texts.get(name)?.[0];
  }

  /** @throws FrameError when the field is absent */
  text(name: FieldName): string {
    return present(this.optionalText(name), name);
  }

  /** Every value of a repeated field, in order. */
  texts(name: FieldName): readonly string[] {
    return this.#texts.get(name) ?? [];
  }
}

function present<T>(value: T | undefined, name: FieldName): T {
  if (value === undefined) throw new FrameError(`field ${name} is missing`);
  return value;
}

/** A field to send: a name with a number or a text. */
export type Field = readonly [FieldName, number | string];

/**
 * Encodes one frame with its length.
 * @throws FrameError when a field does not belong to the type, a text holds NUL, or the frame is too long
 */
export function encodeFrame(type: FrameType, fields: readonly Field[]): Buffer {
  const parts: Buffer[] = [Buffer.of(0, 0, 0, 0, type)];
  for (const [name, value] of fields) {
    if (!TYPE_FIELDS[type].includes(name)) throw new FrameError(`field ${name} is not of type ${type}`);
    const body = encodeValue(name, value);
    const head = Buffer.alloc(5);
    head.writeUInt8(FIELDS[name].tag, 0);
    head.writeUInt32BE(body.length, 1);
    parts.push(head, body);
  }
  const frame = Buffer.concat(parts);
  if (frame.length - 4 > limitOf(type)) throw new FrameError(`a frame of type ${type} is too long`);
  frame.writeUInt32BE(frame.length - 4, 0);
  return frame;
}

function encodeValue(name: FieldName, value: number | string): Buffer {
  if ((FIELDS[name].kind === 'number') !== (typeof value === 'number')) {
    throw new FrameError(`field ${name} is of another kind`);
  }
  if (typeof value === 'string') {
    if (value.includes('\0')) throw new FrameError(`field ${name} holds NUL`);
    return Buffer.from(value, 'utf8');
  }
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new FrameError(`field ${name} is not a 32-bit number`);
  }
  const body = Buffer.alloc(4);
  body.writeUInt32BE(value);
  return body;
}

function limitOf(type: FrameType): number {
  return type === FrameType.facts || type === FrameType.groups ? MAX_HOST_FRAME : MAX_FRAME;
}

function isFrameType(type: number): type is FrameType {
  return Object.hasOwn(TYPE_FIELDS, type);
}

/**
 * Decodes the bytes after a frame's length.
 * @throws FrameError when they do not follow PROTOCOL.md
 */
export function decodeFrame(body: Buffer): Frame {
  const type = body[0];
  if (type === undefined) throw new FrameError('an empty frame');
  if (!isFrameType(type)) throw new FrameError(`unknown frame type ${type}`);
  if (body.length > limitOf(type)) throw new FrameError(`a frame of type ${type} is too long`);
  const shapes = new Map(TYPE_FIELDS[type].map((name) => [FIELDS[name].tag as number, name]));
  const numbers = new Map<FieldName, number>();
  const texts = new Map<FieldName, string[]>();
  for (let at = 1; at < body.length; ) {
    if (body.length - at < 5) throw new FrameError('a field runs past its frame');
    const tag = body.readUInt8(at);
    const length = body.readUInt32BE(at + 1);
    const name = shapes.get(tag);
    if (name === undefined) throw new FrameError(`tag ${tag} is not of frame type ${type}`);
    if (length > body.length - at - 5) throw new FrameError('a field runs past its frame');
    const value = body.subarray(at + 5, at + 5 + length);
    at += 5 + length;
    const shape: FieldShape = FIELDS[name];
    if ((numbers.has(name) || texts.has(name)) && !shape.repeated)
      throw new FrameError(`tag ${tag} is repeated`);
    if (shape.kind === 'number') {
      if (length !== 4) throw new FrameError(`tag ${tag} is not a 32-bit number`);
      numbers.set(name, value.readUInt32BE(0));
    } else {
      const text = decodeText(value, shape);
      const list = texts.get(name);
      if (list === undefined) texts.set(name, [text]);
      else list.push(text);
    }
  }
  return new Frame(type, numbers, texts);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeText(value: Buffer, shape: FieldShape): string {
  if (value.includes(0)) throw new FrameError(`tag ${shape.tag} holds NUL`);
  try {
    return utf8.decode(value);
  } catch {
    if (shape.kind === 'foreign') return value.toString('latin1');
    throw new FrameError(`tag ${shape.tag} is not UTF-8`);
  }
}

/** The number of chunks that are kept separately. Each uses about a thousand bytes of memory, however short it is. */
const MAX_PIECES = 64;

/** Splits a byte stream into frames. Holds at most one frame of `limit` bytes and the chunk that completes it. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #size = 0;
  /** The number of bytes needed before the next check. */
  #wanted = 4;
  readonly #limit: number;

  /** @param limit the largest `length` that the peer may send */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** True between two frames. */
  get idle(): boolean {
    return this.#size === 0;
  }

  /**
   * Takes a chunk and yields the frames that it completes.
   * @throws FrameError at the first byte that cannot belong to a frame
   */
  *push(chunk: Buffer): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#chunks.length > MAX_PIECES) this.#chunks = [Buffer.concat(this.#chunks)];
    while (this.#size >= this.#wanted) {
      const held = Buffer.concat(this.#chunks);
      const length = held.readUInt32BE(0);
      if (length === 0) throw new FrameError('an empty frame');
      if (length > this.#limit) throw new FrameError(`a frame of ${length} bytes is too long`);
      const type = held[4];
      if (type === undefined) {
        this.#keep(held, 5);
        return;
      }
      if (!isFrameType(type)) throw new FrameError(`unknown frame type ${type}`);
      if (length > limitOf(type)) throw new FrameError(`a frame of type ${type} is too long`);
      const end = 4 + length;
      const complete = held.length >= end;
      this.#keep(complete ? held.subarray(end) : held, complete ? 4 : end);
      if (complete) yield decodeFrame(held.subarray(4, end));
    }
  }

  #keep(rest: Buffer, wanted: number): void {
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#size = rest.length;
    this.#wanted = wanted;
  }
}
