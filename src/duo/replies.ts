/** Parses Duo's replies into the types of api.ts, or an error that names the invalid field. */
import * as v from 'valibot';
import { cleanText } from '../lib/text.ts';
import type { AuthResult, AuthStatus, Factor, Preauth, VerifiedPush } from './api.ts';
import {
  type DuoError,
  DuoRateLimitError,
  DuoReplyError,
  DuoRequestError,
  DuoServerError,
  DuoTryError,
  DuoUnauthorizedError,
} from './errors.ts';

/** One HTTP reply. */
export interface Reply {
  readonly status: number;
  readonly body: string;
}

const text = v.pipe(v.string(), v.transform(cleanText));
const optionalText = v.optional(
  v.pipe(
    v.nullable(text),
    v.transform((value) => value ?? ''),
  ),
  '',
);

const Failure = v.object({
  stat: v.literal('FAIL'),
  code: v.pipe(v.number(), v.integer()),
  message: text,
  message_detail: optionalText,
});
const Success = v.object({ stat: v.literal('OK'), response: v.unknown() });

const Ping = v.object({ time: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(8.64e12)) });
const Result = v.object({ result: text });
const Allow = v.object({ status_msg: text });
/** A refusal stays a refusal, whatever else is wrong with it; its words are used if they are valid. */
const Refusal = v.object({
  status_msg: v.fallback(optionalText, ''),
  enroll_portal_url: v.fallback(v.optional(v.nullable(text)), undefined),
  prompt: v.fallback(v.optional(v.object({ text })), undefined),
});
const Prompt = v.object({ prompt: v.object({ text, factors: v.record(v.string(), text) }) });
const Verified = v.object({
  txid: v.pipe(v.string(), v.minLength(1), v.maxLength(1024)),
  verification_code: v.fallback(
    v.optional(v.union([text, v.pipe(v.number(), v.transform(String))])),
    undefined,
  ),
});
const Auth = v.object({ status: optionalText, status_msg: text });
const Transaction = v.object({ txid: v.pipe(v.string(), v.minLength(1), v.maxLength(1024)) });

/**
 * The `response` of a reply with stat OK.
 * @throws DuoError for any other reply
 */
export function openReply({ status, body }: Reply): unknown {
  if (status === 401) throw new DuoUnauthorizedError('Invalid ikey or skey');
  if (status !== 200 && (status < 400 || status > 499)) throw new DuoServerError(`HTTP ${status}`);
  if (status !== 200) throw refusal(status, body);
  const envelope = parseJson(body);
  const failure = v.safeParse(Failure, envelope);
  if (failure.success) throw new DuoTryError(wordsOf(failure.output));
  if (!v.is(v.object({}), envelope)) throw new DuoReplyError('invalid JSON response');
  if (v.is(v.object({ stat: v.literal('FAIL') }), envelope)) throw missing(failure.issues, 'stat');
  return check(Success, envelope, 'stat').response;
}

/** A 4xx as an error, with Duo's words or the status. */
function refusal(status: number, body: string): DuoError {
  const failure = v.safeParse(
    Failure,
    parseJson(body, () => undefined),
  );
  const words = failure.success ? wordsOf(failure.output) : `HTTP ${status}`;
  return status === 429 ? new DuoRateLimitError(words) : new DuoRequestError(words);
}

function wordsOf({ code, message, message_detail: detail }: v.InferOutput<typeof Failure>): string {
  return `${code}: ${message}${detail === '' ? '' : ` (${detail})`}`;
}

/** Duo's error code in a failed reply; undefined when there is none. */
export function failureCode(body: string): number | undefined {
  const failure = v.safeParse(
    Failure,
    parseJson(body, () => undefined),
  );
  return failure.success ? failure.output.code : undefined;
}

function parseJson(body: string, otherwise?: () => undefined): unknown {
  try {
    return JSON.parse(body);
  } catch {
    if (otherwise !== undefined) return otherwise();
    throw new DuoReplyError('invalid JSON response');
  }
}

/** Unix seconds. */
export function parsePing(response: unknown): number {
  return check(Ping, response).time;
}

export function parsePreauth(response: unknown): Preauth {
  const { result } = check(Result, response);
  switch (result) {
    case 'allow':
      return { result, message: check(Allow, response).status_msg };
    case 'deny':
      return { result, message: check(Refusal, response).status_msg };
    case 'enroll': {
      const { status_msg: message, enroll_portal_url: portalUrl, prompt } = check(Refusal, response);
      return {
        result,
        message,
        ...(portalUrl ? { portalUrl } : {}),
        ...(prompt === undefined ? {} : { promptText: prompt.text }),
      };
    }
    case 'auth':
      return parseAsking(response);
    default:
      throw new DuoReplyError(`JSON invalid 'result': ${result}`);
  }
}

function parseAsking(response: unknown): Preauth {
  const { prompt } = check(Prompt, response);
  const { default: defaultFactor, ...others } = prompt.factors;
  const factors: Factor[] = Object.entries(others).map(([key, value]) => ({ key, value }));
  const verified = v.safeParse(Verified, response);
  return {
    result: 'auth',
    message: check(Refusal, response).status_msg,
    promptText: prompt.text,
    ...(defaultFactor === undefined ? {} : { defaultFactor }),
    factors,
    ...(verified.success ? { verifiedPush: verifiedPush(verified.output) } : {}),
  };
}

function verifiedPush({ txid, verification_code: code }: v.InferOutput<typeof Verified>): VerifiedPush {
  return code === undefined ? { txid } : { txid, code };
}

export function parseAuth(response: unknown): AuthResult {
  const { result } = check(Result, response);
  if (result !== 'allow' && result !== 'deny') throw new DuoReplyError(`JSON invalid 'result': ${result}`);
  const { status, status_msg: message } = check(Auth, response);
  return { result, status, message };
}

export function parseTransaction(response: unknown): string {
  return check(Transaction, response).txid;
}

export function parseAuthStatus(response: unknown): AuthStatus {
  const { result } = check(Result, response);
  if (result !== 'allow' && result !== 'deny' && result !== 'waiting') {
    throw new DuoReplyError(`JSON invalid 'result': ${result}`);
  }
  const { status, status_msg: message } = check(Auth, response);
  return { result, status, message };
}

function check<S extends v.GenericSchema>(schema: S, value: unknown, whole = 'response'): v.InferOutput<S> {
  const parsed = v.safeParse(schema, value);
  if (!parsed.success) throw missing(parsed.issues, whole);
  return parsed.output;
}

/** Names the innermost missing or invalid field. */
function missing(issues: readonly v.BaseIssue<unknown>[] | undefined, whole: string): DuoReplyError {
  const key = issues?.[0]?.path?.at(-1)?.key;
  return new DuoReplyError(`JSON missing valid '${cleanText(typeof key === 'string' ? key : whole)}'`);
}
