/** duo_open, duo_login and the other functions of duo(3). */
import { hostname } from 'node:os';
import type { DuoApi } from '../duo/api.ts';
import { createClient } from '../duo/client.ts';
import { DuoClosedError, DuoHandleError, DuoParameterError } from '../duo/errors.ts';
import { type ApiHost, parseHost } from '../duo/host.ts';
import { localAddress } from '../duo/local-address.ts';
import { type HttpProxy, parseProxy } from '../duo/proxy.ts';
import { loadTrust, type Trust } from '../duo/trust.ts';
import { userAgent } from '../duo/user-agent.ts';
import { systemClock } from '../lib/clock.ts';
import { RELEASE } from '../lib/release.ts';
import { Secret } from '../lib/secret.ts';
import { runLogin } from '../login/run-login.ts';
import {
  type DuoConversation,
  orAborted,
  QueuedConversation,
  StatusError,
  terminal,
} from './conversation.ts';
import { type DuoResult, errorResult, resultOf } from './result.ts';

/** The flags of duo(3): `DuoFlag.Auto | DuoFlag.Sync`. */
export const DuoFlag = {
  /** DUO_FLAG_SYNC: one status message for each login instead of a message for each step. */
  Sync: 1,
  /** DUO_FLAG_AUTO: the user's default factor, without a prompt where there is one. */
  Auto: 2,
} as const;

/** What duo_open takes. */
export interface DuoOptions {
  /** The integration key. */
  readonly ikey: string;
  /** The secret key. No error, result or dump of a handle shows it. */
  readonly skey: string;
  /** The API host: `name`, `name:port`, `[address]` or `[address]:port`; port 443 by default. */
  readonly host: string;
  /** Identifies the program to Duo: `program/version`. `pam-duo-ts/VERSION` by default. */
  readonly progname?: string | undefined;
  /** A PEM file of certificate authorities that replaces the ones built in. Read once, by `Duo.open`. */
  readonly cafile?: string | undefined;
  /** `[http://][user:password@]host[:port][/]`. The environment's proxy is never used. */
  readonly httpProxy?: string | undefined;
  /** Seconds to wait for a reply; 0, the default: 30 where Duo answers by itself, no limit where it waits for the user. */
  readonly httpsTimeout?: number | undefined;
  /**
   * The program can show the code of a Verified Duo Push (default: false), which comes in a status message or in a prompt.
   */
  readonly verifiedPush?: boolean | undefined;
}

/** What duo_login takes besides the user. */
export interface DuoLoginOptions {
  /**
   * The address that the connection to be authenticated comes from. Absent: the local host, for programs that have no
   * remote user. Empty: a client whose address is unknown; Duo is told none. A server must not leave it out: Duo's policies
   * could take the client for the server.
   */
  readonly clientIp?: string | undefined;
  /** Flags of `DuoFlag`, or-ed. 0 by default: a prompt, and a message for each step. */
  readonly flags?: number | undefined;
  /** The command to be authorized, shown with a push. What Duo has no room for is cut off. */
  readonly command?: string | undefined;
  /** Cancels the login at once. */
  readonly signal?: AbortSignal | undefined;
}

const ALL_FLAGS = DuoFlag.Auto | DuoFlag.Sync;

/**
 * A handle to the Duo service. Any number of logins may use it at a time; each has its own connections.
 */
export class Duo {
  readonly #ikey: string;
  readonly #skey: Secret;
  readonly #userAgent: string;
  readonly #trust: Trust;
  readonly #proxy: HttpProxy | undefined;
  readonly #timeout: number;
  readonly #verifiedPush: boolean;
  readonly #logins = new Set<AbortController>();
  #host: ApiHost;
  #verify = true;
  #conversation: DuoConversation = terminal;
  #error: string | undefined;
  #closed = false;

  private constructor(options: DuoOptions, trust: Trust) {
    const { ikey, skey, host, progname, httpProxy, httpsTimeout = 0, verifiedPush = false } = options;
    this.#ikey = handleText('ikey', ikey);
    this.#skey = new Secret(handleText('skey', skey));
    this.#host = apiHost(host) ?? unusable('host must be NAME[:PORT]');
    const program = handleText('progname', progname ?? `pam-duo-ts/${RELEASE}`);
    this.#userAgent = userAgent(program);
    this.#proxy = httpProxy === undefined ? undefined : parseProxy(new Secret(httpProxy));
    if (!Number.isFinite(httpsTimeout) || httpsTimeout < 0)
      unusable('httpsTimeout must be a number of seconds');
    this.#timeout = httpsTimeout * 1000;
    this.#verifiedPush = verifiedPush;
    this.#trust = trust;
  }

  /**
   * duo_open. Asks Duo nothing yet.
   * @throws {@link DuoHandleError} when an option can't be used; the message names it
   */
  static async open(options: DuoOptions): Promise<Duo> {
    const { cafile } = options;
    if (cafile === '') unusable('cafile is empty');
    return new Duo(options, loadTrust({ cafile, noverify: false }));
  }

  /**
   * duo_set_conv_funcs. Until it is called, a handle converses on standard input and standard output.
   *
   * Used by the logins that begin after it.
   */
  setConversation(conversation: DuoConversation): void {
    this.#open();
    this.#conversation = conversation;
  }

  /**
   * duo_set_host: another API host, as `DuoOptions.host` has it, for the logins that begin after it.
   * @throws {@link DuoParameterError} when it is invalid
   */
  setHost(host: string): void {
    this.#open();
    const place = apiHost(host);
    if (place === undefined) throw new DuoParameterError('host must be NAME[:PORT]');
    this.#host = place;
  }

  /**
   * duo_set_ssl_verify: with `false`, the logins that begin after it verify no certificate. Anyone who can answer in
   * Duo's place can then let anyone in: for tests only.
   */
  setSslVerify(verify: boolean): void {
    this.#open();
    this.#verify = verify;
  }

  /**
   * duo_login: performs secondary authentication. Let the user in when `code` is `DUO_OK`, and never otherwise.
   *
   * @param username the user, as Duo knows them
   * @returns how it ended; denials and failures are results
   * @throws the reason of `options.signal` when that is aborted, {@link DuoClosedError} when the handle is closed
   */
  async login(username: string, options: DuoLoginOptions = {}): Promise<DuoResult> {
    this.#open();
    options.signal?.throwIfAborted();
    const run = new AbortController();
    const cancel = () => run.abort(options.signal?.reason);
    options.signal?.addEventListener('abort', cancel, { once: true });
    this.#logins.add(run);
    try {
      const result = await this.#login(username, options, run);
      if (result.code !== 'DUO_OK') this.#error = result.message;
      return result;
    } finally {
      this.#logins.delete(run);
      options.signal?.removeEventListener('abort', cancel);
    }
  }

  /**
   * duo_geterr.
   * @returns the description of the last login that did not end with `DUO_OK`; undefined when there was none
   */
  geterr(): string | undefined {
    return this.#error;
  }

  /** duo_close. Logins in progress end at once, with {@link DuoClosedError}. */
  close(): void {
    this.#closed = true;
    for (const run of this.#logins) run.abort(new DuoClosedError('the Duo API handle was closed'));
  }

  async #login(username: string, options: DuoLoginOptions, run: AbortController): Promise<DuoResult> {
    const { clientIp, command, flags = 0 } = options;
    const queued = new QueuedConversation(this.#conversation, run);
    const conversation = queued.forLogin();
    const auto = (flags & DuoFlag.Auto) !== 0;
    const problem = problemWith(username, options, auto || conversation.prompt !== undefined);
    if (problem !== undefined) return errorResult(new DuoParameterError(problem), 'config');
    const client = this.#client((text) => conversation.status(text));
    try {
      const local = await orAborted(localAddress(), run.signal);
      const plan = {
        username,
        clientIp: clientIp ?? local,
        localAddress: local,
        hostname: hostname(),
        command,
        failmode: 'closed',
        verifiedPush: this.#verifiedPush,
        shows: true,
        attempts: 1,
        attempt: () => ({ flags: { auto, sync: (flags & DuoFlag.Sync) !== 0 } }),
      } as const;
      const end = await runLogin(client, plan, conversation, run.signal);
      await queued.shown();
      run.signal.throwIfAborted();
      // A login of the library has no deadline of its own; the signal was checked before.
      if (end.kind === 'late') throw run.signal.reason;
      const result = resultOf(end);
      return result.code === 'DUO_ABORT' && queued.cause !== undefined
        ? { ...result, cause: queued.cause }
        : result;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      return { code: 'DUO_ABORT', stage: 'prompt', message: error.message, cause: queued.cause };
    } finally {
      client.close();
    }
  }

  #client(notify: (text: string) => void): DuoApi {
    return createClient({
      ...this.#host,
      ikey: this.#ikey,
      skey: this.#skey,
      trust: this.#verify ? this.#trust : { kind: 'none' },
      ...(this.#proxy === undefined ? {} : { proxy: this.#proxy }),
      timeout: this.#timeout,
      userAgent: this.#userAgent,
      clock: systemClock,
      trustsClock: true,
      notify,
    });
  }

  #open(): void {
    if (this.#closed) throw new DuoClosedError('the Duo API handle is closed');
  }
}

function unusable(what: string): never {
  throw new DuoHandleError(what);
}

/** One line of printable ASCII, as in any header. */
function handleText(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') return unusable(`${name} is missing`);
  if (!/^[\x20-\x7e]+$/.test(value)) return unusable(`${name} holds characters that are not printable ASCII`);
  return value;
}

function apiHost(value: unknown): ApiHost | undefined {
  const place = typeof value === 'string' ? parseHost(value) : undefined;
  return place === undefined || place.host === '' ? undefined : place;
}

/**
 * Why the parameters of duo_login are invalid; undefined when they are valid. Checked for callers without types too.
 */
function problemWith(
  username: unknown,
  { clientIp, flags, command }: { readonly [K in keyof DuoLoginOptions]: unknown },
  answerable: boolean,
): string | undefined {
  if (typeof username !== 'string' || username === '') return 'need username to authenticate';
  if (clientIp !== undefined && typeof clientIp !== 'string') return 'clientIp must be a string';
  if (command !== undefined && typeof command !== 'string') return 'command must be a string';
  if (flags !== undefined && (typeof flags !== 'number' || (flags & ALL_FLAGS) !== flags)) {
    return 'flags must be DuoFlag.Auto, DuoFlag.Sync or both';
  }
  return answerable ? undefined : 'nobody can be asked: set a prompt, or use DuoFlag.Auto';
}
