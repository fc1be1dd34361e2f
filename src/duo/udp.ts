/** UDP sockets as promises, without libuv's thread pool. */
import { createSocket, type Socket } from 'node:dgram';

export type Family = 'udp4' | 'udp6';

/**
 * A socket with its own local port.
 * @param address all addresses of this machine by default
 * @throws the system's error
 */
export async function openUdp(family: Family, address?: string): Promise<Socket> {
  const socket = createSocket(family);
  try {
    await settled(socket, (done) => {
      socket.once('listening', done);
      socket.bind({ port: 0, exclusive: true, ...(address === undefined ? {} : { address }) });
    });
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** @throws the system's error, such as ENETUNREACH */
export function connectUdp(socket: Socket, port: number, address: string): Promise<void> {
  return settled(socket, (done) => socket.connect(port, address, done));
}

/** Sends one datagram over a connected socket. @throws the system's error */
export function sendUdp(socket: Socket, bytes: Uint8Array): Promise<void> {
  return settled(socket, (done) => socket.send(bytes, done));
}

/** Waits for the callback of `begin`, or an error of the socket. */
async function settled(socket: Socket, begin: (done: (error?: Error | null) => void) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('error', reject);
  begin((error) => (error ? reject(error) : resolve()));
  try {
    await promise;
  } finally {
    socket.off('error', reject);
  }
}

/** Documentation addresses: no packet is sent, only the route is looked up. */
const ELSEWHERE: Readonly<Record<Family, string>> = { udp4: '192.0.2.1', udp6: '2001:db8::1' };

/** The source address for packets to the outside. @throws the system's error when there is no route */
export async function sourceAddress(family: Family): Promise<string> {
  const socket = await openUdp(family);
  try {
    await connectUdp(socket, 9, ELSEWHERE[family]);
    return socket.address().address;
  } finally {
    socket.close();
  }
}
