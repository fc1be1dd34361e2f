/** UDP sockets as promises. Nothing here waits for a thread of libuv's pool. */
import { createSocket, type Socket } from 'node:dgram';

export type Family = 'udp4' | 'udp6';

/**
 * A socket with a local port of its own.
 * @param address all of this host's, unless given
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

/** Sends one datagram to where the socket is connected. @throws the system's error */
export function sendUdp(socket: Socket, bytes: Uint8Array): Promise<void> {
  return settled(socket, (done) => socket.send(bytes, done));
}

/** Waits until `begin` calls back, or the socket fails. */
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

/** Documentation addresses: no packet is sent there, the kernel is only asked which way one would take. */
const ELSEWHERE: Readonly<Record<Family, string>> = { udp4: '192.0.2.1', udp6: '2001:db8::1' };

/** The address that a packet to the outside would come from. @throws the system's error where there is no way */
export async function sourceAddress(family: Family): Promise<string> {
  const socket = await openUdp(family);
  try {
    await connectUdp(socket, 9, ELSEWHERE[family]);
    return socket.address().address;
  } finally {
    socket.close();
  }
}
