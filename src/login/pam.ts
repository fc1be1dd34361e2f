/** A login through PAM. */
import type { Login } from '../bridge/messages.ts';
import { flagsOf } from '../policy/flags.ts';
import { configuredLogin, type LoginTools, type Manner } from './configured.ts';

const manner: Manner = {
  program: 'pam',
  // The account is PAM's to choose, and nobody else's.
  duoUser: () => undefined,
  attempt: (facts, config) => ({ flags: flagsOf(facts, config) }),
  failedName: 'os',
  motd: () => false,
};

/** Makes the login of the PAM module. */
export function pamLogin(tools: LoginTools): Login {
  return configuredLogin(manner, tools);
}
