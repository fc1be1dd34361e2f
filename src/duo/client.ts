/** The Auth API over TLS: signs, sends, tries again where that can't do harm, and reads the answer. */
import { createSecureContext } from 'node:tls';
import { Axios } from 'axios';
import type { Clock } from '../lib/clock.ts';
import type { Secret } from '../lib/secret.ts';
import { createAdapter, type DuoAdapter, DuoBrokenConnectionError } from './adapter.ts';
import type { AuthRequest, DuoApi, PreauthRequest } from './api.ts';
import { DuoConnectionError, DuoRequestError } from './errors.ts';
import type { HttpProxy } from './proxy.ts';
import { rateLimitWait } from './rate-limit.ts';
import {
  failureCode,
  openReply,
  parseAuth,
  parseAuthStatus,
  parsePing,
  parsePreauth,
  parseTransaction,
  type Reply,
} from './replies.ts';
import { authorization, duoDate, encodeParameters, type Method, type Parameters } from './signature.ts';
import type { Trust } from './trust.ts';

export interface ClientOptions {
  /** API host name, without a port. */
  readonly host: string;
  readonly port: number;
  readonly ikey: string;
  readonly skey: Secret;
  readonly trust: Trust;
  readonly proxy?: HttpProxy;
  /** Milliseconds to wait for a reply that waits for nobody; 0: the client's own limit. */
  readonly timeout: number;
  /** `PROGRAM/VERSION (PLATFORM) libduo/VERSION` */
  readonly userAgent: string;
  readonly clock: Clock;
  /** Told of waits that the user should know of. */
  readonly notify: (text: string) => void;
  /** 0 … 1, for jitter. */
  readonly random?: () => number;
}

const TRIES = 3;
/** Milliseconds for a reply that waits for nobody, where the configuration sets no limit. */
const PROMPT_REPLY_MS = 30_000;
const CLOCK_SKEW = 40_105;
const INVALID_PARAMETER = 40_002;

interface Call {
  readonly method: Method;
  readonly path: string;
  readonly parameters: Parameters;
  /** The reply waits for a person, so that only the login's deadline limits it. */
  readonly slow?: true;
  /** Sending it twice would ask the user twice. */
  readonly once?: true;
}

const PING: Call = { method: 'GET', path: '/auth/v2/ping', parameters: {} };

export function createClient(options: ClientOptions): DuoApi {
  return new Client(options);
}

class Client implements DuoApi {
  readonly #options: ClientOptions;
  readonly #http: Axios;
  readonly #adapter: DuoAdapter;
  /** Duo's clock minus ours, in milliseconds. */
  #offset = 0;

  constructor(options: ClientOptions) {
    const { host, port, trust, proxy, clock } = options;
    this.#options = options;
    this.#adapter = createAdapter({
      host,
      port,
      proxy,
      context: createSecureContext({
        // An empty list spares Node the reading of its own authorities, which nothing here trusts.
        ca: trust.kind === 'authorities' ? [...trust.pem] : [],
        minVersion: 'TLSv1.2',
      }),
      trust,
      clock,
    });
    this.#http = new Axios({
      adapter: this.#adapter.adapter,
      transformRequest: [],
      transformResponse: [],
      validateStatus: () => true,
    });
  }

  async ping(signal: AbortSignal): Promise<void> {
    const time = parsePing(openReply(await this.#send(PING, signal)));
    this.#offset = time * 1000 - this.#options.clock.now();
  }

  async preauth(request: PreauthRequest, signal: AbortSignal) {
    const { verifiedPush, ...plain } = request;
    const parameters = {
      ...plain,
      text_prompt: '1',
      ...(verifiedPush ? { client_supports_verified_push: '1' } : {}),
    };
    return parsePreauth(await this.#call({ method: 'POST', path: '/auth/v2/preauth', parameters }, signal));
  }

  async auth(request: AuthRequest, signal: AbortSignal) {
    return parseAuth(await this.#call({ ...authCall(request, false), slow: true }, signal));
  }

  async authAsync(request: AuthRequest, signal: AbortSignal) {
    return parseTransaction(await this.#call(authCall(request, true), signal));
  }

  async authStatus(txid: string, signal: AbortSignal) {
    const call: Call = { method: 'GET', path: '/auth/v2/auth_status', parameters: { txid }, slow: true };
    const reply = await this.#signed(call, signal);
    // Duo's long poll ran out while nobody had decided: nothing has changed.
    if (
      reply.status === 400 &&
      failureCode(reply.body) === INVALID_PARAMETER &&
      /timed? ?out/i.test(reply.body)
    ) {
      return { result: 'waiting', status: '', message: '' } as const;
    }
    return parseAuthStatus(openReply(reply));
  }

  close(): void {
    this.#adapter.close();
  }

  async #call(call: Call, signal: AbortSignal): Promise<unknown> {
    return openReply(await this.#signed(call, signal));
  }

  /** A signed call; once more with Duo's clock where ours was found wrong. */
  async #signed(call: Call, signal: AbortSignal): Promise<Reply> {
    const reply = await this.#send(call, signal);
    if (reply.status !== 401 || failureCode(reply.body) !== CLOCK_SKEW) return reply;
    await this.ping(signal);
    return this.#send(call, signal);
  }

  /** Sends until there is a reply that is no 429. */
  async #send(call: Call, signal: AbortSignal): Promise<Reply> {
    const { clock, notify, random = Math.random } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      const { retryAfter, ...reply } = await this.#connect(call, signal);
      if (reply.status !== 429) return reply;
      const { ms } = rateLimitWait(retryAfter, attempt, clock.now() + this.#offset, random());
      if (ms === undefined) {
        openReply(reply);
        throw new DuoRequestError('HTTP 429');
      }
      notify(
        `Rate-limiting response received from server. Waiting for ${Math.round(ms / 1000)} seconds before retrying.`,
      );
      await clock.sleep(ms, signal);
    }
  }

  /** Sends until there is a reply, up to three times where no connection can be had. */
  async #connect(
    call: Call,
    signal: AbortSignal,
  ): Promise<Reply & { readonly retryAfter: string | undefined }> {
    for (let left = TRIES - 1; ; left -= 1) {
      try {
        return await this.#exchange(call, signal);
      } catch (error) {
        signal.throwIfAborted();
        const harmless = !(call.once && error instanceof DuoBrokenConnectionError);
        if (!(error instanceof DuoConnectionError) || !harmless || left === 0) throw error;
      }
    }
  }

  async #exchange(
    { method, path, parameters, slow }: Call,
    signal: AbortSignal,
  ): Promise<Reply & { readonly retryAfter: string | undefined }> {
    const { host, port, ikey, skey, userAgent, timeout, clock } = this.#options;
    const date = duoDate(clock.now() + this.#offset);
    const body = encodeParameters(parameters);
    const get = method === 'GET';
    const name = host.includes(':') ? `[${host}]` : host;
    const { status, data, headers } = await this.#http.request<string>({
      method,
      url: get && body !== '' ? `${path}?${body}` : path,
      data: get ? '' : body,
      headers: {
        Host: port === 443 ? name : `${name}:${port}`,
        'User-Agent': userAgent,
        'X-Duo-Date': date,
        Authorization: authorization(ikey, skey, { date, method, host, path, parameters }),
        ...(get
          ? {}
          : {
              'Content-Type': 'application/x-www-form-urlencoded',
              'Content-Length': String(Buffer.byteLength(body)),
            }),
      },
      timeout: slow ? 0 : timeout || PROMPT_REPLY_MS,
      signal,
    });
    return { status, body: data, retryAfter: retryAfterOf(headers) };
  }
}

function retryAfterOf(headers: Readonly<Record<string, unknown>>): string | undefined {
  const value = headers['retry-after'] ?? headers['x-retry-after'];
  return typeof value === 'string' ? value : undefined;
}

function authCall(request: AuthRequest, async: boolean): Call {
  const { username, factor, ipaddr, hostname, pushinfo, txid } = request;
  const parameters = Object.fromEntries(
    Object.entries({
      username,
      factor: 'prompt',
      prompt: factor,
      async: async ? '1' : '0',
      ipaddr,
      hostname,
      pushinfo,
      txid,
    }).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );
  return { method: 'POST', path: '/auth/v2/auth', parameters, once: true };
}
