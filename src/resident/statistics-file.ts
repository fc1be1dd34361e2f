/**
 * Stores the statistics in a file. The engine opens it before it drops the permission to open files for writing; `duo-ts
 * status` reads it, also while no engine runs.
 */
import { constants, fstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import * as v from 'valibot';
import { RESULTS } from '../login/record.ts';
import { BUCKETS, type Snapshot, type StatisticsStore } from './statistics.ts';

/** The file's length in bytes: a shorter snapshot is followed by spaces, so that each write replaces everything. */
const LENGTH = 131_072;

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const name = v.pipe(v.string(), v.maxLength(256));
const Statistics = v.object({
  release: name,
  pid: whole,
  started: whole,
  at: whole,
  waiting: whole,
  memory: whole,
  logins: v.record(v.picklist(RESULTS), whole),
  stages: v.record(
    name,
    v.object({ count: whole, sum: whole, buckets: v.pipe(v.array(whole), v.length(BUCKETS.length)) }),
  ),
  failsafe: v.array(v.object({ at: whole, user: v.string(), service: v.string() })),
});

/** The content of a statistics file. @throws Error when it is not one */
export function parseStatistics(text: string): Snapshot {
  return v.parse(Statistics, JSON.parse(text));
}

/**
 * Opens or creates the file.
 * @param tell receives messages about errors; the statistics then live in memory only
 */
export function openStatisticsFile(
  path: string,
  tell: (problem: string) => void,
): StatisticsStore | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    const { uid, nlink, mode } = fstatSync(fd);
    const own = uid === 0 || uid === process.geteuid?.();
    if (!fstatSync(fd).isFile() || nlink !== 1 || !own || (mode & 0o022) !== 0)
      throw new Error('it is not a plain file that only its owner, this user or root, can write');
  } catch (error) {
    tell(`statistics can't be kept in ${path}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
  let failed = false;
  return {
    load() {
      try {
        return parseStatistics(readFileSync(fd, 'utf8'));
      } catch {
        // A new file, or one that is damaged: the numbers start again.
        return undefined;
      }
    },
    save(snapshot) {
      try {
        const bytes = Buffer.alloc(LENGTH, ' ');
        const text = Buffer.from(JSON.stringify(snapshot));
        if (text.length > LENGTH) throw new RangeError('they are too long');
        text.copy(bytes);
        if (writeSync(fd, bytes, 0, LENGTH, 0) !== LENGTH) throw new RangeError('the file system is full');
        failed = false;
      } catch (error) {
        if (!failed) tell(`statistics can't be kept: ${error instanceof Error ? error.message : ''}`);
        failed = true;
      }
    },
  };
}
