/**
 * Floods the socket for users until it is killed: `flood.ts WHAT SOCKET USER`. Writes a line when it has
 * started.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { factsToFrame } from '../../src/bridge/facts.ts';
import { encodeFrame, FrameType, PROTOCOL_VERSION } from '../../src/bridge/frame.ts';

const [what, path = '', user = ''] = process.argv.slice(2);
const hello = encodeFrame(FrameType.hostHello, [['version', PROTOCOL_VERSION]]);
const facts = factsToFrame({
  program: 'pam',
  service: 'duo',
  user,
  silent: false,
  noConversation: false,
  callerUid: process.getuid?.() ?? 0,
  hostName: 'host',
  deadline: 100_000,
});

/** Connects, sends data, and stays connected as long as possible. */
async function hold(...words: Buffer[]): Promise<Socket | undefined> {
  const socket = connect(path);
  socket.on('error', () => {}).resume();
  try {
    await once(socket, 'connect');
    for (const word of words) socket.write(word);
    return socket;
  } catch {
    return undefined;
  }
}

/** Keeps that many connections open. */
async function keep(count: number, ...words: Buffer[]): Promise<never> {
  const one = async () => {
    for (;;) {
      const socket = await hold(...words);
      if (socket !== undefined && !socket.closed)
        await new Promise((resolve) => socket.once('close', resolve));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await Promise.race(Array.from({ length: count }, one));
  throw new Error('unreachable');
}

const floods: Readonly<Record<string, () => Promise<never>>> = {
  /** Connections that send nothing. */
  crowd: () => keep(900),
  /** Half frames of the greatest length for users. */
  halves: () => keep(200, hello, facts.subarray(0, -1)),
  /** Logins without an end. */
  logins: () => keep(50, hello, facts),
  /** Connections that close at once. */
  comers: async () => {
    for (;;) (await hold(hello))?.destroy();
  },
};

const flood = floods[what ?? ''];
if (flood === undefined) throw new Error(`there is no flood ${what}`);
process.stdout.write('begun\n');
await flood();
