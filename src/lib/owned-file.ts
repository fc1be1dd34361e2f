/** Files of the administrator that only root, or another given user, can change. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';

/** Why a file is not used: a code of the system's, or what is wrong with its owner or mode. */
export class OwnedFileError extends Error {
  override readonly name = 'OwnedFileError';
}

/**
 * The content of a file that belongs to one of the owners and that nobody else can write.
 * @param owners uids
 * @param mode bits that the file's mode must not have
 * @throws OwnedFileError
 */
export function readOwned(path: string, owners: readonly number[] = [0], mode = 0o022): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new OwnedFileError(error instanceof Error && 'code' in error ? String(error.code) : 'unreadable');
  }
  try {
    const status = fstatSync(fd);
    if (!owners.includes(status.uid) || (status.mode & 0o022) !== 0)
      throw new OwnedFileError('others than root may write to it');
    if (!status.isFile()) throw new OwnedFileError('not a regular file');
    if ((status.mode & mode) !== 0) throw new OwnedFileError('others may read it');
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
