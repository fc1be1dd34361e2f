/**
 * A login as a script: requests to Duo with their replies, prompts with their answers, and status messages,
 * in order. An unexpected or missing step fails the test.
 */
import { isDeepStrictEqual } from 'node:util';
import type {
  AuthRequest,
  AuthResult,
  AuthStatus,
  DuoApi,
  Preauth,
  PreauthRequest,
} from '../../src/duo/api.ts';
import { Channel, ConversationError, type Groups, type LoginContext } from '../../src/login/messages.ts';

/** During this step the login is aborted or times out. */
export class Gone {
  readonly reason: Error;

  constructor(reason: Error) {
    this.reason = reason;
  }
}

/** A value, an error, or the end of the login. */
type Result<T> = T | Error | Gone;
type Text = string | RegExp;
/** Some fields of a request; undefined: the field must be absent. */
type Expected<T> = { readonly [K in keyof T]?: T[K] | undefined };

export type Step =
  | { readonly kind: 'ping'; readonly result: Result<undefined> }
  | { readonly kind: 'preauth'; readonly result: Result<Preauth>; readonly request: Expected<PreauthRequest> }
  | { readonly kind: 'auth'; readonly result: Result<AuthResult>; readonly request: Expected<AuthRequest> }
  | { readonly kind: 'authAsync'; readonly result: Result<string>; readonly request: Expected<AuthRequest> }
  | { readonly kind: 'authStatus'; readonly result: Result<AuthStatus>; readonly txid: string }
  | { readonly kind: 'prompt'; readonly text: Text }
  | { readonly kind: 'reply'; readonly result: Result<string> }
  | { readonly kind: 'status'; readonly text: Text };

export const ping = (result?: Error | Gone): Step => ({ kind: 'ping', result });
export const preauth = (result: Result<Preauth>, request: Expected<PreauthRequest> = {}): Step => ({
  kind: 'preauth',
  result,
  request,
});
export const auth = (result: Result<AuthResult>, request: Expected<AuthRequest> = {}): Step => ({
  kind: 'auth',
  result,
  request,
});
export const authAsync = (result: Result<string>, request: Expected<AuthRequest> = {}): Step => ({
  kind: 'authAsync',
  result,
  request,
});
export const authStatus = (result: Result<AuthStatus>, txid = 'txid'): Step => ({
  kind: 'authStatus',
  result,
  txid,
});
/** A prompt; a reply must follow. */
export const prompt = (text: Text): Step => ({ kind: 'prompt', text });
export const reply = (result: Result<string>): Step => ({ kind: 'reply', result });
export const noReply = (): Step => reply(new ConversationError('the conversation failed'));
/** A status message. */
export const shows = (text: Text): Step => ({ kind: 'status', text });

/** Duo's usual messages. */
export const MENU: Extract<Preauth, { result: 'auth' }> = {
  result: 'auth',
  message: 'Account is active',
  promptText: 'Passcode or option (1-2): ',
  defaultFactor: 'push1',
  factors: [
    { key: '1', value: 'push1' },
    { key: '2', value: 'phone1' },
  ],
};
export const ALLOWED: AuthResult = {
  result: 'allow',
  status: 'allow',
  message: 'Success. Logging you in...',
};
export const WRONG: AuthResult = { result: 'deny', status: 'deny', message: 'Incorrect passcode.' };
export const WAITING: AuthStatus = {
  result: 'waiting',
  status: 'pushed',
  message: 'Pushed a login request...',
};

interface Assertions {
  deepEqual(actual: unknown, expected: unknown, message?: string): unknown;
}

export class Story {
  /** The log as `[priority] text`, and standard error as `[stderr] text`. */
  readonly log: string[] = [];
  /** The user whose groups the login requested: `account`, `caller` or `nobody`. */
  readonly groupsOf: string[] = [];
  /** The groups of every user. */
  groups: Groups = { names: ['alice', 'staff'] };
  readonly #steps: Step[];
  readonly #wrong: string[] = [];
  readonly #abort = new AbortController();
  #begun = false;
  #closed = false;

  constructor(steps: readonly Step[]) {
    this.#steps = [...steps];
  }

  readonly context: LoginContext = {
    groupsOf: async (user) => {
      this.#needs(user);
      return this.groups;
    },
    noGroups: () => this.#needs('nobody'),
    conversation: {
      prompt: async (text) => {
        this.#shown(this.#next('prompt').text, text);
        return this.#settle<string>(this.#next('reply').result);
      },
      status: (text) => this.#shown(this.#next('status').text, text),
    },
    log: (priority, text, channel = Channel.log) => {
      this.log.push(`[${channel === Channel.log ? priority : 'stderr'}] ${text}`);
    },
    signal: this.#abort.signal,
  };

  readonly duo: DuoApi = {
    ping: async () => this.#settle<undefined>(this.#next('ping').result),
    preauth: async (request) => {
      const step = this.#next('preauth');
      this.#asked(step.request, request);
      return this.#settle<Preauth>(step.result);
    },
    auth: async (request) => {
      const step = this.#next('auth');
      this.#asked(step.request, request);
      return this.#settle<AuthResult>(step.result);
    },
    authAsync: async (request) => {
      const step = this.#next('authAsync');
      this.#asked(step.request, request);
      return this.#settle<string>(step.result);
    },
    authStatus: async (txid) => {
      const step = this.#next('authStatus');
      this.#asked({ txid: step.txid }, { txid });
      return this.#settle<AuthStatus>(step.result);
    },
    close: () => {
      this.#closed = true;
    },
  };

  /** The connections were closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Fails the test unless every step was taken in order. */
  over(t: Assertions): void {
    t.deepEqual(this.#wrong, []);
    t.deepEqual(this.#steps, [], 'steps that were left over');
  }

  /** A login that departs from its script is aborted; over() reports it. */
  #next<K extends Step['kind']>(kind: K): Extract<Step, { kind: K }> {
    const step = this.#steps[0];
    this.#begun = true;
    if (step !== undefined && isOf(step, kind)) {
      this.#steps.shift();
      return step;
    }
    this.#wrong.push(`${kind} where the story has ${step?.kind ?? 'ended'}`);
    const lost = new Error('the login left its story');
    this.#abort.abort(lost);
    throw lost;
  }

  /** PROTOCOL.md: once, before the conversation and before Duo is asked. */
  #needs(user: string): void {
    if (this.groupsOf.length > 0 || this.#begun) this.#wrong.push('the login said too late what it needs');
    this.groupsOf.push(user);
  }

  #shown(expected: Text, text: string): void {
    const fits = typeof expected === 'string' ? expected === text : expected.test(text);
    if (!fits) this.#wrong.push(`'${text}' was shown, not '${String(expected)}'`);
  }

  #asked(expected: object, actual: object): void {
    for (const [name, value] of Object.entries(expected)) {
      const given: unknown = Reflect.get(actual, name);
      if (!isDeepStrictEqual(given, value))
        this.#wrong.push(`${name} is ${String(given)}, not ${String(value)}`);
    }
  }

  async #settle<T extends object | string | undefined>(result: Result<T>): Promise<T> {
    if (result instanceof Gone) {
      this.#abort.abort(result.reason);
      throw result.reason;
    }
    if (result instanceof Error) throw result;
    return result;
  }
}

function isOf<K extends Step['kind']>(step: Step, kind: K): step is Extract<Step, { kind: K }> {
  return step.kind === kind;
}
