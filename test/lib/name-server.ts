/** A name server with scripted answers, over UDP and TCP. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type Answer, decode, encode, type Packet } from 'dns-packet';

const AUTHORITATIVE = 0x0400;

/**
 * `silent` and an rcode (3: NXDOMAIN) apply to both address families; addresses are returned for queries of
 * their family.
 */
export type Behaviour = 'silent' | number | readonly string[];

/** The reply to a question; undefined: none. */
export function replyTo(question: Buffer, behaviour: Behaviour): Buffer | undefined {
  if (behaviour === 'silent') return undefined;
  const { id, questions = [] } = decode(question);
  const [asked] = questions;
  if (asked === undefined) return undefined;
  const rcode = typeof behaviour === 'number' ? behaviour : 0;
  const addresses = typeof behaviour === 'number' ? [] : behaviour;
  const answers = addresses
    .filter((address) => (asked.type === 'AAAA') === address.includes(':'))
    .map((data): Answer => ({ type: asked.type === 'AAAA' ? 'AAAA' : 'A', name: asked.name, ttl: 1, data }));
  const packet: Packet = { type: 'response', id: id ?? 0, flags: AUTHORITATIVE | rcode, questions, answers };
  return encode(packet);
}

/** An invalid query gets no answer. */
function answerTo(question: Buffer, behaviour: Behaviour): Buffer | undefined {
  try {
    return replyTo(question, behaviour);
  } catch {
    return undefined;
  }
}

export interface NameServerOptions {
  readonly host?: string;
  readonly port?: number;
  readonly udp: Behaviour;
  /** How TCP is answered; absent: the port is closed. */
  readonly tcp?: Behaviour;
  /** Changes the replies over UDP. */
  readonly twist?: (reply: Buffer) => Buffer;
}

export interface NameServer {
  readonly host: string;
  readonly port: number;
  /** Number of queries. */
  readonly asked: () => number;
  close(): void;
}

export async function startNameServer(options: NameServerOptions): Promise<NameServer> {
  const { host = '127.0.0.1', udp, tcp, twist = (reply) => reply } = options;
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  let asked = 0;
  socket.on('message', (question, { port, address }) => {
    asked += 1;
    const reply = answerTo(question, udp);
    if (reply !== undefined) socket.send(twist(reply), port, address);
  });
  socket.bind(options.port ?? 0, host);
  await once(socket, 'listening');
  const { port } = socket.address();
  const connections = new Set<Socket>();
  const listener = createServer((connection) => {
    connections.add(connection);
    connection.on('error', () => {});
    connection.on('data', (chunk: Buffer) => {
      for (let rest = chunk; rest.length > 2; rest = rest.subarray(2 + rest.readUInt16BE())) {
        asked += 1;
        const reply =
          tcp === undefined ? undefined : answerTo(rest.subarray(2, 2 + rest.readUInt16BE()), tcp);
        if (reply === undefined) continue;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        connection.write(Buffer.concat([length, reply]));
      }
    });
  });
  if (tcp !== undefined) {
    listener.listen(port, host);
    await once(listener, 'listening');
  }
  return {
    host,
    port,
    asked: () => asked,
    close: () => {
      socket.close();
      listener.close();
      for (const connection of connections) connection.destroy();
    },
  };
}
