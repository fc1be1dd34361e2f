/** How a login ended, for callers of the library. */
import { codeOfError, codeOfVerdict, DUO_CODE_NAMES } from '../duo/codes.ts';
import type { DuoError } from '../duo/errors.ts';
import type { LoginResult } from '../duo/login.ts';

/**
 * Where a login ended: `config` (its parameters, before Duo was asked), `ping`, `preauth`, `prompt` (the conversation),
 * `auth` or `auth_status`.
 */
export type DuoStage = 'config' | 'ping' | 'preauth' | 'prompt' | 'auth' | 'auth_status';

/** A decision about the user. */
export interface DuoVerdict<Code extends 'DUO_OK' | 'DUO_FAIL' | 'DUO_ABORT'> {
  /**
   * - `DUO_OK`: the user authenticated, or Duo lets them in without a factor (then the stage is `preauth`).
   * - `DUO_FAIL`: the user failed to authenticate, and may try again.
   * - `DUO_ABORT`: the user is denied by policy, has to enrol first, or the conversation failed.
   */
  readonly code: Code;
  /** Where it was decided. */
  readonly stage: DuoStage;
  /** Duo's sentence, without control characters; may be empty. */
  readonly message: string;
  /** What the conversation threw, where that ended the login. */
  readonly cause?: unknown;
}

/** A failure, which says nothing about the user: the user has not authenticated. */
export interface DuoFailure<
  Code extends 'DUO_LIB_ERROR' | 'DUO_CONN_ERROR' | 'DUO_CLIENT_ERROR' | 'DUO_SERVER_ERROR',
> {
  /**
   * - `DUO_LIB_ERROR`: this host, or this library, failed (out of descriptors, say).
   * - `DUO_CONN_ERROR`: Duo can't be reached, or its certificate is not to be trusted.
   * - `DUO_CLIENT_ERROR`: parameters that can't be, or that Duo refuses (a wrong ikey or skey).
   * - `DUO_SERVER_ERROR`: Duo failed, or sent what can't be used.
   */
  readonly code: Code;
  /** Where it failed. */
  readonly stage: DuoStage;
  /** The error's sentence: holds no secret and no control characters. */
  readonly message: string;
  /** The error itself, with its stable `code`. */
  readonly error: DuoError;
}

/** How a login ended: one of duo(3)'s seven codes, and where it came from. Only `DUO_OK` lets anybody in. */
export type DuoResult =
  | DuoVerdict<'DUO_OK'>
  | DuoVerdict<'DUO_FAIL'>
  | DuoVerdict<'DUO_ABORT'>
  | DuoFailure<'DUO_LIB_ERROR'>
  | DuoFailure<'DUO_CONN_ERROR'>
  | DuoFailure<'DUO_CLIENT_ERROR'>
  | DuoFailure<'DUO_SERVER_ERROR'>;

/** duo_code_t of duo(3). */
export type DuoCode = DuoResult['code'];

/** The result for the end of a try. @internal */
export function resultOf(end: LoginResult): DuoResult {
  if (end.kind === 'error') return errorResult(end.error, end.stage);
  return { code: DUO_CODE_NAMES[codeOfVerdict(end.kind)], stage: end.stage, message: end.message };
}

/** The result for a failure. @internal */
export function errorResult(error: DuoError, stage: DuoStage): DuoResult {
  return { code: DUO_CODE_NAMES[codeOfError(error.code)], stage, message: error.message, error };
}
