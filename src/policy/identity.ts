/** Who authenticates, and under which Duo user name. */

import type { Config, Notice } from '../config/config.ts';
import { mappedName, type UsernameMap } from '../config/username-map.ts';
import { type Account, Channel, type Facts, Priority } from '../login/messages.ts';
import { type SentenceParts, sentence } from './sentence.ts';

export type Identity =
  | {
      readonly kind: 'known';
      /** Which of the facts' users the account is. */
      readonly is: 'account' | 'caller';
      readonly account: Account;
      readonly duoUser: string;
      readonly notices: readonly Notice[];
    }
  /** The user who must authenticate has no passwd entry, or no Duo name. */
  | { readonly kind: 'unknown'; readonly name: string }
  | { readonly kind: 'unnamed'; readonly name: string };

const ROOT_UID = 0;

/**
 * The account that authenticates: for `su` to root the caller, otherwise the target account.
 * @param map the file of username_map
 */
export function whoAuthenticates(facts: Facts, config: Config, map?: UsernameMap): Identity {
  const is = isSu(facts.service) && facts.account?.uid === ROOT_UID ? 'caller' : 'account';
  const account = facts[is];
  if (account === undefined) {
    return { kind: 'unknown', name: is === 'caller' ? `uid ${facts.callerUid}` : facts.user };
  }
  const mapped = map === undefined ? undefined : mappedName(map, account.name);
  if (mapped === '!') return { kind: 'unnamed', name: account.name };
  const { name, notices } = mapped === undefined ? duoName(account, config) : { name: mapped, notices: [] };
  return { kind: 'known', is, account, duoUser: name, notices };
}

/** Why the passwd entry of a user who may have to authenticate could not be read; undefined when it was. */
export function unreadableAccount(facts: Facts): string | undefined {
  return facts.accountError ?? (isSu(facts.service) ? facts.callerError : undefined);
}

function isSu(service: string): boolean {
  return service === 'su' || service === 'su-l';
}

/** The account's name, or its GECOS field: the whole field, or the part at the configured position. */
function duoName(account: Account, config: Config): { name: string; notices: Notice[] } {
  const { sendGecos, gecosDelim, gecosUsernamePos } = config;
  const plain = (...notices: Notice[]) => ({ name: account.name, notices });
  if (!sendGecos && gecosUsernamePos === undefined) return plain();
  const user = account.name;
  if (account.gecos === '') return plain(notice(Priority.warning, 'Empty GECOS field', { user }));
  const part =
    gecosUsernamePos === undefined ? account.gecos : account.gecos.split(gecosDelim)[gecosUsernamePos - 1];
  if (part === undefined || part === '') {
    return plain(notice(Priority.debug, 'Could not parse GECOS field', { user }));
  }
  const presenting = notice(Priority.info, 'Presenting GECOS-derived Duo username', { user, error: part });
  return { name: part, notices: [presenting] };
}

function notice(priority: Priority, message: string, parts: SentenceParts): Notice {
  return { priority, text: sentence(message, parts), channel: Channel.log };
}
