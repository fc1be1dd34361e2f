/** The order of one login that a configuration rules: configuration, policy, then up to `prompts` tries with Duo. */
import {
  Channel,
  DeadlineError,
  DuoCode,
  type Facts,
  type Host,
  type Login,
  Outcome,
  Priority,
  type Stage,
  type Verdict,
} from '../bridge/messages.ts';
import { type Config, type ConfigSource, type Notice, parseConfig } from '../config/config.ts';
import type { DuoApi } from '../duo/api.ts';
import { codeOfResult } from '../duo/codes.ts';
import { DuoError } from '../duo/errors.ts';
import {
  duoLogin,
  type LoginConversation,
  type LoginRequest,
  type LoginResult,
  type Progress,
} from '../duo/login.ts';
import { isLocalCaller, NOT_FOR_LOCAL_CALLERS } from '../policy/caller.ts';
import { isMute } from '../policy/flags.ts';
import { ALL_NEGATED, allNegated, needsFactor } from '../policy/groups.ts';
import { whoAuthenticates } from '../policy/identity.ts';
import { originOf, pushinfoOf, REPLACED_BY_LOCAL_ADDRESS } from '../policy/origin.ts';
import { failmodeRuling, failureRuling, lateSentence, type Ruling } from '../policy/outcome.ts';
import { sentence } from '../policy/sentence.ts';

/** What a login needs of the outside. */
export interface LoginTools {
  /**
   * Opens the Duo application that the configuration names.
   * @param notify is told of waits that the user should know of
   * @param program on whose behalf
   * @throws DuoHandleError when the configuration names something that can't be used
   */
  readonly openDuo: (
    config: Config,
    notify: (text: string) => void,
    program: Manner['program'],
  ) => Promise<DuoApi>;
  /** This host's own address. */
  readonly localAddress: () => Promise<string | undefined>;
  /** Whether this engine was started by the host of its one login, which has power over it. */
  readonly engine: 'private' | 'resident';
}

/** The sentence of Duo's client, whole, since programs read the log: an empty cafile is an error here. */
const NOVERIFY =
  'TLS certificate verification is disabled (noverify is set, or cafile is empty); ' +
  'whoever can answer in place of Duo can let anybody in';

/** What a program does in its own way. */
export interface Manner {
  readonly program: ConfigSource['program'];
  /** The name under which Duo is asked, where the host may choose it; undefined: the account's. */
  readonly duoUser: (facts: Facts) => string | undefined;
  /** How the factor of a try is found; tries count from 0. */
  readonly attempt: (facts: Facts, config: Config, number: number) => Attempt;
  /** Which of a user's names `Failed Duo login` gives first. */
  readonly failedName: keyof Names;
  /** Whether a login that succeeded shows the message of the day. */
  readonly motd: (config: Config) => boolean;
}

export type Attempt = Pick<LoginRequest, 'flags' | 'factor'>;

/** What does not let anybody in, whatever failmode says. */
const DENIAL = failureRuling('ERR_DUO_LOCAL', false, 'secure');

/** Makes the login that the bridge serves. */
export function configuredLogin(manner: Manner, tools: LoginTools): Login {
  return (facts, host) => new ConfiguredLogin(facts, host, manner, tools).run();
}

type Request = Omit<LoginRequest, keyof Attempt>;

/** The account that authenticates, and the user that Duo is asked about. */
interface Names {
  readonly os: string;
  readonly duo: string;
}

interface TryState {
  /** The user was asked, or told, something: from then on no failure lets anybody in. */
  readonly asked: boolean;
  readonly last: boolean;
}

class ConfiguredLogin {
  readonly #facts: Facts;
  readonly #host: Host;
  readonly #manner: Manner;
  readonly #tools: LoginTools;
  /** For the log. */
  #names: Names;
  #from: string | undefined;

  constructor(facts: Facts, host: Host, manner: Manner, tools: LoginTools) {
    this.#facts = facts;
    this.#host = host;
    this.#manner = manner;
    this.#tools = tools;
    this.#names = { os: facts.user, duo: manner.duoUser(facts) ?? facts.user };
    this.#from = facts.rhost;
  }

  async run(): Promise<Verdict> {
    const { config } = this.#facts;
    if (config === undefined) {
      return this.#deniedByConfig(DuoCode.libError, 'the host brought no configuration');
    }
    const parsed = parseConfig(config.text, { path: config.path, program: this.#manner.program });
    this.#notices(parsed.notices);
    if (!parsed.ok) {
      const error = `the configuration in ${config.path} can't be used`;
      if (parsed.denies) return this.#deniedByConfig(DuoCode.clientError, error);
      return this.#rule(failmodeRuling(parsed.failmode, DuoCode.clientError), 'config', error);
    }
    const verdict = await this.#withConfig(parsed.config);
    const motd = verdict.outcome === Outcome.pass && this.#manner.motd(parsed.config);
    return motd ? { ...verdict, motd } : verdict;
  }

  #deniedByConfig(code: DuoCode, error: string): Verdict {
    this.#log(Priority.error, 'Error in Duo login', error);
    return { outcome: Outcome.serviceError, code, stage: 'config', error };
  }

  async #withConfig(config: Config): Promise<Verdict> {
    const identity = whoAuthenticates(this.#facts, config);
    if (identity.kind === 'unknown') {
      const error = `there is no passwd entry for ${identity.name}`;
      this.#log(Priority.error, 'Error in Duo login', error);
      return { outcome: Outcome.userUnknown, code: DuoCode.clientError, stage: 'policy', error };
    }
    const { account } = identity;
    const duoUser = this.#manner.duoUser(this.#facts);
    this.#names = { os: account.name, duo: duoUser ?? identity.duoUser };
    if (allNegated(config.groups)) this.#host.log(Priority.warning, ALL_NEGATED);
    if (config.groups.length > 0) {
      if (account.groupsError !== undefined) {
        const error = `Couldn't get groups for '${account.name}': ${account.groupsError}`;
        this.#host.log(Priority.error, sentence(error));
        return { outcome: Outcome.serviceError, code: DuoCode.libError, stage: 'policy', error };
      }
      if (!needsFactor(account.groups, config.groups)) {
        this.#host.log(
          Priority.info,
          sentence(`User ${account.name} bypassed Duo 2FA due to user's UNIX group`),
        );
        return { outcome: Outcome.pass, code: DuoCode.ok, stage: 'policy', error: '' };
      }
    }
    // A name that the host chose leaves nothing to say about the one that GECOS gave.
    if (duoUser === undefined) this.#notices(identity.notices);
    if (config.noverify) this.#host.log(Priority.warning, NOVERIFY);
    return this.#withDuo(config);
  }

  async #withDuo(config: Config): Promise<Verdict> {
    let duo: DuoApi;
    try {
      const mute = isMute(this.#facts);
      const notify = (text: string) => {
        if (!mute) this.#host.conversation.status(text);
      };
      duo = await this.#tools.openDuo(config, notify, this.#manner.program);
    } catch (error) {
      if (!(error instanceof DuoError)) throw error;
      return this.#rule(failureRuling(error.code, false, config.failmode), 'config', error.message);
    }
    try {
      return await this.#tries(duo, config, await this.#request(config));
    } finally {
      duo.close();
    }
  }

  async #request(config: Config): Promise<Request> {
    const localAddress = await this.#tools.localAddress();
    const { ipaddr, replaced } = originOf(this.#facts, config, localAddress);
    if (config.fallbackLocalIp) this.#from = ipaddr;
    if (replaced) this.#log(Priority.warning, REPLACED_BY_LOCAL_ADDRESS);
    return {
      username: this.#names.duo,
      ...(ipaddr === undefined ? {} : { ipaddr }),
      hostname: this.#facts.hostName,
      pushinfo: pushinfoOf(this.#facts, config, localAddress),
      failmode: config.failmode === 'safe' ? 'open' : 'closed',
      verifiedPush: config.verifiedPush && !isMute(this.#facts),
    };
  }

  async #tries(duo: DuoApi, config: Config, request: Request): Promise<Verdict> {
    const tries = isMute(this.#facts) ? 1 : config.prompts;
    const asked = { yet: false };
    for (let number = 0; ; number += 1) {
      const attempt = this.#manner.attempt(this.#facts, config, number);
      const progress: Progress = { stage: 'ping' };
      let result: LoginResult;
      try {
        result = await duoLogin(
          duo,
          { ...request, ...attempt },
          this.#conversation(asked),
          this.#host.signal,
          progress,
        );
      } catch (error) {
        if (!(error instanceof DeadlineError)) throw error;
        return this.#late(progress);
      }
      const verdict = this.#judge(result, config, { asked: asked.yet, last: number + 1 >= tries });
      if (verdict !== undefined) return verdict;
      asked.yet = true;
    }
  }

  /** The verdict on one try; undefined when the user may try again. */
  #judge(result: LoginResult, config: Config, { asked, last }: TryState): Verdict | undefined {
    const { stage } = result;
    const code = codeOfResult(result);
    switch (result.kind) {
      case 'allowed':
        this.#log(Priority.info, 'Successful Duo login');
        return { outcome: Outcome.pass, code, stage, error: '' };
      case 'skipped':
        this.#log(Priority.warning, 'Skipped Duo login', result.message);
        return { outcome: Outcome.pass, code, stage, error: '' };
      case 'denied':
        this.#log(Priority.warning, 'Aborted Duo login', result.message);
        return { outcome: Outcome.denied, code, stage, error: result.message };
      case 'unanswered':
        this.#log(Priority.error, 'Error in Duo login', result.message);
        return { outcome: Outcome.aborted, code, stage, error: result.message };
      case 'failed':
        this.#log(Priority.warning, 'Failed Duo login', result.message, this.#manner.failedName);
        return last ? { outcome: Outcome.maxTries, code, stage, error: result.message } : undefined;
      case 'error': {
        const ruling = failureRuling(result.error.code, asked || result.asked, config.failmode);
        return this.#rule(ruling, stage, result.error.message);
      }
    }
  }

  /** The login's time is over. That nobody answered in time is not evidence that Duo is absent. */
  #late(progress: Progress): Verdict {
    return this.#rule(DENIAL, 'engine', lateSentence(progress.stage));
  }

  #conversation(asked: { yet: boolean }): LoginConversation {
    const { prompt, status } = this.#host.conversation;
    const mute = isMute(this.#facts);
    // A mute host shows nothing, but the phone rings there too: what is announced counts, seen or not.
    const show = (text: string) => {
      asked.yet = true;
      if (!mute) status(text);
    };
    if (mute) return { status: show };
    return {
      prompt: (text) => {
        asked.yet = true;
        return prompt(text);
      },
      status: show,
    };
  }

  #rule(ruling: Ruling, stage: Stage, error: string): Verdict {
    if (ruling.outcome === Outcome.pass && this.#tools.engine === 'private' && isLocalCaller(this.#facts)) {
      return this.#rule(DENIAL, stage, `${error}; ${NOT_FOR_LOCAL_CALLERS}`);
    }
    this.#log(ruling.priority, ruling.message, error);
    return { outcome: ruling.outcome, code: ruling.code, stage, error };
  }

  #log(priority: Priority, message: string, error?: string, first: keyof Names = 'duo'): void {
    const { os, duo } = this.#names;
    const [user, other] = first === 'duo' ? [duo, `account '${os}'`] : [os, `Duo user '${duo}'`];
    const line = sentence(message, { user, host: this.#from, error });
    this.#host.log(priority, os === duo ? line : sentence(`${line} (${other})`));
  }

  #notices(notices: readonly Notice[]): void {
    for (const { priority, text, channel } of notices) {
      this.#host.log(priority, channel === Channel.log ? sentence(text) : text, channel);
    }
  }
}
