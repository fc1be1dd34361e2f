/** DUO_FLAG_AUTO and DUO_FLAG_SYNC, from the PAM application and the configuration. */

import type { Config } from '../config/config.ts';
import type { Facts } from '../login/messages.ts';

export interface Flags {
  readonly auto: boolean;
  readonly sync: boolean;
  /**
   * The PAM application shows status lines only after the login. What the user must read earlier goes into a prompt.
   */
  readonly heldBack: boolean;
}

/**
 * PAM services whose applications show PAM_TEXT_INFO only after the login: sshd before OpenSSH 10.3, Cockpit's login
 * page, xrdp's login window. `hold_back` adds services and, with `!`, removes them.
 */
export const HOLDING_BACK: readonly string[] = ['sshd', 'cockpit', 'xrdp-sesman'];

/**
 * A silent application, or one without a conversation, gets one automatic, synchronous attempt. One that holds back
 * status lines is synchronous too, since nobody would see the steps.
 */
export function flagsOf(facts: Facts, config: Config): Flags {
  const mute = isMute(facts);
  const heldBack = holdsBack(facts.service, config);
  return { auto: mute || config.autopush, sync: mute || heldBack, heldBack };
}

function holdsBack(service: string, { holdBack }: Config): boolean {
  const last = holdBack.findLast((entry) => entry === service || entry === `!${service}`);
  return last === undefined ? HOLDING_BACK.includes(service) : last === service;
}

/**
 * True if nobody can be asked. PAM_SILENT from sudo is ignored: sudo always sets it, although its caller can answer.
 */
export function isMute(facts: Facts): boolean {
  return facts.noConversation || (facts.silent && facts.service !== 'sudo' && facts.service !== 'sudo-i');
}
