/** Identifiers in Duo's format: two letters for the kind, and 18 characters. */
import { createHash } from 'node:crypto';

export function userId(username: string): string {
  return identifier('DU', username);
}

/** @param index the device's place in the user's list */
export function deviceId(username: string, index: number): string {
  return identifier('DP', `${username}\0${index}`);
}

/** Equal in every run, and different for each user's devices. */
function identifier(prefix: string, of: string): string {
  return prefix + createHash('sha256').update(of).digest('hex').slice(0, 18).toUpperCase();
}
