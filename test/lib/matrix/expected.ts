/** The required result of each story, written independently from the promises of the documentation. */
import type { Failmode, Failure, Kind, Story } from './stories.ts';

/**
 * The code that the caller of PAM gets; a cancelled login has no verdict, and its module returns PAM_ABORT.
 */
export type Expected =
  | 'SUCCESS'
  | 'MAXTRIES'
  | 'ABORT'
  | 'SERVICE_ERR'
  | 'USER_UNKNOWN'
  | 'ABORT (cancelled)';

const FAILMODE: Readonly<Record<Failmode, Expected>> = { safe: 'SUCCESS', secure: 'SERVICE_ERR' };

function ofFailure(failure: Failure, asked: boolean, failmode: Failmode, { local }: Kind): Expected {
  switch (failure) {
    // Duo unreachable, TLS failure, 5xx, 401, an invalid reply: before the prompt failmode decides, after it the login
    // is denied. An engine that a local caller could tamper with never finds Duo unreachable.
    case 'no connection':
    case 'HTTP 5xx':
    case 'HTTP 401':
    case 'an unusable reply':
      if (local && !asked && failmode === 'safe') return 'SERVICE_ERR';
      return asked ? 'SERVICE_ERR' : FAILMODE[failmode];
    // A timeout is not evidence, with any failmode.
    case 'no answer in time':
      return 'SERVICE_ERR';
    // Any other 4xx is a denial with Duo's message, at any time.
    case 'another 4xx':
      return 'ABORT';
    // The user can cause this, so it denies.
    case 'this host is short of something':
      return 'SERVICE_ERR';
    case 'the host cancels':
      return 'ABORT (cancelled)';
  }
}

/** The required result of a story. */
export function expected({ kind, failmode, again, event }: Story): Expected {
  switch (event.at) {
    case 'ping':
      // After a failed try the user was prompted already.
      return ofFailure(event.what, again, failmode, kind);
    case 'preauth':
      switch (event.what) {
        case 'allow':
          return 'SUCCESS';
        case 'deny':
        case 'enroll':
          return 'ABORT';
        default:
          return ofFailure(event.what, again, failmode, kind);
      }
    case 'prompt':
    case 'code':
      switch (event.what) {
        case 'nothing entered':
          return 'MAXTRIES';
        case 'impossible':
        case 'too much entered':
        case 'fails':
          return 'ABORT';
        case 'no answer in time':
        case 'the host cancels':
          return ofFailure(event.what, true, failmode, kind);
      }
      break;
    case 'auth':
    case 'auth_status':
      return ofFailure(event.what, true, failmode, kind);
    case 'decision':
      switch (event.what) {
        case 'allow':
          return 'SUCCESS';
        case 'deny':
        case 'waiting for ever':
          return 'MAXTRIES';
        case 'locked out':
          return 'ABORT';
      }
  }
}
