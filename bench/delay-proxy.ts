/** Distance: a TCP proxy on this machine that lets everything arrive later, in its order. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Clock, systemClock } from '../src/lib/clock.ts';

export interface DelayProxyOptions {
  /** Where it forwards to. */
  readonly port: number;
  /** Milliseconds that each packet is delayed, one way. */
  readonly delay: number;
  /** Both where it listens and where it forwards to; 127.0.0.1. */
  readonly address?: string;
  readonly clock?: Clock;
}

export interface DelayProxy {
  /** Where it listens. */
  readonly port: number;
  /** Breaks what is connected. */
  close(): Promise<void>;
}

/**
 * Starts listening. A connection is slow as well: what a client sends first comes after a round trip more, since a distant
 * peer would have let it wait for its handshake that long. What is in progress is held in memory, however much it is.
 * TCP's acknowledgements come from this machine: what a client that writes in small pieces loses to them over a real
 * distance is not shown.
 */
export async function startDelayProxy(options: DelayProxyOptions): Promise<DelayProxy> {
  const { port, delay, address = '127.0.0.1', clock = systemClock } = options;
  const closing = new AbortController();
  const open = new Set<Socket>();
  const hold = (socket: Socket) => {
    open.add(socket);
    socket.setNoDelay(true).once('close', () => open.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
    hold(near);
    // Its end is told by `close`.
    near.on('error', () => {});
    clock.sleep(2 * delay, closing.signal).then(
      () => {
        const far = connect({ port, host: address, allowHalfOpen: true }).on('error', () => {});
        hold(far);
        carry(near, far, delay, clock, closing.signal);
        carry(far, near, delay, clock, closing.signal);
        near.resume();
      },
      () => near.destroy(),
    );
  });
  const listening = await listen(server, address);
  return {
    port: listening,
    close: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      closing.abort();
      for (const socket of open) socket.destroy();
      await promise;
    },
  };
}

/** One direction. Everything leaves `delay` after it came, and never before what came earlier. */
function carry(from: Socket, to: Socket, delay: number, clock: Clock, closing: AbortSignal): void {
  let last = Promise.resolve();
  const later = (act: () => void) => {
    const due = clock.monotonic() + delay;
    last = last.then(async () => {
      try {
        const left = due - clock.monotonic();
        if (left > 0) await clock.sleep(left, closing);
      } catch {
        // The proxy is closing, and with it both sockets.
        return;
      }
      act();
    });
  };
  from.on('data', (chunk: Buffer) => later(() => to.write(chunk)));
  from.on('end', () => later(() => to.end()));
  from.on('close', (broken) => later(() => (broken ? to.resetAndDestroy() : to.end())));
}

async function listen(server: Server, address: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(0, address, resolve);
  await promise;
  const at = server.address();
  if (at === null || typeof at === 'string') throw new Error('a TCP server has no port');
  return at.port;
}
