/** The Auth API over TLS: signs and sends requests, retries where that is harmless, and parses the replies. */
import type { Secret } from '../lib/secret.ts';
import type { AuthRequest, DuoApi, PreauthRequest } from './api.ts';
import { hostHeader } from './connect.ts';
import { DuoConnectionError } from './errors.ts';
import { type Connection, DuoBrokenConnectionError, type ExchangeReply, exchange } from './exchange.ts';
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
import { DuoService, type DuoServiceOptions } from './service.ts';
import type { ServiceCache } from './service-cache.ts';
import { authorization, duoDate, encodeParameters, type Method, type Parameters } from './signature.ts';

export interface ClientOptions extends DuoServiceOptions {
  readonly ikey: string;
  readonly skey: Secret;
  /** Milliseconds to wait for a reply that does not depend on the user; 0: the client's default. */
  readonly timeout: number;
  /** See user-agent.ts. */
  readonly userAgent: string;
  /** Receives messages about waits, for the user. */
  readonly notify: (text: string) => void;
  /** 0 … 1, for jitter. */
  readonly random?: () => number;
  /** Use the local clock until Duo rejects a timestamp. This saves the ping. */
  readonly trustsClock?: boolean;
  /** Connections, clock offset and addresses, shared with other clients; absent: this client has its own. */
  readonly serviceCache?: ServiceCache;
}

const TRIES = 3;
/** Milliseconds after which no new attempt starts, so that an outage is found before the login's time ends. */
const LAST_TRY_MS = 25_000;
/** Milliseconds for a reply that does not depend on the user, unless the configuration sets a limit. */
const PROMPT_REPLY_MS = 30_000;
/** Idle milliseconds after which a connection must answer a ping before a call that cannot be repeated. */
const CHECK_AFTER_MS = 5000;
/** Milliseconds for a reply over a connection that was idle. */
const STALE_MS = 5000;
const CLOCK_SKEW = 40_105;
const INVALID_PARAMETER = 40_002;

interface Call {
  readonly method: Method;
  readonly path: string;
  readonly parameters: Parameters;
  /** The reply waits for the user, so only the login's deadline limits it. */
  readonly slow?: true;
  /** A second request would ask the user twice. */
  readonly once?: true;
}

const PING: Call = { method: 'GET', path: '/auth/v2/ping', parameters: {} };

export function createClient(options: ClientOptions): DuoApi {
  return new Client(options);
}

class Client implements DuoApi {
  readonly #options: ClientOptions;
  readonly #service: DuoService;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#service = options.serviceCache?.service(options) ?? new DuoService(options);
  }

  async ping(signal: AbortSignal): Promise<void> {
    if (!this.#options.trustsClock && !this.#service.offsetIsRecent) await this.#readTime(signal);
  }

  async #readTime(signal: AbortSignal): Promise<void> {
    const time = parsePing(openReply(await this.#send(PING, signal)));
    this.#service.setTime(time * 1000);
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
    // Duo's long poll ended without a decision: nothing has changed.
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
    if (this.#options.serviceCache === undefined) this.#service.close();
  }

  async #call(call: Call, signal: AbortSignal): Promise<unknown> {
    return openReply(await this.#signed(call, signal));
  }

  /** A signed call. If Duo rejects the timestamp, it is repeated with Duo's clock. */
  async #signed(call: Call, signal: AbortSignal): Promise<Reply> {
    const reply = await this.#send(call, signal);
    if (reply.status !== 401 || failureCode(reply.body) !== CLOCK_SKEW) return reply;
    await this.#readTime(signal);
    return this.#send(call, signal);
  }

  /** Sends until the reply is not 429, or the wait is too long. */
  async #send(call: Call, signal: AbortSignal): Promise<Reply> {
    const { clock, notify, random = Math.random } = this.#options;
    for (let attempt = 0; ; attempt += 1) {
      const reply = await this.#connect(call, signal);
      if (reply.status !== 429) return reply;
      const { ms } = rateLimitWait(
        reply.header('retry-after') ?? reply.header('x-retry-after'),
        attempt,
        clock.now() + this.#service.offset,
        random(),
      );
      if (ms === undefined) return reply;
      notify(
        `Rate-limiting response received from server. Waiting for ${Math.round(ms / 1000)} seconds before retrying.`,
      );
      await clock.sleep(ms, signal);
    }
  }

  /**
   * Sends until there is a reply, with at most three attempts to connect. A failed connection that was already open
   * does not count as an attempt.
   */
  async #connect(call: Call, signal: AbortSignal): Promise<ExchangeReply> {
    const { clock } = this.#options;
    const begin = clock.monotonic();
    let connection = await this.#checkedConnection(call, signal);
    for (let left = TRIES - 1; ; connection = this.#service.open()) {
      const reused = connection.connected;
      try {
        return await this.#exchange(connection, call, reused, signal);
      } catch (error) {
        signal.throwIfAborted();
        const harmless = !(call.once && error instanceof DuoBrokenConnectionError);
        if (!(error instanceof DuoConnectionError) || !harmless) throw error;
        if (reused) this.#service.dropIdle();
        else if (left === 0 || clock.monotonic() - begin >= LAST_TRY_MS) throw error;
        else left -= 1;
      } finally {
        this.#service.release(connection);
      }
    }
  }

  /**
   * A connection for this call. If the call cannot be repeated, a connection that was idle must first answer a ping.
   */
  async #checkedConnection(call: Call, signal: AbortSignal): Promise<Connection> {
    const service = this.#service;
    const connection = service.acquire();
    const idle = service.endpoint.clock.monotonic() - connection.usedAt;
    if (!connection.connected || (!call.once && !call.slow) || idle < CHECK_AFTER_MS) return connection;
    try {
      await this.#exchange(connection, PING, true, signal);
      return connection;
    } catch (error) {
      connection.destroy();
      service.release(connection);
      signal.throwIfAborted();
      if (!(error instanceof DuoConnectionError)) throw error;
      service.dropIdle();
      return service.open();
    }
  }

  /** @param reused the connection was already open and may be dead */
  async #exchange(
    connection: Connection,
    { method, path, parameters, slow, once }: Call,
    reused: boolean,
    signal: AbortSignal,
  ): Promise<ExchangeReply> {
    const { host, port, ikey, skey, userAgent, timeout, clock } = this.#options;
    const date = duoDate(clock.now() + this.#service.offset);
    const body = encodeParameters(parameters);
    const get = method === 'GET';
    const limit = slow ? 0 : timeout || PROMPT_REPLY_MS;
    const reply = await exchange(connection, {
      method,
      path: get && body !== '' ? `${path}?${body}` : path,
      body: get ? '' : body,
      headers: {
        Host: hostHeader({ host, port }),
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
      timeout: reused && !slow && !once ? Math.min(limit, STALE_MS) : limit,
      signal,
    });
    this.#service.noteKeepAlive(reply.header('keep-alive'));
    return reply;
  }
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
