/** `duo-ts forget`: makes the resident engine forget approvals that it remembers. */
import { createConnection } from 'node:net';
import { Command } from 'commander';
import { encodeFrame, FrameReader, FrameType, MAX_FRAME, PROTOCOL_VERSION } from '../bridge/frame.ts';
import { RELEASE } from '../lib/release.ts';

const ANSWER_MS = 15_000;

interface Options {
  readonly all?: true;
  readonly socket: string;
}

/** The engine's answer. @throws Error when it does not answer */
async function ask(path: string, user: string | undefined): Promise<string> {
  const socket = createConnection(path);
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('the engine did not answer in time')));
  socket.write(
    encodeFrame(FrameType.hostHello, [
      ['version', PROTOCOL_VERSION],
      ['release', RELEASE],
    ]),
  );
  socket.write(encodeFrame(FrameType.forget, user === undefined ? [] : [['user', user]]));
  const reader = new FrameReader(MAX_FRAME);
  for await (const chunk of socket)
    for (const frame of reader.push(chunk)) if (frame.type === FrameType.verdict) return frame.text('error');
  throw new Error('the engine closed the connection without an answer');
}

async function forget(user: string | undefined, { all, socket }: Options): Promise<void> {
  try {
    if ((user === undefined) === (all === undefined)) throw new Error('name either a user or --all');
    process.stdout.write(`duo-ts forget: ${await ask(socket, user)}\n`);
  } catch (error) {
    process.stderr.write(`duo-ts forget: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  }
}

export function forgetCommand(): Command {
  return new Command('forget')
    .description('Forget the approvals that the resident engine remembers (remember in pam_duo.conf).')
    .argument('[user]', 'the account whose approvals to forget')
    .option('--all', 'forget those of all accounts')
    .option('--socket <path>', 'the socket of the engine', '/run/duo-ts/engine.sock')
    .addHelpText('after', '\nExample: duo-ts forget alice')
    .action(forget);
}
