/** A login through PAM. */

import { flagsOf } from '../policy/flags.ts';
import { configuredLogin, type LoginTools, type ProgramProfile } from './configured.ts';
import type { Login } from './messages.ts';

const profile: ProgramProfile = {
  program: 'pam',
  // The account is PAM's to choose, and nobody else's.
  duoUser: () => undefined,
  attempt: (facts, config) => ({ flags: flagsOf(facts, config) }),
  failedName: 'os',
  motd: () => false,
};

/** Makes the login of the PAM module. */
export function pamLogin(tools: LoginTools): Login {
  return configuredLogin(profile, tools);
}
