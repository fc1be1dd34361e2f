/**
 * Sends one request with axios over a connection of connect.ts: no redirects, cookies, compression or environment
 * proxy, and replies of at most 256 KiB.
 */
import { type IncomingMessage, validateHeaderValue } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import type { Duplex } from 'node:stream';
import { Axios, AxiosError, CanceledError } from 'axios';
import { asDuoError, connectTls, type Endpoint, watchWait } from './connect.ts';
import { DuoConnectionError, DuoError, DuoReplyError } from './errors.ts';
import { codeOf } from './local.ts';

/** The longest reply, in bytes. */
const MAX_REPLY = 262_144;

/** A connection broke after the request was sent: the service may have acted on it. */
export class DuoBrokenConnectionError extends DuoConnectionError {}

/** Carries the signal of the call that opens a connection through Node's agent. */
interface CallerOptions extends RequestOptions {
  readonly caller?: AbortSignal;
}

/** One connection to a service, opened on demand, for one call at a time. */
export class Connection extends Agent {
  readonly endpoint: Endpoint;
  /** When a call last ended on it, in monotonic milliseconds. */
  usedAt: number;

  /** @param idleMs milliseconds for which an idle connection is kept */
  constructor(endpoint: Endpoint, idleMs: number) {
    super({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1, timeout: idleMs });
    this.endpoint = endpoint;
    this.usedAt = endpoint.clock.monotonic();
  }

  /** True while the connection is open and unused. */
  get connected(): boolean {
    return Object.values(this.freeSockets).some((sockets) => sockets?.some((socket) => !socket.destroyed));
  }

  override createConnection(
    { caller }: CallerOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    connectTls(this.endpoint, caller ?? new AbortController().signal).then(
      (socket) => callback?.(null, socket),
      // The second argument is meaningless with an error, and Node reads only the error.
      (error: Error) => (callback as ((error: Error) => void) | undefined)?.(error),
    );
    return undefined;
  }
}

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Milliseconds from the end of the request to the reply; 0: no limit. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

export interface ExchangeReply {
  readonly status: number;
  readonly body: string;
  /** A reply header, by its lower-case name. */
  readonly header: (name: string) => string | undefined;
}

/** The Axios class has no default transforms or headers, except those of its adapter. */
const http = new Axios({
  adapter: 'http',
  // As text, axios would remove a byte order mark, which is invalid in JSON.
  responseType: 'arraybuffer',
  validateStatus: () => true,
  maxContentLength: MAX_REPLY,
  maxRedirects: 0,
  proxy: false,
  decompress: false,
});

/**
 * Sends one request and returns its reply, whatever its status.
 * @throws DuoConnectionError, DuoLocalError, DuoReplyError, or the signal's reason; TypeError for an invalid header
 * value
 */
export async function exchange(
  connection: Connection,
  { method, path, headers, body, timeout, signal }: Exchange,
): Promise<ExchangeReply> {
  signal.throwIfAborted();
  // axios silently removes invalid characters from headers; a signed request must not change.
  for (const [name, value] of Object.entries(headers)) validateHeaderValue(name, value);
  const { endpoint } = connection;
  const ended = new AbortController();
  const aborted = () => ended.abort(signal.reason);
  const timer = new AbortController();
  const judged = watchWait(endpoint.clock);
  const send = (options: RequestOptions, answered: (reply: IncomingMessage) => void) => {
    const own: CallerOptions = { setDefaultHeaders: false, maxHeaderSize: 16_384, caller: ended.signal };
    const call = request(Object.assign(options, own), answered);
    // axios's timeout would include the connection time and cannot use our clock.
    call.once('finish', () => {
      if (timeout === 0) return;
      endpoint.clock.sleep(timeout, timer.signal).then(
        () => ended.abort(broken(endpoint, 'no reply in time')),
        () => {},
      );
    });
    // A connection may end without a reply and without an error; axios would wait forever.
    const closed = () => ended.abort(broken(endpoint, 'Connection closed'));
    const told = () => call.off('close', closed);
    call.once('close', closed).once('response', told).once('error', told);
    return call;
  };
  signal.addEventListener('abort', aborted, { once: true });
  try {
    const reply = await http.request<Buffer>({
      method,
      // Only the agent knows the address. A URL cannot hold an address with a zone, and reads some names as addresses.
      url: `https://localhost${path}`,
      headers: { ...headers, 'Accept-Encoding': false },
      data: body,
      httpsAgent: connection,
      transport: { request: send },
      signal: ended.signal,
    });
    connection.usedAt = endpoint.clock.monotonic();
    return {
      status: reply.status,
      body: reply.data.toString('utf8'),
      header: (name) => {
        const value: unknown = reply.headers[name];
        return typeof value === 'string' ? value : undefined;
      },
    };
  } catch (error) {
    throw judged(error instanceof CanceledError ? ended.signal.reason : plainError(endpoint, error));
  } finally {
    judged();
    timer.abort();
    signal.removeEventListener('abort', aborted);
  }
}

/** An error without axios's request, which holds headers and body. */
function plainError(endpoint: Endpoint, error: unknown): DuoError {
  const cause = error instanceof AxiosError ? error.cause : error;
  if (cause instanceof DuoError) return cause;
  if (error instanceof AxiosError && error.code === AxiosError.ERR_BAD_RESPONSE) {
    return error.message.startsWith('maxContentLength')
      ? new DuoReplyError(`the reply is longer than ${MAX_REPLY} bytes`)
      : broken(endpoint, 'Connection closed');
  }
  const reason = codeOf(cause).startsWith('HPE_') ? 'the reply is not HTTP' : 'Connection closed';
  return broken(endpoint, reason, cause ?? error);
}

/** The error of a broken connection. */
function broken(endpoint: Endpoint, reason: string, cause?: unknown): DuoError {
  const plain = asDuoError(endpoint, reason, cause);
  return plain instanceof DuoConnectionError ? new DuoBrokenConnectionError(plain.message) : plain;
}
