/** A login through login_duo. */

import type { Config } from '../config/config.ts';
import { flagsOf, isMute } from '../policy/flags.ts';
import { configuredLogin, type LoginTools, type ProgramProfile } from './configured.ts';
import type { Facts, Login } from './messages.ts';
import type { Attempt } from './run-login.ts';

const profile: ProgramProfile = {
  program: 'login_duo',
  duoUser: ({ duoUser }) => duoUser,
  attempt,
  failedName: 'duo',
  motd: ({ motd }) => motd,
};

/**
 * The first try uses what was given beforehand or configured to need no asking; when that fails, the user gets the menu
 * for the tries that are left. Where nobody can be asked there is no second try.
 */
function attempt(facts: Facts, config: Config, number: number): Attempt {
  const flags = flagsOf(facts, config);
  if (number > 0) return { flags: { ...flags, auto: isMute(facts) } };
  const factor = config.acceptEnvFactor ? facts.envFactor?.reveal() : undefined;
  return factor === undefined || factor === '' ? { flags } : { flags, factor };
}

/** Makes the login of login_duo. */
export function loginDuoLogin(tools: LoginTools): Login {
  return configuredLogin(profile, tools);
}
