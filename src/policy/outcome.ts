/** What the end of an attempt, or a failure, means for the user. docs/logs.md has the same table. */

import type { Failmode } from '../config/config.ts';
import { codeOfError, type DuoCode } from '../duo/codes.ts';
import type { DuoErrorCode } from '../duo/errors.ts';
import type { LoginStage } from '../duo/progress.ts';
import { Outcome, Priority } from '../login/messages.ts';

/** The outcome, and the words for the log. */
export interface Ruling {
  readonly result: 'failsafe' | 'failsecure' | 'denied' | 'error';
  readonly outcome: Outcome;
  readonly code: DuoCode;
  readonly priority: Priority;
  readonly message: string;
}

/** Failures that say nothing about the user. Before the user was asked, `failmode` decides about them. */
type Absence = 'failmode' | 'deny';

const BEFORE_ASKING: Readonly<Record<DuoErrorCode, Absence>> = {
  ERR_DUO_CONNECTION: 'failmode',
  ERR_DUO_SERVER: 'failmode',
  ERR_DUO_UNAUTHORIZED: 'failmode',
  ERR_DUO_REPLY: 'failmode',
  ERR_DUO_REQUEST: 'deny',
  ERR_DUO_RATE_LIMIT: 'deny',
  ERR_DUO_LOCAL: 'deny',
  ERR_DUO_HANDLE: 'deny',
  ERR_DUO_PARAMETER: 'deny',
  ERR_DUO_CLOSED: 'deny',
};

/** The outcome by failmode: Duo is unreachable, or the configuration has an error. */
export function failmodeRuling(failmode: Failmode, code: DuoCode): Ruling {
  switch (failmode) {
    case 'safe':
      return {
        result: 'failsafe',
        outcome: Outcome.pass,
        code,
        priority: Priority.warning,
        message: 'Failsafe Duo login',
      };
    case 'secure':
      return {
        result: 'failsecure',
        outcome: Outcome.serviceError,
        code,
        priority: Priority.warning,
        message: 'Failsecure Duo login',
      };
  }
}

/**
 * The outcome of a failed call.
 * @param asked whether the user's factor was already in use: from then on a failure never lets anybody in
 */
export function failureRuling(kind: DuoErrorCode, asked: boolean, failmode: Failmode): Ruling {
  const before = BEFORE_ASKING[kind];
  const code = codeOfError(kind);
  if (before === 'failmode' && !asked) return failmodeRuling(failmode, code);
  if (kind === 'ERR_DUO_REQUEST') {
    return {
      result: 'denied',
      outcome: Outcome.denied,
      code,
      priority: Priority.warning,
      message: 'Aborted Duo login',
    };
  }
  const message = kind === 'ERR_DUO_HANDLE' ? "Couldn't open Duo API handle" : 'Error in Duo login';
  return { result: 'error', outcome: Outcome.serviceError, code, priority: Priority.error, message };
}

/** The reason for a login that ran out of time, which never lets anybody in. */
export function lateSentence(stage: LoginStage): string {
  const step = stage === 'prompt' ? "the user's answer" : `Duo's answer to ${stage}`;
  return `the time for this login is over (while waiting for ${step})`;
}
