/** A TCP proxy on this machine that delays all data and keeps its order. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Clock, systemClock } from '../src/lib/clock.ts';

export interface DelayProxyOptions {
  /** Where it forwards to. */
  readonly port: number;
  /** Milliseconds that each packet is delayed, one way. */
  readonly delay: number;
  /** The address to listen on and to forward to; 127.0.0.1 by default. */
  readonly address?: string;
  readonly clock?: Clock;
}

export interface DelayProxy {
  /** The port that it listens on. */
  readonly port: number;
  /** Resets all connections. */
  close(): Promise<void>;
}

/**
 * Starts listening. Connecting is delayed too: the first data of a client arrives one round trip later,
 * like the data after a handshake with a distant peer. Delayed data is held in memory without a limit.
 * TCP acknowledgements come from this machine, so the proxy does not show what a client that writes in
 * small pieces loses to them over a real distance.
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
    // The `close` event reports the end.
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

/** One direction. Data leaves `delay` after its arrival and never before earlier data. */
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
