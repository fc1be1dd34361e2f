/** A login for a script of root's: one factor, without PAM. */
import { configuredLogin, type LoginTools, type ProgramProfile } from './configured.ts';
import type { Login } from './messages.ts';

/** @param factor as Duo names it (`push1`), or a passcode; undefined: the user chooses in Duo's menu */
export function scriptLogin(tools: LoginTools, factor: string | undefined): Login {
  const flags = { auto: false, sync: true, heldBack: false };
  const profile: ProgramProfile = {
    program: 'pam',
    duoUser: () => undefined,
    command: ({ command }) => command,
    attempt: () => (factor === undefined ? { flags } : { flags, factor }),
    failedName: 'os',
    motd: () => false,
    usesCodes: false,
  };
  return configuredLogin(profile, tools);
}
