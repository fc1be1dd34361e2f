/** A process that listens and never accepts: it prints its port, then blocks until it is killed. */
import { createServer } from 'node:net';

const server = createServer();
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  const address = server.address();
  if (address === null || typeof address === 'string') process.exit(1);
  process.send?.(address.port, () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
});
