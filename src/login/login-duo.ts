/** A login through login_duo. */

import type { Config } from '../config/config.ts';
import { flagsOf, isMute } from '../policy/flags.ts';
import { configuredLogin, type LoginTools, type ProgramProfile } from './configured.ts';
import type { Facts, Login } from './messages.ts';
import type { Attempt } from './run-login.ts';

const profile: ProgramProfile = {
  program: 'login_duo',
  duoUser: ({ duoUser }) => duoUser,
  command: ({ command }) => command,
  attempt,
  failedName: 'duo',
  motd: ({ motd }) => motd,
  usesCodes: false,
};

/**
 * The first attempt uses the given or configured factor without a prompt. If it fails, the user gets the menu for the
 * remaining attempts. If nobody can be asked, there is no second attempt.
 */
function attempt(facts: Facts, config: Config, number: number): Attempt {
  const flags = flagsOf(facts, config);
  if (number > 0) return { flags: { ...flags, auto: isMute(facts) } };
  const factor = config.acceptEnvFactor ? facts.envFactor?.reveal() : undefined;
  return factor === undefined || factor === '' ? { flags } : { flags, factor };
}

/** Creates the login function of login_duo. */
export function loginDuoLogin(tools: LoginTools): Login {
  return configuredLogin(profile, tools);
}
