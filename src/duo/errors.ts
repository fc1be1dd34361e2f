/**
 * What can go wrong between here and Duo. Every error has a stable `code`; its message is the sentence for the
 * log, holds no secret, and no control characters.
 */

/** What all errors here have in common. */
export abstract class DuoError extends Error {
  /** Says which error it is, and stays the same over all releases. */
  abstract readonly code: DuoErrorCode;
}

/** The `code` of each error. */
export type DuoErrorCode =
  | 'ERR_DUO_CONNECTION'
  | 'ERR_DUO_LOCAL'
  | 'ERR_DUO_UNAUTHORIZED'
  | 'ERR_DUO_SERVER'
  | 'ERR_DUO_REPLY'
  | 'ERR_DUO_REQUEST'
  | 'ERR_DUO_RATE_LIMIT'
  | 'ERR_DUO_HANDLE'
  | 'ERR_DUO_PARAMETER'
  | 'ERR_DUO_CLOSED';

/** Duo could not be reached: `Couldn't connect to H:P: REASON`. */
export class DuoConnectionError extends DuoError {
  override readonly code = 'ERR_DUO_CONNECTION';
}

/**
 * This host, not Duo, is out of something (descriptors, memory, ports), forbids the call, can't look up the name, or does
 * not let the engine run. A local user can cause it, so it is never a reason to let anybody in.
 */
export class DuoLocalError extends DuoError {
  override readonly code = 'ERR_DUO_LOCAL';
}

/** HTTP 401: `Invalid ikey or skey`. */
export class DuoUnauthorizedError extends DuoError {
  override readonly code = 'ERR_DUO_UNAUTHORIZED';
}

/** HTTP 5xx, a redirect, or any other status that is no answer: `HTTP N`. */
export class DuoServerError extends DuoError {
  override readonly code = 'ERR_DUO_SERVER';
}

/** A reply that can't be used: `invalid JSON response`, `JSON missing valid 'FIELD'`. */
export class DuoReplyError extends DuoError {
  override readonly code = 'ERR_DUO_REPLY';
}

/** Any other 4xx: `CODE: message`, in Duo's words. */
export class DuoRequestError extends DuoError {
  override readonly code = 'ERR_DUO_REQUEST';
}

/** `stat=FAIL` with HTTP 200: Duo refuses this try, and the user may try again. */
export class DuoTryError extends DuoRequestError {}

/** HTTP 429, again and again: Duo answers, but not in the time that a login has. */
export class DuoRateLimitError extends DuoError {
  override readonly code = 'ERR_DUO_RATE_LIMIT';
}

/** The client could not be set up: the message names what of its settings (cafile, disable_ca_pinning, http_proxy) can't be used. */
export class DuoHandleError extends DuoError {
  override readonly code = 'ERR_DUO_HANDLE';
}

/** A program asked for what can't be done: no user name, nobody to ask, an unknown flag. Duo was not asked. */
export class DuoParameterError extends DuoError {
  override readonly code = 'ERR_DUO_PARAMETER';
}

/** The handle was closed, before or while it was used. */
export class DuoClosedError extends DuoError {
  override readonly code = 'ERR_DUO_CLOSED';
}
