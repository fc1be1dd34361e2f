/**
 * Makes V8's code cache for the engine after a login, when it contains every function that a login runs. A
 * cache made before would contain almost none. The login is real, with a simulated Duo on loopback.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import { factsToFrame } from '../src/bridge/facts.ts';
import { encodeFrame, FrameReader, FrameType, MAX_FRAME, PROTOCOL_VERSION } from '../src/bridge/frame.ts';
import { Outcome } from '../src/login/messages.ts';
import { startSimulator } from '../src/simulator/simulator.ts';

/** A program and its first arguments. */
export type Command = readonly [string, ...string[]];

/**
 * The engine's options for V8, part of what its code cache depends on. V8 interprets JavaScript and never makes machine
 * code, so that the engine needs no memory that is writable and executable. Hardened services and SELinux refuse that.
 */
export const V8_OPTIONS = ['--jitless'];

const USER = 'alice';
const ANSWER = '1';

/**
 * @param command runs the Node whose copy becomes the engine
 * @param part path of the engine's bundle
 * @param cache path of the cache to write
 * @throws Error when the login ends unexpectedly, or when Node rejects the cache
 */
export async function rehearse(command: Command, part: string, cache: string): Promise<void> {
  const loader = join(dirname(part), 'rehearsal.mjs');
  rmSync(cache, { force: true });
  const cafile = resolve(`${part}.ca.pem`);
  const simulator = await startSimulator({ users: { [USER]: { phone: 'approve' } } });
  try {
    writeFileSync(cafile, simulator.ca);
    // The first run makes the cache; the second checks that a Node with the engine's limits accepts it.
    await logIn(
      command,
      [...V8_OPTIONS, ...REPRODUCIBLE, loader, part, cache, 'make'],
      simulator.config(cafile),
    );
    resetFlags(command, cache);
    await logIn(command, [...V8_OPTIONS, loader, part, cache, 'take'], simulator.config(cafile));
  } finally {
    await simulator.close();
    rmSync(cafile, { force: true });
  }
}

/** These flags make the cache reproducible. */
const REPRODUCIBLE = ['--predictable', '--hash-seed=1', '--random-seed=1', '--no-flush-bytecode'];
/** Offset of the flag hash in the header of V8's cache. */
const FLAGS_BEGIN = 12;
const FLAGS_END = 16;

/** Writes the flag hash of an engine. The other flags do not change the compiled code. */
function resetFlags([program, ...args]: Command, cache: string): void {
  const script = `new vm.Script('0').createCachedData().toString('hex', ${FLAGS_BEGIN}, ${FLAGS_END})`;
  const flags = execFileSync(program, [...args, ...V8_OPTIONS, '--print', script], {
    encoding: 'utf8',
    env: {},
  }).trim();
  const data = readFileSync(cache);
  data.set(Buffer.from(flags, 'hex'), FLAGS_BEGIN);
  writeFileSync(cache, data);
}

/** Acts as the PAM application of one login. */
async function logIn([program, ...first]: Command, args: readonly string[], config: string): Promise<void> {
  // A pipe as standard error would make another cache than a file.
  const words = join(mkdtempSync(join(tmpdir(), 'rehearsal-')), 'words');
  const engine = spawn(program, [...first, ...args], {
    stdio: ['ignore', 'ignore', openSync(words, 'w'), 'pipe'],
    env: {},
  });
  engine.once('exit', () => process.stderr.write(readFileSync(words)));
  const ended = once(engine, 'exit');
  const socket = engine.stdio[3] as Duplex;
  const reader = new FrameReader(MAX_FRAME);
  let outcome: number | undefined;
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) {
      if (frame.type === FrameType.prompt) socket.write(encodeFrame(FrameType.answer, [['answer', ANSWER]]));
      if (frame.type === FrameType.verdict) {
        outcome = frame.number('outcome');
        socket.end();
      }
    }
  });
  socket.write(encodeFrame(FrameType.hostHello, [['version', PROTOCOL_VERSION]]));
  socket.write(facts(config));
  const [status]: unknown[] = await ended;
  if (outcome !== Outcome.pass || status !== 0)
    throw new Error(`the engine's rehearsal ended with ${String(status)} and outcome ${String(outcome)}`);
}

function facts(text: string): Buffer {
  return factsToFrame({
    program: 'pam',
    service: 'sshd',
    user: USER,
    rhost: '192.0.2.10',
    silent: false,
    noConversation: false,
    callerUid: 0,
    account: { name: USER, uid: 1000, gecos: '' },
    config: { path: '/etc/duo/pam_duo.conf', text },
    hostName: 'host.example.test',
    deadline: 60_000,
  });
}
