/** What must come of each story: the promises of the documentation, in its words. */
import type { Failmode, Failure, Kind, Story } from './stories.ts';

/** What the caller of PAM gets; a login that was cancelled has no verdict, and its host says PAM_ABORT by itself. */
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
    // Duo can't be reached, TLS fails, 5xx, 401, an unusable reply: before the user was asked failmode decides,
    // afterwards it is a denial. An engine that a local caller has power over finds nothing absent.
    case 'no connection':
    case 'HTTP 5xx':
    case 'HTTP 401':
    case 'an unusable reply':
      if (local && !asked && failmode === 'safe') return 'SERVICE_ERR';
      return asked ? 'SERVICE_ERR' : FAILMODE[failmode];
    // The lack of an answer is not evidence, whatever failmode says.
    case 'no answer in time':
      return 'SERVICE_ERR';
    // Any other 4xx is a denial in Duo's words, whenever it comes.
    case 'another 4xx':
      return 'ABORT';
    // Whoever logs in can bring that about: it lets nobody in.
    case 'this host is short of something':
      return 'SERVICE_ERR';
    case 'the host cancels':
      return 'ABORT (cancelled)';
  }
}

/** What must come of a story. */
export function expected({ kind, failmode, again, event }: Story): Expected {
  switch (event.at) {
    case 'ping':
      // Behind a failed try the user was asked already.
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
