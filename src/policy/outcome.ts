/** What the end of a try, or a failure on the way, means for the person at the door. The table of README's failures. */
import { Outcome, Priority } from '../bridge/messages.ts';
import type { Failmode } from '../config/config.ts';
import { codeOfError, type DuoCode } from '../duo/codes.ts';
import type { DuoErrorCode } from '../duo/errors.ts';

/** What to answer, and with which words to log it. */
export interface Ruling {
  readonly outcome: Outcome;
  readonly code: DuoCode;
  readonly priority: Priority;
  readonly message: string;
}

/** Failures that say nothing about the user: before the user was asked, `failmode` decides what they mean. */
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

/** The ruling where the configuration's failmode decides: Duo is away, or the configuration can't be used. */
export function failmodeRuling(failmode: Failmode, code: DuoCode): Ruling {
  switch (failmode) {
    case 'safe':
      return { outcome: Outcome.pass, code, priority: Priority.warning, message: 'Failsafe Duo login' };
    case 'secure':
      return {
        outcome: Outcome.serviceError,
        code,
        priority: Priority.warning,
        message: 'Failsecure Duo login',
      };
  }
}

/**
 * The ruling on a failed call.
 * @param asked whether the user's factor was already being used: from then on a failure never lets anybody in
 */
export function failureRuling(kind: DuoErrorCode, asked: boolean, failmode: Failmode): Ruling {
  const before = BEFORE_ASKING[kind];
  const code = codeOfError(kind);
  if (before === 'failmode' && !asked) return failmodeRuling(failmode, code);
  if (kind === 'ERR_DUO_REQUEST') {
    return { outcome: Outcome.denied, code, priority: Priority.warning, message: 'Aborted Duo login' };
  }
  const message = kind === 'ERR_DUO_HANDLE' ? "Couldn't open Duo API handle" : 'Error in Duo login';
  return { outcome: Outcome.serviceError, code, priority: Priority.error, message };
}

/** Milliseconds: shorter than any wait for Duo, so that none runs out because this process stood still. */
const MAX_LOST_MS = 2_000;

/**
 * The error in place of one that looks like Duo's absence, where the engine was kept from running; undefined: it ran.
 * @param lost milliseconds, as lib/awake.ts counts them
 */
export function keptFromRunning(error: string, lost: number): string | undefined {
  if (lost <= MAX_LOST_MS) return undefined;
  const seconds = Math.round(lost / 1000);
  return `${error}; but this host kept the engine from running for ${seconds} seconds, so that it says nothing about Duo`;
}

/** Milliseconds: as long as any two waits for Duo, and less than a host leaves that was not kept from running itself. */
const LEAST_DEADLINE_MS = 60_000;

/**
 * The error in place of one that says that the time is over, where there was too little of it for that to be Duo's
 * doing; undefined: there was enough. A host that was stopped before it told its facts has little time left for the
 * engine, and whoever calls a setuid host may stop it (with a cgroup of their own).
 * @param deadline milliseconds, as the host set it
 */
export function leftTooLittle(error: string, deadline: number): string | undefined {
  if (deadline >= LEAST_DEADLINE_MS) return undefined;
  const seconds = Math.floor(deadline / 1000);
  return `${error}; but the host left only ${seconds} seconds for it, so that it says nothing about Duo`;
}
