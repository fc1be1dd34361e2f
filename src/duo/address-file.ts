/**
 * Stores addresses in a file. The file stays open, because the engine drops the permission to open files for writing.
 * It has two halves that are written alternately, each with a digest: an interrupted write damages one half, and the
 * other remains valid.
 */
import { createHash } from 'node:crypto';
import { constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { isIP } from 'node:net';
import * as v from 'valibot';
import { type AddressStore, type KnownAddresses, MAX_NAMES } from './addresses.ts';
import { MAX_ADDRESSES } from './look-up.ts';

/** Bytes of one half: enough for all names and addresses that are kept. */
const HALF = 65_536;
const DIGEST = 64;

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Half = v.strictObject({
  /** Increases with each write: the half with the higher number is newer. */
  sequence: whole,
  names: v.pipe(
    v.array(
      v.strictObject({
        name: v.pipe(v.string(), v.regex(/^[\w.-]{1,253}$/)),
        addresses: v.pipe(
          v.array(
            v.pipe(
              v.string(),
              v.check((text) => isIP(text) !== 0),
            ),
          ),
          v.minLength(1),
          v.maxLength(MAX_ADDRESSES),
        ),
        at: whole,
      }),
    ),
    v.maxLength(MAX_NAMES),
  ),
});
type Half = v.InferOutput<typeof Half>;

/**
 * Opens or creates the file.
 * @param tell receives messages about read and write errors; addresses then live in memory only
 * @returns undefined when the file cannot be used
 */
export function openAddressFile(path: string, tell: (problem: string) => void): AddressStore | undefined {
  try {
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
    const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    const status = fstatSync(fd);
    const own = status.uid === 0 || status.uid === process.geteuid?.();
    if (!status.isFile() || status.nlink !== 1 || !own || (status.mode & 0o022) !== 0) {
      throw new Error('it is not a plain file that only its owner, this user or root, can write');
    }
    return new AddressFile(fd, tell);
  } catch (error) {
    tell(`addresses can't be kept in ${path}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

class AddressFile implements AddressStore {
  readonly #fd: number;
  readonly #tell: (problem: string) => void;
  #sequence = 0;
  #failed = false;

  constructor(fd: number, tell: (problem: string) => void) {
    this.#fd = fd;
    this.#tell = tell;
  }

  load(): ReadonlyMap<string, KnownAddresses> {
    const [newer] = [0, 1]
      .map((index) => this.#read(index))
      .filter((half) => half !== undefined)
      .sort((one, other) => other.sequence - one.sequence);
    if (newer === undefined) return new Map();
    this.#sequence = newer.sequence;
    return new Map(newer.names.map(({ name, addresses, at }) => [name, { list: addresses, at }]));
  }

  save(known: ReadonlyMap<string, KnownAddresses>): void {
    this.#sequence += 1;
    const half: Half = {
      sequence: this.#sequence,
      names: [...known].map(([name, { list, at }]) => ({ name, addresses: [...list], at: Math.round(at) })),
    };
    const text = Buffer.from(JSON.stringify(half));
    const bytes = Buffer.alloc(HALF, ' ');
    bytes.write(digestOf(text), 'latin1');
    try {
      if (DIGEST + text.length > HALF) throw new RangeError('they are too many');
      text.copy(bytes, DIGEST);
      const written = writeSync(this.#fd, bytes, 0, HALF, (this.#sequence % 2) * HALF);
      if (written !== HALF) throw new RangeError('the file could not be written to its end');
      this.#failed = false;
    } catch (error) {
      if (!this.#failed)
        this.#tell(`addresses can't be kept: ${error instanceof Error ? error.message : ''}`);
      this.#failed = true;
    }
  }

  #read(index: number): Half | undefined {
    try {
      const bytes = Buffer.alloc(HALF);
      if (readSync(this.#fd, bytes, 0, HALF, index * HALF) !== HALF) return undefined;
      const text = Buffer.from(bytes.toString('utf8', DIGEST).trimEnd());
      if (bytes.toString('latin1', 0, DIGEST) !== digestOf(text)) return undefined;
      const parsed = v.safeParse(Half, JSON.parse(text.toString()));
      return parsed.success ? parsed.output : undefined;
    } catch {
      // Invalid content is ignored.
      return undefined;
    }
  }
}

function digestOf(text: Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}
