/** Who authenticates, and under which name Duo knows them. */
import { type Account, Channel, type Facts, Priority } from '../bridge/messages.ts';
import type { Config, Notice } from '../config/config.ts';

export type Identity =
  | {
      readonly kind: 'known';
      readonly account: Account;
      readonly duoUser: string;
      readonly notices: readonly Notice[];
    }
  /** There is no passwd entry for whoever would have to authenticate. */
  | { readonly kind: 'unknown'; readonly name: string };

const ROOT_UID = 0;

/**
 * The account that authenticates. `su` to root asks the one who calls; everything else asks the account that is logged
 * in to.
 */
export function whoAuthenticates(facts: Facts, config: Config): Identity {
  const callerAsked = isSu(facts.service) && facts.account?.uid === ROOT_UID;
  const account = callerAsked ? facts.caller : facts.account;
  if (account === undefined) {
    return { kind: 'unknown', name: callerAsked ? `uid ${facts.callerUid}` : facts.user };
  }
  const { name, notices } = duoName(account, config);
  return { kind: 'known', account, duoUser: name, notices };
}

function isSu(service: string): boolean {
  return service === 'su' || service === 'su-l';
}

function duoName(account: Account, config: Config): { name: string; notices: Notice[] } {
  const plain = (notices: Notice[]) => ({ name: account.name, notices });
  if (!config.sendGecos) return plain([]);
  if (account.gecos === '') return plain([notice(Priority.warning, 'Empty GECOS field')]);
  const part = account.gecos.split(config.gecosDelim)[config.gecosUsernamePos - 1];
  if (part === undefined || part === '')
    return plain([notice(Priority.debug, 'Could not parse GECOS field')]);
  const presenting = `Presenting GECOS-derived Duo username for '${account.name}': ${part}`;
  return { name: part, notices: [notice(Priority.info, presenting)] };
}

function notice(priority: Priority, text: string): Notice {
  return { priority, text, channel: Channel.log };
}
