/** DUO_FLAG_AUTO and DUO_FLAG_SYNC, from what the host is and what the configuration wants. */
import type { Facts } from '../bridge/messages.ts';
import type { Config } from '../config/config.ts';

export interface Flags {
  readonly auto: boolean;
  readonly sync: boolean;
  /** Status lines are shown when the login is over: what the user must read before has to stand in a prompt. */
  readonly heldBack: boolean;
}

/**
 * A host that is to be silent or can't converse gets one automatic, synchronous try. sshd holds status lines back until
 * the login is over, so it is synchronous.
 */
export function flagsOf(facts: Facts, config: Config): Flags {
  const mute = isMute(facts);
  const heldBack = facts.service === 'sshd';
  return { auto: mute || config.autopush, sync: mute || heldBack, heldBack };
}

/**
 * True when nobody can be asked. sudo sets PAM_SILENT on every login, though its caller sits at a terminal and answers
 * prompts: there the flag says nothing.
 */
export function isMute(facts: Facts): boolean {
  return facts.noConversation || (facts.silent && facts.service !== 'sudo' && facts.service !== 'sudo-i');
}
