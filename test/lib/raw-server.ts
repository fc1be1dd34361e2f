/** Servers on loopback that send exactly the given bytes. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { makeCertificates } from '../../src/simulator/certificates.ts';

export interface Teardown {
  teardown(end: () => void): void;
}

/** Listens on any port of `address`, or on `port`, until the test ends; resolves to the port. */
export async function listenFor(
  t: Teardown,
  server: Server,
  address = '127.0.0.1',
  port = 0,
): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => {}));
  });
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(port, address);
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the server has no port');
  return bound.port;
}

/** A TCP server. */
export function tcpServerFor(t: Teardown, serve: (socket: Socket) => void, address?: string) {
  return listenFor(t, createServer(serve), address);
}

export interface RawTls {
  readonly port: number;
  readonly ca: string;
  /** The heads of all requests so far. */
  readonly requests: string[];
}

/** A TLS server that calls `serve` with each request's head. */
export async function tlsServerFor(
  t: Teardown,
  serve: (socket: TLSSocket, request: string) => void,
  options: TlsOptions = {},
): Promise<RawTls> {
  const { ca, cert, key } = await makeCertificates('good', ['localhost'], ['127.0.0.1', '::1'], Date.now());
  const requests: string[] = [];
  const server = createTlsServer({ cert, key, ...options }, (socket) => {
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = text.slice(0, end);
      text = '';
      requests.push(head);
      serve(socket, head);
    });
  });
  server.on('tlsClientError', () => {});
  return { port: await listenFor(t, server), ca, requests };
}

/** A whole HTTP reply. */
export function httpReply(body: string, ...headers: readonly string[]): string {
  return ['HTTP/1.1 200 OK', `Content-Length: ${Buffer.byteLength(body)}`, ...headers, '', body].join('\r\n');
}
