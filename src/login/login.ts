/** Selects the login by the program that requests it. */

import type { LoginTools } from './configured.ts';
import { type LibduoTools, libduoLogin } from './libduo.ts';
import { loginDuoLogin } from './login-duo.ts';
import type { Facts, Login } from './messages.ts';
import { pamLogin } from './pam.ts';

/** Creates the login function for the bridge, for every program. */
export function loginFor(tools: LoginTools & LibduoTools): Login {
  const logins: Readonly<Record<Facts['program'], Login>> = {
    pam: pamLogin(tools),
    login_duo: loginDuoLogin(tools),
    libduo: libduoLogin(tools),
  };
  return (facts, context) => logins[facts.program](facts, context);
}
