/**
 * The order of every login with Duo: determine the client's address, then make attempts until one decides. The module,
 * login_duo, duo(3) in C and the TypeScript library differ only by their plans.
 */
import type { DuoApi } from '../duo/api.ts';
import { duoLogin, type LoginConversation, type LoginRequest, type LoginResult } from '../duo/login.ts';
import { type LoginStage, Progress } from '../duo/progress.ts';
import { pushinfoOf } from '../policy/origin.ts';
import { DeadlineError } from './messages.ts';

/** How one attempt differs from the others. */
export type Attempt = Pick<LoginRequest, 'flags' | 'factor'>;

/** The user, what Duo is told about the login, and the number of attempts. */
export interface LoginPlan extends Pick<LoginRequest, 'username' | 'failmode' | 'verifiedPush'> {
  /** This machine's name. */
  readonly hostname: string;
  /** The client's address; undefined: Duo gets none. */
  readonly clientIp: string | undefined;
  /** This machine's own address; undefined when it has none. */
  readonly localAddress: string | undefined;
  /** The command that a push shows. */
  readonly command: string | undefined;
  /** The flags and the factor of each attempt, counted from 0. */
  readonly attempt: (number: number) => Attempt;
  /** The number of attempts that the user has. */
  readonly attempts: number;
  /** Called for each failed attempt, including the last one. */
  readonly failed?: (message: string, progress: Progress) => void;
  /** False: nothing is shown and nobody can be asked. */
  readonly shows: boolean;
}

/** How a login with Duo ended. */
export type LoginEnd = (LoginResult | { readonly kind: 'late'; readonly stage: LoginStage }) & {
  /** The user was asked, or was shown something. */
  readonly asked: boolean;
  /** The last attempt. */
  readonly progress: Progress;
};

/**
 * Runs one login.
 * @param signal ends it at once; the promise then rejects with its reason, unless that is a DeadlineError
 */
export async function runLogin(
  duo: DuoApi,
  plan: LoginPlan,
  { prompt, status }: LoginConversation,
  signal: AbortSignal,
): Promise<LoginEnd> {
  let asked = false;
  const noting =
    <T>(say: (text: string) => T) =>
    (text: string): T => {
      asked = true;
      return say(text);
    };
  // Without a conversation the phone may still ring, so an announcement counts even if it is not shown.
  const conversation: LoginConversation = {
    status: noting(plan.shows ? status : () => {}),
    ...(prompt === undefined || !plan.shows ? {} : { prompt: noting(prompt) }),
  };
  const request = requestOf(plan);
  for (let number = 0; ; number += 1) {
    const progress = new Progress();
    try {
      const result = await duoLogin(
        duo,
        { ...request, ...plan.attempt(number) },
        conversation,
        signal,
        progress,
      );
      if (result.kind === 'failed') plan.failed?.(result.message, progress);
      if (result.kind === 'failed' && number + 1 < plan.attempts) asked = true;
      else return { ...result, asked: asked || (result.kind === 'error' && result.asked), progress };
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      return { kind: 'late', stage: progress.stage, asked, progress };
    }
  }
}

function requestOf(plan: LoginPlan): Omit<LoginRequest, keyof Attempt> {
  const { username, hostname, clientIp, command, localAddress, failmode, verifiedPush } = plan;
  return {
    username,
    hostname,
    ...(clientIp === undefined || clientIp === '' ? {} : { ipaddr: clientIp }),
    pushinfo: pushinfoOf(command, localAddress),
    failmode,
    verifiedPush,
  };
}
