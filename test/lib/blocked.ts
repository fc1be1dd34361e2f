import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { ExecutionContext } from 'ava';

/** A listener that never accepts, with a full queue: connecting to it blocks. */
export async function blockedListener(t: ExecutionContext): Promise<number> {
  const child = fork('test/lib/blocked-listener.ts', { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [port]: number[] = await once(child, 'message');
  if (port === undefined) throw new Error('no port');
  for (let calm = 0; calm < 5; ) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    t.teardown(() => socket.destroy());
    const connected = once(socket, 'connect').then(() => true);
    const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 100));
    calm = (await Promise.race([connected, late])) ? 0 : calm + 1;
  }
  return port;
}
