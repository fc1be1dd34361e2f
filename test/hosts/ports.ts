/**
 * Binds local ports until it is killed: `ports.ts WHAT ADDRESS LOW HIGH [PORT]`. Binds the free ports from
 * LOW to HIGH, as many as its descriptors allow, and writes `all` or `more` when done.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const [what = '', host = '', low, high, port] = process.argv.slice(2);

/** Each binds one local port and keeps it; a port in use costs no descriptor. */
const ways: Readonly<Record<string, (local: number) => Promise<unknown>>> = {
  udp: async (local) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.bind({ port: local, address: host, exclusive: true });
    await once(socket, 'listening').catch((error: unknown) => {
      socket.close();
      throw error;
    });
  },
  listening: (local) => once(createServer().listen(local, host), 'listening'),
  connected: (local) => once(connect({ host, port: Number(port), localPort: local }), 'connect'),
};

const take = ways[what];
if (take === undefined) throw new Error(`there is no way ${what} to take ports`);
let answer = 'all';
for (let local = Number(low); local <= Number(high); local += 1) {
  try {
    await take(local);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    // A connection to the same peer from the same port: the kernel returns another error for it.
    if (error.code === 'EADDRINUSE' || error.code === 'EADDRNOTAVAIL') continue;
    if (error.code !== 'EMFILE') throw error;
    answer = 'more';
    break;
  }
}
process.stdout.write(`${answer}\n`);
// An idle connection does not keep a process alive after the peer has closed it.
setInterval(() => {}, 60_000);
