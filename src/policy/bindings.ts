/** What an approval of Duo's is bound to when it is remembered. */
import { createHash } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { type Account, type Facts, NO_LOGIN_UID } from '../login/messages.ts';
import { sshAuth } from './ssh-auth.ts';

/** The place of a login, and how the log calls it. Two logins with the same value are in the same place. */
export interface Binding {
  readonly value: string;
  readonly place: 'session' | 'key and network';
}

/**
 * The place of this login; undefined: approvals of it are not remembered. A local login is bound to the kernel's audit
 * session, its login uid and the terminal; a login through sshd to the user's keys and the client's network.
 * @param account who authenticates
 * @param duoUser whom Duo is asked about
 */
export function bindingOf(facts: Facts, account: Account, duoUser: string): Binding | undefined {
  const { keys } = sshAuth(facts);
  const place = keys.length > 0 ? networkOf(facts.rhost) : sessionOf(facts);
  if (place === undefined) return undefined;
  const fingerprints = keys.map(({ fingerprint }) => fingerprint).sort();
  const { config, hostName, callerUid } = facts;
  // Another configuration may ask other questions, or another Duo.
  const parts = [...place, ...fingerprints, account.uid, account.name, duoUser, callerUid, hostName];
  const text = JSON.stringify([...parts, config?.path, config?.text]);
  return {
    value: createHash('sha256').update(text).digest('base64'),
    place: keys.length > 0 ? 'key and network' : 'session',
  };
}

/** A service for the network may run in the session of the administrator who started it; it has no such terminal. */
function sessionOf({ session, loginUid, tty = '', rhost = '' }: Facts): readonly unknown[] | undefined {
  const terminal = /^(?:\/dev\/)?((?:pts\/|tty)\w+)$/.exec(tty)?.[1];
  if (terminal === undefined || rhost !== '') return undefined;
  if (session === undefined || session === NO_LOGIN_UID) return undefined;
  if (loginUid === undefined || loginUid === NO_LOGIN_UID) return undefined;
  return ['session', session, loginUid, terminal];
}

/** The first 24 bits of an IPv4 address, or 64 of an IPv6 address. */
function networkOf(rhost = ''): readonly unknown[] | undefined {
  const address = rhost.replace(/^::ffff:(?=\d+\.)/i, '');
  if (isIPv4(address)) return ['network', ...address.split('.').slice(0, 3)];
  if (!isIPv6(address)) return undefined;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  return ['network', ...groups.slice(0, 4).map((group) => Number.parseInt(group, 16))];
}
