/** Whether a local user requested the login. Such a user controls the processes that the login starts. */
import { type Facts, NO_LOGIN_UID } from '../login/messages.ts';

/** Why such a login is denied, and what to do. */
export const NOT_FOR_LOCAL_CALLERS =
  'failmode=safe does not hold for local callers without the resident engine (systemctl enable --now duo-ts.socket)';

/**
 * True if a PAM application runs as a user or for one (sudo, su, login_duo): that user chose its cgroup, and can freeze
 * or starve its children. Without a known login uid, the real uid and PAM_RUSER decide.
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
