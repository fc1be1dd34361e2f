import type { Account, ConfigText, Facts } from '../../src/login/messages.ts';

export const ALICE: Account = { name: 'alice', uid: 1000, gecos: 'Alice' };
export const ROOT: Account = { name: 'root', uid: 0, gecos: 'root' };

/** A configuration with these lines after the required ones. */
export function configOf(lines = ''): ConfigText {
  const text = `[duo]\nhost = api.example.test\nikey = DIXXXXXXXXXXXXXXXXXX\nskey = never-to-be-seen\n${lines}\n`;
  return { path: '/etc/duo/pam_duo.conf', text };
}

/** Facts of a login of alice at the console; `more` replaces some of them. */
export function factsOf(more: Partial<Facts> = {}): Facts {
  return {
    program: 'pam',
    service: 'login',
    user: 'alice',
    silent: false,
    noConversation: false,
    callerUid: 0,
    account: ALICE,
    caller: ROOT,
    config: configOf(),
    hostName: 'host.example.test',
    deadline: 105_000,
    ...more,
  };
}
