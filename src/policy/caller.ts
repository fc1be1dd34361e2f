/** Whether a login was asked for by a user of this host, who has power over the processes that it starts. */
import { type Facts, NO_LOGIN_UID } from '../login/messages.ts';

/** Why such a login is not let in, and what to do about it. */
export const NOT_FOR_LOCAL_CALLERS =
  'failmode=safe does not hold for local callers without the resident engine (systemctl enable --now duo-ts.socket)';

/**
 * True where the host runs as a user or for one (sudo, su, login_duo): that user chose its cgroup, and can freeze or
 * starve what it starts. A host that can't know its login uid is judged by its real uid and PAM_RUSER alone.
 */
export function isLocalCaller({
  callerUid,
  ruser = '',
  loginUid = NO_LOGIN_UID,
}: Pick<Facts, 'callerUid' | 'ruser' | 'loginUid'>): boolean {
  return (
    callerUid !== 0 || (ruser !== '' && ruser !== 'root') || (loginUid !== 0 && loginUid !== NO_LOGIN_UID)
  );
}
