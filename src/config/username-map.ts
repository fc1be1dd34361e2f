/** The file of `username_map`: the Duo names of accounts. */
import { readIni } from './ini.ts';

/** `{user}` in a name stands for the account; `!`: the account has no Duo name, and is denied. */
export type UsernameMap = ReadonlyMap<string, string>;

/** The file has an error; nobody is let in by guessing. */
export class UsernameMapError extends Error {
  override readonly name = 'UsernameMapError';
}

/**
 * Parses lines `ACCOUNT = NAME`; the account `*` stands for all others.
 * @throws UsernameMapError with the line
 */
export function parseUsernameMap(text: string, path: string): UsernameMap {
  const map = new Map<string, string>();
  for (const { line, name, value } of readIni(text)) {
    const wrong = (why: string) => new UsernameMapError(`${path}, line ${line}: ${why}`);
    if (name === undefined || name === '' || value === '') throw wrong('a line must be ACCOUNT = NAME');
    if (map.has(name)) throw wrong(`${name} has a name already`);
    map.set(name, value);
  }
  return map;
}

/** The Duo name of an account; undefined: the map does not name it. `!`: it is denied. */
export function mappedName(map: UsernameMap, account: string): string | undefined {
  return (map.get(account) ?? map.get('*'))?.replaceAll('{user}', () => account);
}
