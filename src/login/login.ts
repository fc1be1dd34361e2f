/** The order of a login, by the program that asks for it. */
import { DuoCode, type Facts, type Host, type Login, Outcome, Priority } from '../bridge/messages.ts';
import { sentence } from '../policy/sentence.ts';
import type { LoginTools } from './configured.ts';
import { loginDuoLogin } from './login-duo.ts';
import { pamLogin } from './pam.ts';

/** Makes the login that the bridge serves, whatever program stands at its other end. */
export function loginFor(tools: LoginTools): Login {
  const logins: Partial<Record<Facts['program'], Login>> = {
    pam: pamLogin(tools),
    login_duo: loginDuoLogin(tools),
  };
  return (facts, host) => (logins[facts.program] ?? unserved)(facts, host);
}

async function unserved({ program, user }: Facts, host: Host) {
  const error = `this engine serves no ${program}`;
  host.log(Priority.error, sentence('Error in Duo login', { user, error }));
  return { outcome: Outcome.serviceError, code: DuoCode.libError, stage: 'engine', error } as const;
}
