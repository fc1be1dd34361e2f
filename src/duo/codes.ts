/** duo_code_t of duo(3), and the code for each end of a login. */
import type { DuoErrorCode } from './errors.ts';
import type { LoginResult } from './login.ts';

/** duo_code_t of duo(3). */
export const DuoCode = {
  ok: 0,
  fail: 1,
  abort: 2,
  libError: 3,
  connError: 4,
  clientError: 5,
  serverError: 6,
} as const;
export type DuoCode = (typeof DuoCode)[keyof typeof DuoCode];

/** The names in duo.h. */
export const DUO_CODE_NAMES = {
  [DuoCode.ok]: 'DUO_OK',
  [DuoCode.fail]: 'DUO_FAIL',
  [DuoCode.abort]: 'DUO_ABORT',
  [DuoCode.libError]: 'DUO_LIB_ERROR',
  [DuoCode.connError]: 'DUO_CONN_ERROR',
  [DuoCode.clientError]: 'DUO_CLIENT_ERROR',
  [DuoCode.serverError]: 'DUO_SERVER_ERROR',
} as const satisfies Readonly<Record<DuoCode, string>>;

/** The codes that are a decision about the user. */
export type DuoVerdictCode = typeof DuoCode.ok | typeof DuoCode.fail | typeof DuoCode.abort;
/** The codes that are a failure and say nothing about the user. */
export type DuoFailureCode = Exclude<DuoCode, DuoVerdictCode>;

const ERRORS: Readonly<Record<DuoErrorCode, DuoFailureCode>> = {
  ERR_DUO_CONNECTION: DuoCode.connError,
  ERR_DUO_SERVER: DuoCode.serverError,
  ERR_DUO_REPLY: DuoCode.serverError,
  ERR_DUO_UNAUTHORIZED: DuoCode.clientError,
  ERR_DUO_REQUEST: DuoCode.clientError,
  ERR_DUO_RATE_LIMIT: DuoCode.clientError,
  ERR_DUO_LOCAL: DuoCode.libError,
  ERR_DUO_HANDLE: DuoCode.libError,
  ERR_DUO_PARAMETER: DuoCode.clientError,
  ERR_DUO_CLOSED: DuoCode.libError,
};

/** The code of a failed call. */
export function codeOfError(error: DuoErrorCode): DuoFailureCode {
  return ERRORS[error];
}

/** The code for an attempt's decision. DUO_OK only for a user who authenticated, or whom Duo exempts. */
export function codeOfVerdict(kind: Exclude<LoginResult['kind'], 'error'>): DuoVerdictCode {
  switch (kind) {
    case 'allowed':
    case 'skipped':
      return DuoCode.ok;
    case 'failed':
      return DuoCode.fail;
    case 'denied':
    case 'unanswered':
      return DuoCode.abort;
  }
}

/** The code for the end of an attempt. */
export function codeOfResult(result: LoginResult): DuoCode {
  return result.kind === 'error' ? codeOfError(result.error.code) : codeOfVerdict(result.kind);
}
