/**
 * duo(3) for Node programs: Duo's second factor for a user whom the program knows already.
 * @module pam-duo-ts
 */
export {
  DuoClosedError,
  DuoConnectionError,
  DuoError,
  type DuoErrorCode,
  DuoHandleError,
  DuoLocalError,
  DuoParameterError,
  DuoRateLimitError,
  DuoReplyError,
  DuoRequestError,
  DuoServerError,
  DuoUnauthorizedError,
} from '../duo/errors.ts';
export type { DuoConversation } from './conversation.ts';
export { Duo, DuoFlag, type DuoLoginOptions, type DuoOptions } from './duo.ts';
export type { DuoCode, DuoFailure, DuoResult, DuoStage, DuoVerdict } from './result.ts';
