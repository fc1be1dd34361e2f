/**
 * The order of every login with Duo: say where it comes from, then attempt to authenticate until an attempt decides. The
 * module, login_duo, duo(3) in C and the TypeScript library differ by the plan that they make.
 */
import type { DuoApi } from '../duo/api.ts';
import {
  duoLogin,
  type LoginConversation,
  type LoginRequest,
  type LoginResult,
  type LoginStage,
  type Progress,
} from '../duo/login.ts';
import { pushinfoOf } from '../policy/origin.ts';
import { DeadlineError } from './messages.ts';

/** What one attempt does in its own way. */
export type Attempt = Pick<LoginRequest, 'flags' | 'factor'>;

/** Who authenticates, what Duo is told of it, and how often the user may try. */
export interface LoginPlan extends Pick<LoginRequest, 'username' | 'failmode' | 'verifiedPush'> {
  /** This host's name. */
  readonly hostname: string;
  /** The address that the login comes from; undefined: Duo is told none. */
  readonly clientIp: string | undefined;
  /** This host's own address, undefined where it has none. */
  readonly localAddress: string | undefined;
  /** The command to be shown with a push. */
  readonly command: string | undefined;
  /** The flags and the factor of each attempt, counted from 0. */
  readonly attempt: (number: number) => Attempt;
  /** The number of attempts that the user has. */
  readonly attempts: number;
  /** Told of each failed attempt, the last one too. */
  readonly failed?: (message: string) => void;
  /** False: nothing is shown, and nobody can be asked. */
  readonly shows: boolean;
}

/** How a login with Duo ended. */
export type LoginEnd = (LoginResult | { readonly kind: 'late'; readonly stage: LoginStage }) & {
  /** The user was asked or told something. */
  readonly asked: boolean;
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
  // Where nothing is shown the phone rings all the same: what is announced counts, seen or not.
  const conversation: LoginConversation = {
    status: noting(plan.shows ? status : () => {}),
    ...(prompt === undefined || !plan.shows ? {} : { prompt: noting(prompt) }),
  };
  const request = requestOf(plan);
  for (let number = 0; ; number += 1) {
    const progress: Progress = { stage: 'ping' };
    try {
      const result = await duoLogin(
        duo,
        { ...request, ...plan.attempt(number) },
        conversation,
        signal,
        progress,
      );
      if (result.kind === 'failed') plan.failed?.(result.message);
      if (result.kind === 'failed' && number + 1 < plan.attempts) asked = true;
      else return { ...result, asked: asked || (result.kind === 'error' && result.asked) };
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      return { kind: 'late', stage: progress.stage, asked };
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
