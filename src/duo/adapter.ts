/**
 * What axios sends with: node:https over connections of connect.ts. Takes no redirects, no cookies, no compression and
 * no proxy of the environment, and holds no more than 256 KiB of a reply.
 */
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  Axios,
  type AxiosAdapter,
  AxiosHeaders,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from 'axios';
import { asDuoError, connectTls, type Endpoint, watchWait } from './connect.ts';
import { DuoConnectionError, DuoError, DuoReplyError } from './errors.ts';
import { codeOf } from './local.ts';

/** The longest reply that is read, in bytes. */
export const MAX_REPLY = 262_144;

/** A connection broke after the request was on its way: the service may have acted on it. */
export class DuoBrokenConnectionError extends DuoConnectionError {}

/** Whose call a connection is opened for, as it travels through Node's agent. */
interface CallerOptions extends RequestOptions {
  readonly caller?: AbortSignal;
}

/** Keeps one connection, for one call at a time; each new one is opened and judged by connect.ts. */
class DuoAgent extends Agent {
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint, idleMs: number) {
    super({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1, timeout: idleMs });
    this.#endpoint = endpoint;
  }

  /** True while the connection is there and nobody uses it. */
  get connected(): boolean {
    return Object.values(this.freeSockets).some((sockets) => sockets?.some((socket) => !socket.destroyed));
  }

  override createConnection(
    { caller }: CallerOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    connectTls(this.#endpoint, caller ?? new AbortController().signal).then(
      (socket) => callback?.(null, socket),
      // The stream stands behind an error that says there is none: Node looks at the error alone.
      (error: Error) => (callback as ((error: Error) => void) | undefined)?.(error),
    );
    return undefined;
  }
}

/** One connection to a service, opened when it is needed, for one call at a time. */
export interface Line {
  readonly adapter: AxiosAdapter;
  /** True while the connection is there and nobody uses it. */
  readonly connected: boolean;
  /** When a call last ended on it, in monotonic milliseconds. */
  readonly usedAt: number;
  close(): void;
}

/** @param idleMs milliseconds for which an idle connection is kept */
export function createLine(endpoint: Endpoint, idleMs: number): Line {
  const agent = new DuoAgent(endpoint, idleMs);
  let usedAt = endpoint.clock.monotonic();
  return {
    adapter: async (config) => {
      const reply = await send(config, agent, endpoint);
      usedAt = endpoint.clock.monotonic();
      return reply;
    },
    get connected() {
      return agent.connected;
    },
    get usedAt() {
      return usedAt;
    },
    close: () => agent.destroy(),
  };
}

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Milliseconds for the reply, from the end of the request; 0: no limit. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

export interface ExchangeReply {
  readonly status: number;
  readonly body: string;
  /** A header of the reply, by its lower-case name. */
  readonly header: (name: string) => string | undefined;
}

const http = new Axios({ transformRequest: [], transformResponse: [], validateStatus: () => true });

/**
 * One request and its reply, whatever its status.
 * @throws DuoConnectionError, DuoLocalError, DuoReplyError, or the signal's reason
 */
export async function exchange(line: Line, request: Exchange): Promise<ExchangeReply> {
  const { method, path, body, timeout, signal } = request;
  const { status, data, headers } = await http.request<string>({
    adapter: line.adapter,
    method,
    url: path,
    data: body,
    headers: { ...request.headers },
    timeout,
    signal,
  });
  return {
    status,
    body: data,
    header: (name) => {
      const value: unknown = headers[name];
      return typeof value === 'string' ? value : undefined;
    },
  };
}

/** Sends one request. `config.timeout` counts from the request's end; 0 is no limit. */
async function send(
  config: InternalAxiosRequestConfig,
  agent: Agent,
  endpoint: Endpoint,
): Promise<AxiosResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<AxiosResponse>();
  const signal = config.signal instanceof AbortSignal ? config.signal : undefined;
  signal?.throwIfAborted();
  const body = typeof config.data === 'string' ? config.data : '';
  const options: CallerOptions = {
    agent,
    host: endpoint.host,
    port: endpoint.port,
    method: config.method?.toUpperCase() ?? 'GET',
    path: config.url ?? '/',
    headers: plainHeaders(config),
    setDefaultHeaders: false,
    maxHeaderSize: 16_384,
    ...(signal === undefined ? {} : { caller: signal }),
  };
  const call = request(options);
  const judged = watchWait(endpoint.clock);
  const timers = new AbortController();
  const abort = () => {
    reject(signal?.reason);
    call.destroy();
  };
  signal?.addEventListener('abort', abort, { once: true });
  call.on('error', (error) => reject(error instanceof DuoError ? error : broken(endpoint, error)));
  let answered = false;
  // Whatever way a connection may end without a word from Node: nobody waits for a reply that can't come.
  call.on('close', () => answered || reject(broken(endpoint, undefined)));
  call.on('finish', () => {
    if (!config.timeout) return;
    endpoint.clock.sleep(config.timeout, timers.signal).then(
      () => {
        reject(new DuoBrokenConnectionError(`Couldn't connect to ${place(endpoint)}: no reply in time`));
        call.destroy();
      },
      () => {},
    );
  });
  call.on('response', (reply) => {
    answered = true;
    readBody(reply, endpoint).then(
      (data) => resolve({ data, ...head(reply), config, request: undefined }),
      (error: unknown) => {
        reject(error);
        call.destroy();
      },
    );
  });
  call.end(body);
  try {
    return await promise;
  } catch (error) {
    throw judged(error);
  } finally {
    judged();
    timers.abort();
    signal?.removeEventListener('abort', abort);
  }
}

function plainHeaders({ headers }: InternalAxiosRequestConfig): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers.toJSON()).flatMap(([name, value]) =>
      typeof value === 'string' || typeof value === 'number' ? [[name, String(value)]] : [],
    ),
  );
}

function head(reply: IncomingMessage): Pick<AxiosResponse, 'status' | 'statusText' | 'headers'> {
  const headers = new AxiosHeaders();
  for (const [name, value] of Object.entries(reply.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return { status: reply.statusCode ?? 0, statusText: '', headers };
}

async function readBody(reply: IncomingMessage, endpoint: Endpoint): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_REPLY) throw new DuoReplyError(`the reply is longer than ${MAX_REPLY} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof DuoError) throw error;
    throw broken(endpoint, error);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The error of a connection that was there and broke. Errors of connect.ts come as they are. */
function broken(endpoint: Endpoint, error: unknown): DuoError {
  const reason = codeOf(error).startsWith('HPE_') ? 'the reply is no HTTP' : 'Connection closed';
  const plain = asDuoError(endpoint, reason, error);
  return plain instanceof DuoConnectionError ? new DuoBrokenConnectionError(plain.message) : plain;
}

function place({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
