/** DUO_FLAG_AUTO and DUO_FLAG_SYNC, from the PAM application and the configuration. */

import type { Config } from '../config/config.ts';
import type { Facts } from '../login/messages.ts';

export interface Flags {
  readonly auto: boolean;
  readonly sync: boolean;
  /** The application shows status lines when the login is over: what the user must read before is put into a prompt. */
  readonly heldBack: boolean;
}

/**
 * PAM applications that show status lines (PAM_TEXT_INFO) when the login is over: sshd before OpenSSH 10.3, Cockpit's
 * login page, xrdp's login window. `hold_back` adds to them and, with `!`, takes from them.
 */
export const HOLDING_BACK: readonly string[] = ['sshd', 'cockpit', 'xrdp-sesman'];

/**
 * An application that is to be silent or can't converse gets one automatic, synchronous try. One that holds status lines
 * back is synchronous too: nobody would see the steps.
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
 * True when nobody can be asked. sudo sets PAM_SILENT on every login, though its caller sits at a terminal and answers
 * prompts: there the flag says nothing.
 */
export function isMute(facts: Facts): boolean {
  return facts.noConversation || (facts.silent && facts.service !== 'sudo' && facts.service !== 'sudo-i');
}
