/**
 * The failures of a call to Duo. Every error has a stable `code`; its message is the sentence for the log, without
 * secrets and control characters.
 */

/** The base of all errors. */
export abstract class DuoError extends Error {
  /** Identifies the error, and stays the same over releases. */
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
 * This machine, not Duo, failed: a shortage (descriptors, memory, ports), a forbidden call, a failed look-up, or a
 * stalled engine. A local user can cause it, so it never lets anybody in.
 */
export class DuoLocalError extends DuoError {
  override readonly code = 'ERR_DUO_LOCAL';
}

/** HTTP 401: `Invalid ikey or skey`. */
export class DuoUnauthorizedError extends DuoError {
  override readonly code = 'ERR_DUO_UNAUTHORIZED';
}

/** HTTP 5xx, a redirect, or another unexpected status: `HTTP N`. */
export class DuoServerError extends DuoError {
  override readonly code = 'ERR_DUO_SERVER';
}

/** An unusable reply: `invalid JSON response`, `JSON missing valid 'FIELD'`. */
export class DuoReplyError extends DuoError {
  override readonly code = 'ERR_DUO_REPLY';
}

/** Any other 4xx: `CODE: message`, in Duo's words. */
export class DuoRequestError extends DuoError {
  override readonly code = 'ERR_DUO_REQUEST';
}

/** `stat=FAIL` with HTTP 200: Duo refuses this attempt, and the user may try again. */
export class DuoTryError extends DuoRequestError {}

/** HTTP 429 until the login's time ended. */
export class DuoRateLimitError extends DuoError {
  override readonly code = 'ERR_DUO_RATE_LIMIT';
}

/** The client could not be set up. The message names the setting (cafile, disable_ca_pinning, http_proxy). */
export class DuoHandleError extends DuoError {
  override readonly code = 'ERR_DUO_HANDLE';
}

/** A program passed an invalid parameter: no user name, no prompt, an unknown flag. Duo was not asked. */
export class DuoParameterError extends DuoError {
  override readonly code = 'ERR_DUO_PARAMETER';
}

/** The handle was closed, before or while it was used. */
export class DuoClosedError extends DuoError {
  override readonly code = 'ERR_DUO_CLOSED';
}
