/** Runs a PAM login as its story says, with a scripted Duo, a scripted user and a fake clock. */

import type { AuthResult, AuthStatus, DuoApi, Preauth } from '../../../src/duo/api.ts';
import {
  DuoConnectionError,
  type DuoError,
  DuoHandleError,
  DuoLocalError,
  DuoReplyError,
  DuoRequestError,
  DuoServerError,
  DuoUnauthorizedError,
} from '../../../src/duo/errors.ts';
import {
  CancelledError,
  ConversationError,
  DeadlineError,
  type Facts,
  type Groups,
  type LoginContext,
  Outcome,
} from '../../../src/login/messages.ts';
import { pamLogin } from '../../../src/login/pam.ts';
import { FakeClock } from '../fake-clock.ts';
import type { Expected } from './expected.ts';
import type { Call, Event, Failure, Story, What } from './stories.ts';

const PAM_CODES: Readonly<Record<Outcome, Expected>> = {
  [Outcome.pass]: 'SUCCESS',
  [Outcome.maxTries]: 'MAXTRIES',
  [Outcome.denied]: 'ABORT',
  [Outcome.aborted]: 'ABORT',
  [Outcome.userUnknown]: 'USER_UNKNOWN',
  [Outcome.serviceError]: 'SERVICE_ERR',
};

const ERRORS: Readonly<Record<Exclude<Failure, 'no answer in time' | 'the host cancels'>, DuoError>> = {
  'no connection': new DuoConnectionError("Couldn't connect to h:443: Failed to connect"),
  'HTTP 5xx': new DuoServerError('HTTP 503'),
  'HTTP 401': new DuoUnauthorizedError('Invalid ikey or skey'),
  'an unusable reply': new DuoReplyError('invalid JSON response'),
  'another 4xx': new DuoRequestError('40301: no'),
  'this host is short of something': new DuoLocalError("this host can't open a connection: EMFILE"),
};

const DEADLINE_MS = 100_000;
const CODE = '4711';
const WRONG: AuthResult = { result: 'deny', status: 'deny', message: 'Incorrect passcode.' };
const WAITING: AuthStatus = { result: 'waiting', status: 'pushed', message: 'Pushed.' };

/** The result of a login, and the events before it. */
export interface Told {
  readonly end: Expected;
  readonly log: readonly string[];
  /** Duo allowed it, in preauth or at the end. */
  readonly allowed: boolean;
  /** The user saw a prompt, or a factor of the user was used. */
  readonly asked: boolean;
}

const ACCOUNT = { name: 'alice', uid: 1000, gecos: '' };
const GROUPS: Groups = { names: ['alice', 'users'] };
const FACTS: Facts = {
  program: 'pam',
  service: 'login',
  user: 'alice',
  silent: false,
  noConversation: false,
  callerUid: 0,
  account: ACCOUNT,
  hostName: 'host',
  deadline: DEADLINE_MS,
};

function facts(lines: readonly string[], more: Partial<Facts> = {}): Facts {
  const text = ['[duo]', 'host=h', 'ikey=i', 'skey=s', ...lines, ''].join('\n');
  return { ...FACTS, config: { path: '/etc/duo/pam_duo.conf', text }, ...more };
}

export function tell(story: Story): Promise<Told> {
  return new Telling(story).told();
}

class Telling {
  readonly #story: Story;
  readonly #clock = new FakeClock();
  readonly #abort = new AbortController();
  /** The first try fails where the story starts with the second. */
  #failing: boolean;
  /** A status message has shown the code of a Verified Push. */
  #codeTold = false;
  #allowed = false;
  #asked = false;
  readonly #log: string[] = [];

  constructor(story: Story) {
    this.#story = story;
    this.#failing = story.again;
  }

  async told(): Promise<Told> {
    const { failmode, kind, menu, again } = this.#story;
    const given = facts(
      [
        `failmode=${failmode}`,
        `prompts=${again ? 2 : 1}`,
        kind.config,
        menu === 'a menu with a code' ? 'verified_push=yes' : '',
      ],
      kind.facts,
    );
    const login = pamLogin({
      openDuo: async () => this.#duo,
      localAddress: async () => '192.0.2.1',
      engine: 'private',
    });
    this.#clock.sleep(DEADLINE_MS).then(() => this.#abort.abort(new DeadlineError('late')));
    const end = login(given, this.#context).then(
      ({ outcome }) => PAM_CODES[outcome],
      (error: unknown): Expected => {
        if (error instanceof CancelledError) return 'ABORT (cancelled)';
        throw error;
      },
    );
    await this.#clock.advance(DEADLINE_MS);
    return { end: await end, log: this.#log, allowed: this.#allowed, asked: this.#asked };
  }

  readonly #context: LoginContext = {
    groupsOf: async () => GROUPS,
    noGroups: () => {},
    conversation: { prompt: (text) => this.#prompt(text), status: () => {} },
    log: (_priority, text) => this.#log.push(text),
    signal: this.#abort.signal,
  };

  readonly #duo: DuoApi = {
    ping: () => this.#call('ping'),
    preauth: async () => {
      await this.#call('preauth');
      return this.#preauth();
    },
    auth: async () => {
      this.#asked = true;
      await this.#call('auth');
      const end = this.#decide();
      if (end.result === 'waiting') throw new Error('a synchronous call waits by itself');
      return end;
    },
    authAsync: async () => {
      this.#asked = true;
      this.#codeTold = false;
      await this.#call('auth');
      return 'txid';
    },
    authStatus: async () => {
      await this.#call('auth_status');
      if (this.#story.menu !== 'a menu with a code' || this.#codeTold) return this.#decide();
      this.#codeTold = true;
      return { ...WAITING, message: `Enter verification code ${CODE} in Duo Mobile.` };
    },
    close: () => {},
  };

  /** The event of the story for this place; none in a first try that only has to fail. */
  #event<At extends keyof What>(at: At): What[At] | undefined {
    const { event } = this.#story;
    return !this.#failing && isAt(event, at) ? event.what : undefined;
  }

  async #call(at: Call): Promise<void> {
    const what = this.#event(at);
    if (what === undefined || what === 'allow' || what === 'deny' || what === 'enroll') return;
    if (what === 'no answer in time') return this.#never();
    if (what === 'the host cancels') return this.#cancelled();
    throw ERRORS[what];
  }

  #preauth(): Preauth {
    const what = this.#event('preauth');
    const { menu } = this.#story;
    if (what === 'allow') this.#allowed = true;
    if (what === 'allow' || what === 'deny') return { result: what, message: 'Duo says so.' };
    if (what === 'enroll') return { result: 'enroll', message: 'Enroll, please.' };
    const push = menu === 'a menu with a code' ? 'verified_push1' : 'push1';
    return {
      result: 'auth',
      message: '',
      promptText: 'Passcode or option (1-1): ',
      factors: [{ key: '1', value: push }],
      ...(menu === 'a menu without a default' ? {} : { defaultFactor: push }),
      ...(menu === 'a menu with a code' ? { verifiedPush: { txid: 'verified' } } : {}),
    };
  }

  #decide(): AuthStatus {
    if (this.#failing) {
      this.#failing = false;
      return WRONG;
    }
    switch (this.#event('decision')) {
      case 'allow':
        this.#allowed = true;
        return { result: 'allow', status: 'allow', message: 'Success.' };
      case 'deny':
        return WRONG;
      case 'locked out':
        return { result: 'deny', status: 'locked_out', message: 'Locked out.' };
      case 'waiting for ever':
        return WAITING;
      case undefined:
        throw new Error('the story never came to a decision');
    }
  }

  async #prompt(text: string): Promise<string> {
    this.#asked = true;
    switch (text.includes(CODE) ? this.#event('code') : this.#event('prompt')) {
      case undefined:
        return '1';
      case 'nothing entered':
        return '';
      case 'too much entered':
        return '1'.repeat(300);
      case 'fails':
        throw new ConversationError('the conversation failed');
      case 'no answer in time':
        return this.#never();
      case 'the host cancels':
        return this.#cancelled();
      case 'impossible':
        throw new Error('nobody can be asked');
    }
  }

  /** Waits for the signal, as every call and prompt does. */
  #never(): Promise<never> {
    const { signal } = this.#abort;
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  #cancelled(): Promise<never> {
    const waiting = this.#never();
    this.#abort.abort(new CancelledError('the host closed the connection'));
    return waiting;
  }
}

function isAt<At extends keyof What>(
  event: Event,
  at: At,
): event is Event & { readonly at: At; readonly what: What[At] } {
  return event.at === at;
}

/** A login that ends before the first request. */
export interface Early {
  readonly what: string;
  readonly facts: Facts;
  readonly groups?: Groups;
  /** The error of opening Duo's handle. */
  readonly handle?: DuoError;
  readonly must: Expected;
}

const { account: _nobody, ...WITHOUT_ACCOUNT } = facts(['failmode=safe']);
const BAD_CONFIG = "the configuration's content can't be used";
const NO_PROXY = new DuoHandleError("Couldn't open Duo API handle: http_proxy is not an HTTP proxy");

export const EARLY: readonly Early[] = [
  { what: `${BAD_CONFIG}, failmode = safe`, facts: facts(['nonsense', 'failmode=safe']), must: 'SUCCESS' },
  { what: `${BAD_CONFIG}, no failmode`, facts: facts(['nonsense']), must: 'SUCCESS' },
  {
    what: `${BAD_CONFIG}, failmode = secure`,
    facts: facts(['nonsense', 'failmode=secure']),
    must: 'SERVICE_ERR',
  },
  { what: 'failmode is neither safe nor secure', facts: facts(['failmode=sure']), must: 'SERVICE_ERR' },
  {
    what: 'cafile is empty or relative, failmode = safe',
    facts: facts(['cafile=ca.pem', 'failmode=safe']),
    must: 'SERVICE_ERR',
  },
  {
    what: 'host, ikey and skey are all missing, failmode = safe',
    facts: facts(['host=', 'ikey=', 'skey=', 'failmode=safe']),
    must: 'SERVICE_ERR',
  },
  {
    what: `${BAD_CONFIG}, failmode = safe, and a local caller has a private engine`,
    facts: facts(['nonsense', 'failmode=safe'], { ruser: 'bert' }),
    must: 'SERVICE_ERR',
  },
  { what: 'the host brings no configuration', facts: FACTS, must: 'SERVICE_ERR' },
  { what: 'there is no passwd entry for the user', facts: WITHOUT_ACCOUNT, must: 'USER_UNKNOWN' },
  {
    what: "the user's passwd entry can't be read, failmode = safe",
    facts: { ...WITHOUT_ACCOUNT, accountError: 'out of memory' },
    must: 'SERVICE_ERR',
  },
  { what: "the user's groups need no second factor", facts: facts(['groups=admins']), must: 'SUCCESS' },
  {
    what: "the user's groups can't be read, failmode = safe",
    facts: facts(['groups=admins', 'failmode=safe']),
    groups: { error: 'Input/output error' },
    must: 'SERVICE_ERR',
  },
  {
    what: "cafile or http_proxy can't be used, failmode = safe",
    facts: facts(['failmode=safe']),
    handle: NO_PROXY,
    must: 'SERVICE_ERR',
  },
];

export async function tellEarly({ facts, groups = GROUPS, handle }: Early): Promise<Expected> {
  const openDuo = async () => {
    throw handle ?? new Error('Duo is not to be asked');
  };
  const login = pamLogin({ openDuo, localAddress: async () => undefined, engine: 'private' });
  const context: LoginContext = {
    groupsOf: async () => groups,
    noGroups: () => {},
    conversation: {
      prompt: async () => {
        throw new Error('the user is not to be asked');
      },
      status: () => {},
    },
    log: () => {},
    signal: new AbortController().signal,
  };
  return PAM_CODES[(await login(facts, context)).outcome];
}
