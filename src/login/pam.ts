/** A login through PAM. */

import { flagsOf } from '../policy/flags.ts';
import { configuredLogin, type LoginTools, type ProgramProfile } from './configured.ts';
import type { Login } from './messages.ts';

const profile: ProgramProfile = {
  program: 'pam',
  // PAM determines the account. The caller cannot choose a Duo user name.
  duoUser: () => undefined,
  // Other PAM applications may have SUDO_COMMAND from their caller.
  command: ({ service, command }) => (service === 'sudo' || service === 'sudo-i' ? command : undefined),
  attempt: (facts, config) => ({ flags: flagsOf(facts, config) }),
  failedName: 'os',
  motd: () => false,
  usesCodes: true,
};

/** Creates the login function of the PAM module. */
export function pamLogin(tools: LoginTools): Login {
  return configuredLogin(profile, tools);
}
