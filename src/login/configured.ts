/** One login with a configuration: read it, apply the policy, then make up to `prompts` attempts with Duo. */

import { type Config, type ConfigSource, type Notice, parseConfig } from '../config/config.ts';
import { parseUsernameMap, type UsernameMap, UsernameMapError } from '../config/username-map.ts';
import type { DuoApi } from '../duo/api.ts';
import { codeOfResult } from '../duo/codes.ts';
import { DuoError } from '../duo/errors.ts';
import type { Progress } from '../duo/progress.ts';
import { OwnedFileError, readOwned } from '../lib/owned-file.ts';
import { type Binding, bindingOf } from '../policy/bindings.ts';
import { isLocalCaller, NOT_FOR_LOCAL_CALLERS } from '../policy/caller.ts';
import { isMute } from '../policy/flags.ts';
import { ALL_NEGATED, allNegated, needsFactor } from '../policy/groups.ts';
import { unreadableAccount, whoAuthenticates } from '../policy/identity.ts';
import { originOf, REPLACED_BY_LOCAL_ADDRESS } from '../policy/origin.ts';
import { failmodeRuling, failureRuling, lateSentence, type Ruling } from '../policy/outcome.ts';
import { sentence } from '../policy/sentence.ts';
import { sshAuth } from '../policy/ssh-auth.ts';
import type { BreakGlass, CodeFile } from './break-glass.ts';
import {
  type Account,
  CancelledError,
  Channel,
  ConversationError,
  DeadlineError,
  DuoCode,
  type Facts,
  type Login,
  type LoginContext,
  Outcome,
  Priority,
  type Verdict,
} from './messages.ts';
import { auditLine, journalFields, type LoginRecord, type Result } from './record.ts';
import { type Attempt, type LoginEnd, type LoginPlan, runLogin } from './run-login.ts';

/** What a login needs from outside. */
export interface LoginTools {
  /**
   * Opens the Duo application of the configuration.
   * @param notify receives messages about waits, for the user
   * @param program the program that runs the login
   * @throws DuoHandleError when a setting cannot be used
   */
  readonly openDuo: (
    config: Config,
    notify: (text: string) => void,
    program: ProgramProfile['program'],
  ) => Promise<DuoApi>;
  /** This machine's own address. */
  readonly localAddress: () => Promise<string | undefined>;
  /** Receives the record of each login at its end. */
  readonly recorded?: (record: LoginRecord) => void;
  /** `private`: the engine was started by the PAM application of this login, which controls it. */
  readonly engine: 'private' | 'resident';
  /** Remembers approvals; absent: this engine remembers none. */
  readonly approvals?: {
    readonly age: (binding: string, within: number) => number | undefined;
    readonly add: (binding: string, user: string) => void;
  };
  /** One-time codes; absent: none are accepted. */
  readonly breakGlass?: BreakGlass;
}

/** duo_unix's complete sentence, because programs parse the log. An empty cafile is an error here. */
const NOVERIFY =
  'TLS certificate verification is disabled (noverify is set, or cafile is empty); ' +
  'anyone who can answer in place of Duo can let anyone in';

/** How a program differs from the others. */
export interface ProgramProfile {
  readonly program: ConfigSource['program'];
  /** The Duo user name that the caller gave; undefined: derived from the account. */
  readonly duoUser: (facts: Facts) => string | undefined;
  /** The command that a push shows. */
  readonly command: (facts: Facts) => string | undefined;
  /** How an attempt gets its factor. Attempts count from 0. */
  readonly attempt: (facts: Facts, config: Config, number: number) => Attempt;
  /** Which user name `Failed Duo login` shows first. */
  readonly failedName: keyof Names;
  /** Whether a successful login shows the message of the day. */
  readonly motd: (config: Config) => boolean;
  /** Whether the program can use up a break-glass code. */
  readonly usesCodes: boolean;
}

/** Log sentences for results that Duo or the user decided. */
const ENDS = {
  allowed: { outcome: Outcome.pass, priority: Priority.info, message: 'Successful Duo login', reason: false },
  skipped: { outcome: Outcome.pass, priority: Priority.warning, message: 'Skipped Duo login', reason: true },
  denied: { outcome: Outcome.denied, priority: Priority.warning, message: 'Aborted Duo login', reason: true },
  unanswered: {
    outcome: Outcome.aborted,
    priority: Priority.error,
    message: 'Error in Duo login',
    reason: true,
  },
} as const;

/** The number of break-glass codes that a login can try. */
const CODE_ATTEMPTS = 3;

/** Denies, whatever failmode says. */
const DENIAL = failureRuling('ERR_DUO_LOCAL', false, 'secure');

/** Creates the login function for the bridge. */
export function configuredLogin(profile: ProgramProfile, tools: LoginTools): Login {
  return (facts, context) => new ConfiguredLogin(facts, context, profile, tools).run();
}

/** The account that authenticates, and the user that Duo is asked about. */
interface Names {
  readonly os: string;
  readonly duo: string;
}

class ConfiguredLogin {
  readonly #facts: Facts;
  readonly #context: LoginContext;
  readonly #profile: ProgramProfile;
  readonly #tools: LoginTools;
  /** For the log. */
  #names: Names;
  #from: string | undefined;
  /** For the record of this login. */
  #result: Result = 'error';
  #config: Config | undefined;
  #progress: Progress | undefined;
  #binding: Binding | undefined;
  /** Break-glass codes, read while files can still be read. */
  #codes: readonly CodeFile[] = [];

  constructor(facts: Facts, context: LoginContext, profile: ProgramProfile, tools: LoginTools) {
    this.#facts = facts;
    this.#context = context;
    this.#profile = profile;
    this.#tools = tools;
    this.#names = { os: facts.user, duo: profile.duoUser(facts) ?? facts.user };
    this.#from = facts.rhost;
  }

  async run(): Promise<Verdict> {
    try {
      const verdict = await this.#run();
      this.#end(verdict.error);
      return verdict;
    } catch (error) {
      this.#result =
        error instanceof CancelledError ? 'cancelled' : error instanceof DeadlineError ? 'late' : 'error';
      this.#end(error instanceof Error ? error.message : '');
      throw error;
    }
  }

  #end(reason: string): void {
    const record = this.#record(reason);
    this.#tools.recorded?.(record);
    if (this.#config?.audit === 'json') this.#context.log(Priority.info, auditLine(record));
  }

  #record(reason: string): LoginRecord {
    const { program, service, rhost, tty } = this.#facts;
    const { factor, device, txid, milliseconds } = this.#progress ?? {};
    return {
      result: this.#result,
      reason,
      user: this.#names.os,
      duoUser: this.#names.duo,
      program,
      service,
      rhost,
      tty,
      factor,
      device,
      txid,
      failmode: this.#config?.failmode,
      engine: this.#tools.engine,
      milliseconds,
    };
  }

  async #run(): Promise<Verdict> {
    const { config } = this.#facts;
    const unreadable = unreadableAccount(this.#facts);
    if (unreadable !== undefined) return this.#denied(DuoCode.libError, unreadable);
    if (config === undefined) return this.#denied(DuoCode.libError, 'the host sent no configuration');
    const parsed = parseConfig(config.text, { path: config.path, program: this.#profile.program });
    this.#notices(parsed.notices);
    if (!parsed.ok) {
      const error = `the configuration in ${config.path} can't be used`;
      if (parsed.denies) return this.#denied(DuoCode.clientError, error);
      return this.#rule(failmodeRuling(parsed.failmode, DuoCode.clientError), error);
    }
    const verdict = await this.#withConfig(parsed.config);
    const motd = verdict.outcome === Outcome.pass && this.#profile.motd(parsed.config);
    return motd ? { ...verdict, motd } : verdict;
  }

  #denied(code: DuoCode, error: string): Verdict {
    this.#log('error', Priority.error, 'Error in Duo login', error);
    return { outcome: Outcome.serviceError, code, error };
  }

  async #withConfig(config: Config): Promise<Verdict> {
    this.#config = config;
    let map: UsernameMap | undefined;
    try {
      map = readUsernameMap(config.usernameMap);
    } catch (error) {
      if (!(error instanceof UsernameMapError)) throw error;
      return this.#denied(DuoCode.clientError, error.message);
    }
    const identity = whoAuthenticates(this.#facts, config, map);
    if (identity.kind === 'unknown') {
      const error = `there is no passwd entry for ${identity.name}`;
      this.#log('error', Priority.error, 'Error in Duo login', error);
      return { outcome: Outcome.userUnknown, code: DuoCode.clientError, error };
    }
    const duoUser = this.#profile.duoUser(this.#facts);
    if (identity.kind === 'unnamed') {
      const error = `${config.usernameMap} gives ${identity.name} no Duo name`;
      this.#log('denied', Priority.warning, 'Aborted Duo login', error);
      return { outcome: Outcome.denied, code: DuoCode.abort, error };
    }
    const { account } = identity;
    this.#names = { os: account.name, duo: duoUser ?? identity.duoUser };
    if (allNegated(config.groups)) this.#context.log(Priority.warning, ALL_NEGATED);
    if (config.groups.length > 0) {
      const groups = await this.#context.groupsOf(identity.is);
      // The name service's time counts for the login, and must not look like Duo's absence.
      this.#context.signal.throwIfAborted();
      if ('error' in groups) {
        const error = `Couldn't get groups for '${account.name}': ${groups.error}`;
        this.#context.log(Priority.error, sentence(error));
        return { outcome: Outcome.serviceError, code: DuoCode.libError, error };
      }
      if (!needsFactor(groups.names, config.groups)) {
        this.#result = 'exempt';
        const text = sentence(`User ${account.name} bypassed Duo 2FA due to user's UNIX group`);
        this.#endLine(Priority.info, text, '');
        return { outcome: Outcome.pass, code: DuoCode.ok, error: '' };
      }
    } else {
      this.#context.noGroups();
    }
    // With a Duo user name from the caller, the GECOS name does not matter.
    if (duoUser === undefined) this.#notices(identity.notices);
    const instead = this.#insteadOfDuo(config, account);
    if (instead !== undefined) return instead;
    if (config.noverify) this.#context.log(Priority.warning, NOVERIFY);
    if (config.failmode === 'secure' && this.#profile.usesCodes && !isMute(this.#facts))
      this.#codes = this.#tools.breakGlass?.codesOf(account.name) ?? [];
    return this.#withDuo(config);
  }

  /** A second factor that the administrator accepts instead of asking Duo now; undefined: there is none. */
  #insteadOfDuo(config: Config, account: Account): Verdict | undefined {
    const { keys, password } = sshAuth(this.#facts);
    const trusted = keys.find(({ type }) => config.trustedKeys.includes(type));
    if (trusted !== undefined) {
      const key = `${trusted.type} ${trusted.fingerprint}`;
      return this.#pass('trusted_key', 'Trusted key instead of Duo login', key);
    }
    if (config.pushOnce && this.#facts.passedBefore && password)
      return this.#pass('remembered', 'Remembered Duo login', 'approved before in this connection');
    if (config.remember === 0) return undefined;
    this.#binding = bindingOf(this.#facts, account, this.#names.duo);
    if (this.#binding === undefined || !config.rememberFor.includes(this.#facts.service)) return undefined;
    const { value, place } = this.#binding;
    const age = this.#tools.approvals?.age(value, config.remember);
    if (age === undefined) return undefined;
    const minutes = Math.floor(age / 60_000);
    return this.#pass('remembered', 'Remembered Duo login', `approved ${minutes} min ago for this ${place}`);
  }

  #pass(result: Result, message: string, reason: string): Verdict {
    this.#log(result, Priority.info, message, reason);
    return { outcome: Outcome.pass, code: DuoCode.ok, error: '' };
  }

  async #withDuo(config: Config): Promise<Verdict> {
    let duo: DuoApi;
    try {
      const mute = isMute(this.#facts);
      const notify = (text: string) => {
        if (!mute) this.#context.conversation.status(text);
      };
      duo = await this.#tools.openDuo(config, notify, this.#profile.program);
    } catch (error) {
      if (!(error instanceof DuoError)) throw error;
      return this.#rule(failureRuling(error.code, false, config.failmode), error.message);
    }
    try {
      const plan = await this.#plan(config);
      return this.#judge(await runLogin(duo, plan, this.#context.conversation, this.#context.signal), config);
    } finally {
      duo.close();
    }
  }

  async #plan(config: Config): Promise<LoginPlan> {
    const localAddress = await this.#tools.localAddress();
    const { ipaddr, replaced } = originOf(this.#facts, config, localAddress);
    if (config.fallbackLocalIp) this.#from = ipaddr;
    if (replaced) this.#context.log(Priority.warning, this.#line(REPLACED_BY_LOCAL_ADDRESS));
    const mute = isMute(this.#facts);
    return {
      username: this.#names.duo,
      clientIp: ipaddr,
      localAddress,
      hostname: this.#facts.hostName,
      command: config.pushinfo ? this.#profile.command(this.#facts) : undefined,
      failmode: config.failmode === 'safe' ? 'open' : 'closed',
      verifiedPush: config.verifiedPush && !mute,
      shows: !mute,
      attempts: mute ? 1 : config.prompts,
      attempt: (number) => this.#profile.attempt(this.#facts, config, number),
      failed: (message, progress) => {
        this.#progress = progress;
        this.#log('failed', Priority.warning, 'Failed Duo login', message, this.#profile.failedName);
      },
    };
  }

  async #judge(end: LoginEnd, config: Config): Promise<Verdict> {
    this.#progress = end.progress;
    switch (end.kind) {
      // A user who does not answer in time is not evidence that Duo is unreachable.
      case 'late':
        return this.#rule(DENIAL, lateSentence(end.stage), 'late');
      case 'error':
        return this.#absent(failureRuling(end.error.code, end.asked, config.failmode), end.error.message);
      case 'failed':
        return { outcome: Outcome.maxTries, code: codeOfResult(end), error: end.message };
      default: {
        const { outcome, priority, message, reason } = ENDS[end.kind];
        const error = reason ? end.message : undefined;
        this.#log(end.kind === 'allowed' ? 'approved' : end.kind, priority, message, error);
        if (end.kind === 'allowed' && this.#binding !== undefined)
          this.#tools.approvals?.add(this.#binding.value, this.#names.os);
        return {
          outcome,
          code: codeOfResult(end),
          error: outcome === Outcome.pass ? '' : end.message,
        };
      }
    }
  }

  /** Duo did not decide. With failmode=secure a break-glass code still does, if there is one for this account. */
  async #absent(ruling: Ruling, error: string): Promise<Verdict> {
    const codes = this.#codes;
    const user = this.#names.os;
    const { breakGlass } = this.#tools;
    if (ruling.result !== 'failsecure' || codes.length === 0 || breakGlass === undefined)
      return this.#rule(ruling, error);
    this.#context.log(Priority.warning, this.#line('Break-glass code wanted', error));
    for (let attempt = 0; attempt < CODE_ATTEMPTS; attempt += 1) {
      if (!breakGlass.allows(user)) return this.#rule(ruling, `${error}; too many wrong break-glass codes`);
      const answer = await this.#ask();
      if (answer === undefined || answer.trim() === '') break;
      const code = await breakGlass.check(user, codes, answer, this.#context.signal);
      if (code !== undefined) {
        const left = codes.length - 1;
        this.#log(
          'break_glass',
          Priority.error,
          'Break-glass login',
          `code ${code.name} is used up, ${left} left`,
        );
        return { outcome: Outcome.pass, code: ruling.code, error: '', codeFile: code.name };
      }
      this.#context.log(Priority.error, this.#line('Wrong break-glass code'));
    }
    return this.#rule(ruling, error);
  }

  async #ask(): Promise<string | undefined> {
    try {
      return await this.#context.conversation.prompt('Duo is unreachable. Break-glass code: ');
    } catch (error) {
      if (error instanceof ConversationError) return undefined;
      throw error;
    }
  }

  #rule(ruling: Ruling, error: string, result: Result = ruling.result): Verdict {
    if (ruling.outcome === Outcome.pass && this.#tools.engine === 'private' && isLocalCaller(this.#facts)) {
      return this.#rule(DENIAL, `${error}; ${NOT_FOR_LOCAL_CALLERS}`);
    }
    this.#log(result, ruling.priority, ruling.message, error);
    return { outcome: ruling.outcome, code: ruling.code, error };
  }

  /** Logs how the login, or an attempt, ended. */
  #log(result: Result, priority: Priority, message: string, error = '', first: keyof Names = 'duo'): void {
    this.#result = result;
    this.#endLine(priority, this.#line(message, error, first), error);
  }

  /** A line with the record so far. */
  #endLine(priority: Priority, text: string, reason: string): void {
    this.#context.log(priority, text, Channel.log, journalFields(this.#record(reason)));
  }

  #line(message: string, error = '', first: keyof Names = 'duo'): string {
    const { os, duo } = this.#names;
    const [user, other] = first === 'duo' ? [duo, `account '${os}'`] : [os, `Duo user '${duo}'`];
    const line = sentence(message, { user, host: this.#from, error });
    return os === duo ? line : sentence(`${line} (${other})`);
  }

  #notices(notices: readonly Notice[]): void {
    for (const { priority, text, channel } of notices) {
      this.#context.log(priority, channel === Channel.log ? sentence(text) : text, channel);
    }
  }
}

/** @throws UsernameMapError when the file cannot be used */
function readUsernameMap(path: string | undefined): UsernameMap | undefined {
  if (path === undefined) return undefined;
  try {
    return parseUsernameMap(readOwned(path), path);
  } catch (error) {
    if (!(error instanceof OwnedFileError)) throw error;
    throw new UsernameMapError(`username_map ${path} can't be used (${error.message})`);
  }
}
