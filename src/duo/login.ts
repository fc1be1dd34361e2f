/**
 * duo_login of duo(3): one attempt to authenticate one user. It asks Duo what is needed (ping, preauth), asks the user
 * for a factor, and lets Duo decide (auth, auth_status).
 */
import type { DuoApi, Preauth } from './api.ts';
import { DuoError, DuoParameterError, DuoTryError } from './errors.ts';
import { type LoginStage, Progress } from './progress.ts';

/** DUO_FLAG_AUTO and DUO_FLAG_SYNC of duo(3). */
export interface LoginFlags {
  /** Use the user's default factor without asking. */
  readonly auto: boolean;
  /** Wait in one call, with one status message, instead of reporting each step. */
  readonly sync: boolean;
  /** The PAM application shows status lines after the login: what the user must read earlier goes into a prompt. */
  readonly heldBack?: boolean;
}

/** conv_prompt and conv_status of duo(3). */
export interface LoginConversation {
  /** Shows `text` and resolves to the answer; rejects when there is none. Absent: nobody can be asked. */
  readonly prompt?: (text: string) => Promise<string>;
  readonly status: (text: string) => void;
}

export interface LoginRequest {
  readonly username: string;
  readonly ipaddr?: string;
  readonly hostname?: string;
  readonly pushinfo?: string;
  /** failmode, for Duo's information. */
  readonly failmode: 'open' | 'closed';
  readonly verifiedPush: boolean;
  readonly flags: LoginFlags;
  /** A factor or passcode given in advance (DUO_PASSCODE), used instead of a prompt. */
  readonly factor?: string;
}

/** The end of one attempt. Denials are data; only an aborted signal is thrown. */
export type LoginResult =
  /** The user authenticated. */
  | { readonly kind: 'allowed'; readonly stage: LoginStage; readonly message: string }
  /** Duo lets this user in without a factor. */
  | { readonly kind: 'skipped'; readonly stage: LoginStage; readonly message: string }
  /** A wrong or refused factor: the user may try again. */
  | { readonly kind: 'failed'; readonly stage: LoginStage; readonly message: string }
  /** Duo's policy denies the user; another attempt is useless. */
  | { readonly kind: 'denied'; readonly stage: LoginStage; readonly message: string }
  /** The user could not be asked, or gave an unusable answer. */
  | { readonly kind: 'unanswered'; readonly stage: LoginStage; readonly message: string }
  /** A call failed. `asked`: the user's factor was already in use. */
  | { readonly kind: 'error'; readonly stage: LoginStage; readonly error: DuoError; readonly asked: boolean };

const MAX_POLLS = 20;
/** The longest answer that can be a factor or a passcode, in bytes. */
const MAX_ANSWER = 255;
const CONTINUE = 'Press Enter to continue: ';
const UNANSWERED = { kind: 'unanswered', stage: 'prompt', message: 'Error gathering user response' } as const;

/**
 * Makes one attempt.
 * @param signal ends it at once; the promise then rejects with its reason
 */
export async function duoLogin(
  api: DuoApi,
  request: LoginRequest,
  conversation: LoginConversation,
  signal: AbortSignal,
  progress = new Progress(),
): Promise<LoginResult> {
  const at = <T>(next: LoginStage, call: Promise<T>): Promise<T> => {
    progress.enter(next);
    return call;
  };
  if (request.username === '') {
    const error = new DuoParameterError('need username to authenticate');
    return { kind: 'error', stage: 'preauth', error, asked: false };
  }
  try {
    await at('ping', api.ping(signal));
    const preauth = await at('preauth', api.preauth(preauthRequest(request), signal));
    if (preauth.result !== 'auth') return await settled(preauth, request.flags, conversation, signal);

    progress.enter('prompt');
    const choice = await chooseFactor(preauth, request, conversation, signal);
    if ('kind' in choice) return choice;
    progress.factor = kindOf(choice.factor);
    progress.device = deviceOf(preauth, choice.factor);

    const call = { ...authRequest(request), factor: choice.factor };
    const verified = isVerifiedPush(preauth, choice.factor);
    // A synchronous call would end before the user sees the code.
    if (request.flags.sync && !verified) {
      const result = await at('auth', api.auth(call, signal));
      if (result.message !== '') conversation.status(result.message);
      return ended(result.result, result.status, result.message, 'auth');
    }
    const { txid: preauthTxid, code } = (verified && preauth.verifiedPush) || {};
    const txid = await at('auth', api.authAsync({ ...call, ...given('txid', preauthTxid) }, signal));
    if (code !== undefined) {
      const text = `Enter the code ${code} in Duo Mobile to approve this login.`;
      if (!(await present(text, CONTINUE, request.flags, conversation, signal))) return UNANSWERED;
    }
    progress.txid = txid;
    progress.enter('auth_status');
    const flags = { ...request.flags, codeFollows: verified && code === undefined };
    return await poll(api, txid, flags, conversation, signal);
  } catch (error) {
    signal.throwIfAborted();
    const { stage } = progress;
    if (error instanceof DuoTryError) return { kind: 'failed', stage, message: error.message };
    if (!(error instanceof DuoError)) throw error;
    return { kind: 'error', stage, error, asked: stage === 'auth' || stage === 'auth_status' };
  }
}

function preauthRequest({ username, ipaddr, hostname, failmode, verifiedPush }: LoginRequest) {
  return { username, failmode, verifiedPush, ...given('ipaddr', ipaddr), ...given('hostname', hostname) };
}

function authRequest({ username, ipaddr, hostname, pushinfo }: LoginRequest) {
  return {
    username,
    ...given('ipaddr', ipaddr),
    ...given('hostname', hostname),
    ...given('pushinfo', pushinfo),
  };
}

function given<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: string });
}

type Asked = Extract<Preauth, { result: 'auth' }>;

/** The beginning of a factor's name is its kind: `push2`, `verified_push2`. */
const VERIFIED_PUSH = 'verified_push';
const PUSH = 'push';

/** Duo accepts preauth's txid only with such a factor. */
function isVerifiedPush({ verifiedPush }: Asked, factor: string): boolean {
  return factor.startsWith(VERIFIED_PUSH) || (factor.startsWith(PUSH) && verifiedPush?.code !== undefined);
}

/** Preauth's decision without the user. */
async function settled(
  preauth: Exclude<Preauth, Asked>,
  flags: LoginFlags,
  conversation: LoginConversation,
  signal: AbortSignal,
): Promise<LoginResult> {
  const { status } = conversation;
  const stage = 'preauth';
  switch (preauth.result) {
    case 'allow':
      if (preauth.message !== '') status(preauth.message);
      return { kind: 'skipped', stage, message: preauth.message };
    case 'deny':
      if (preauth.message !== '') status(preauth.message);
      return { kind: 'denied', stage, message: preauth.message };
    case 'enroll':
      await present(
        preauth.promptText ?? enrolment(preauth.message, preauth.portalUrl),
        'Press Enter to end this login: ',
        flags,
        conversation,
        signal,
      );
      return { kind: 'denied', stage, message: 'User enrollment required' };
  }
}

function enrolment(message: string, portalUrl: string | undefined): string {
  return portalUrl === undefined || message.includes(portalUrl) ? message : `${message} ${portalUrl}`.trim();
}

/** The factor to send, or the end of the attempt. */
async function chooseFactor(
  preauth: Asked,
  request: LoginRequest,
  conversation: LoginConversation,
  signal: AbortSignal,
): Promise<{ readonly factor: string } | LoginResult> {
  const stage = 'prompt';
  if (request.factor !== undefined) {
    conversation.status('Reading $DUO_PASSCODE...');
    return { factor: fromMenu(preauth, request.factor) };
  }
  const { defaultFactor } = preauth;
  if (request.flags.auto && defaultFactor !== undefined) {
    conversation.status(announcement(defaultFactor));
    return { factor: defaultFactor };
  }
  if (conversation.prompt === undefined) {
    const message = request.flags.auto ? "JSON missing valid 'default'" : 'Error gathering user response';
    return { kind: 'unanswered', stage, message };
  }
  const answer = await ask(preauth.promptText, conversation.prompt, signal);
  if (answer === undefined || Buffer.byteLength(answer) > MAX_ANSWER) return UNANSWERED;
  if (answer === '') return { kind: 'failed', stage, message: 'nothing was entered' };
  return { factor: fromMenu(preauth, answer) };
}

/** The user's answer without surrounding white space; undefined when the conversation failed. */
async function ask(
  text: string,
  prompt: (text: string) => Promise<string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return (await prompt(text)).trim();
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

function fromMenu({ factors }: Asked, answer: string): string {
  return factors.find(({ key }) => key === answer)?.value ?? answer;
}

/** The kind of a factor without its number, for the log. Every other answer can be a passcode. */
function kindOf(factor: string): string {
  return /^(push|phone|sms|verified_push)\d*$/.exec(factor)?.[1] ?? 'passcode';
}

/** The menu's words for a factor. */
function deviceOf({ factors, promptText }: Asked, factor: string): string | undefined {
  const key = factors.find(({ value }) => value === factor)?.key;
  if (key === undefined) return undefined;
  return promptText
    .split('\n')
    .map((line) => /^\s*(\w+)\.\s+(.*\S)/.exec(line))
    .find((match) => match?.[1] === key)?.[2];
}

function announcement(factor: string): string {
  if (factor.startsWith(PUSH) || factor.startsWith(VERIFIED_PUSH))
    return 'Autopushing login request to phone...';
  if (factor.startsWith('phone')) return 'Calling your phone...';
  return 'Using default second-factor authentication.';
}

/** Shows a text that the user must read now, in a prompt if status lines are held back. False on failure. */
async function present(
  text: string,
  enter: string,
  { heldBack }: LoginFlags,
  { prompt, status }: LoginConversation,
  signal: AbortSignal,
): Promise<boolean> {
  if (!heldBack) {
    status(text);
    return true;
  }
  if (prompt === undefined) return false;
  return (await ask(`${text}\n${enter}`, prompt, signal)) !== undefined;
}

async function poll(
  api: DuoApi,
  txid: string,
  flags: LoginFlags & { readonly codeFollows: boolean },
  conversation: LoginConversation,
  signal: AbortSignal,
): Promise<LoginResult> {
  const stage = 'auth_status';
  const { sync, codeFollows } = flags;
  if (!sync) conversation.status('');
  let shown = '';
  for (let polls = 0; polls < MAX_POLLS; polls += 1) {
    const state = await api.authStatus(txid, signal);
    const news = state.message !== '' && state.message !== shown;
    shown = state.message;
    if (news && codeFollows && state.result === 'waiting') {
      // The message may hold the code for the phone.
      if (!(await present(state.message, CONTINUE, flags, conversation, signal))) return UNANSWERED;
    } else if (news && (!sync || state.result !== 'waiting')) {
      conversation.status(state.message);
    }
    if (state.result === 'waiting') continue;
    if (state.result === 'deny' && !sync) conversation.status('');
    return ended(state.result, state.status, state.message, stage);
  }
  if (!sync) conversation.status('');
  return { kind: 'failed', stage, message: 'Authentication timed out' };
}

function ended(result: 'allow' | 'deny', status: string, message: string, stage: LoginStage): LoginResult {
  if (result === 'allow') return { kind: 'allowed', stage, message };
  return { kind: status === 'locked_out' ? 'denied' : 'failed', stage, message };
}
