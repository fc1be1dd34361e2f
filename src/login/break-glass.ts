/** One-time codes for when Duo is unreachable: their files, and how a code is checked. */
import { type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readIni } from '../config/ini.ts';
import type { Clock } from '../lib/clock.ts';
import { readOwned } from '../lib/owned-file.ts';

export const CODE_DIRECTORY = '/etc/duo/break-glass';

/** 32 MiB for each hash. */
const SCRYPT: ScryptOptions = { N: 32_768, r: 8, p: 1, maxmem: 64 * 1_048_576 };
export const HASH_BYTES = 32;

/** Milliseconds between a wrong code and the next question. */
const WRONG_MS = 3000;
/** The number of wrong codes of a user that a resident engine checks in a time, in milliseconds. */
const MAX_WRONG = 6;
const WRONG_WITHIN_MS = 15 * 60_000;

/** A code as its file has it. */
export interface CodeFile {
  /** The first group of the code. */
  readonly name: string;
  readonly user: string;
  readonly salt: string;
  readonly hash: string;
}

/** The hash of a code's secret groups. */
export async function hashOf(secret: string, salt: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  scrypt(secret, Buffer.from(salt, 'hex'), HASH_BYTES, SCRYPT, (error, hash) =>
    error === null ? resolve(hash) : reject(error),
  );
  return promise;
}

export function formatCodeFile({ user, salt, hash }: CodeFile): string {
  return `; A break-glass code, as a salted hash: see duo-ts(1).\nuser = ${user}\nscheme = scrypt\nsalt = ${salt}\nhash = ${hash}\n`;
}

/** The codes in the directory. Files that cannot be used are left out. */
export function readCodes(directory = CODE_DIRECTORY): readonly CodeFile[] {
  let names: readonly string[];
  try {
    names = readdirSync(directory);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const code = readCode(join(directory, name), name);
    return code === undefined ? [] : [code];
  });
}

function readCode(path: string, name: string): CodeFile | undefined {
  try {
    const { user, scheme, salt, hash } = Object.fromEntries(
      [...readIni(readOwned(path))].map((entry) => [entry.name, entry.value]),
    );
    if (scheme !== 'scrypt' || user === undefined || salt === undefined || hash === undefined)
      return undefined;
    return { name, user, salt, hash };
  } catch {
    return undefined;
  }
}

/** Splits what the user typed: the name of the code, and its secret. Case and separators do not matter. */
export function splitCode(answer: string): { readonly name: string; readonly secret: string } {
  const text = answer.toLowerCase().replace(/[^a-z0-9]/g, '');
  return { name: text.slice(0, 4), secret: text.slice(4) };
}

/** Checks codes, and limits how often. */
export class BreakGlass {
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #wrong = new Map<string, readonly number[]>();

  constructor(clock: Clock, directory = CODE_DIRECTORY) {
    this.#clock = clock;
    this.#directory = directory;
  }

  /** The codes of an account that are left. */
  codesOf(user: string): readonly CodeFile[] {
    return readCodes(this.#directory).filter((code) => code.user === user);
  }

  /** False: the user has given too many wrong codes. */
  allows(user: string): boolean {
    return this.#recent(user).length < MAX_WRONG;
  }

  /**
   * The code that the user typed. Undefined, after a pause: it is wrong.
   * @throws the signal's reason
   */
  async check(
    user: string,
    codes: readonly CodeFile[],
    answer: string,
    signal: AbortSignal,
  ): Promise<CodeFile | undefined> {
    const { name, secret } = splitCode(answer);
    const code = codes.find((one) => one.name === name);
    const expected = Buffer.from(code?.hash ?? '', 'hex');
    // The same work whether there is such a code or not.
    const hash = await hashOf(secret, code?.salt ?? '00');
    if (code !== undefined && expected.length === HASH_BYTES && timingSafeEqual(hash, expected)) return code;
    this.#wrong.set(user, [...this.#recent(user), this.#clock.monotonic()]);
    await this.#clock.sleep(WRONG_MS, signal);
    return undefined;
  }

  #recent(user: string): readonly number[] {
    const since = this.#clock.monotonic() - WRONG_WITHIN_MS;
    return (this.#wrong.get(user) ?? []).filter((at) => at > since);
  }
}
