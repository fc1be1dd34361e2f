/** The client side of PROTOCOL.md in TypeScript: whole logins, and connections that misbehave. */
import { createConnection, type Socket } from 'node:net';
import { factsToFrame } from '../../src/bridge/facts.ts';
import {
  encodeFrame,
  type Frame,
  FrameReader,
  FrameType,
  MAX_FRAME,
  PROTOCOL_VERSION,
} from '../../src/bridge/frame.ts';
import type { Facts } from '../../src/login/messages.ts';
import type { Dice } from './scenario.ts';

/**
 * Time after which a login without an end counts as lost, in milliseconds: the engine's own limit, and time
 * to disconnect.
 */
const LOST_MS = 140_000;

const DEAF_MS = 9000;

/** Result of a connection. */
export interface Ending {
  /** The verdict's outcome; undefined: there was none. */
  readonly outcome: number | undefined;
  /** The engine sent HELLO. */
  readonly greeted: boolean;
  /** The system's error code of the socket, such as `EAGAIN` when the queue is full. */
  readonly code: string | undefined;
  /** A violation of PROTOCOL.md, or a wait that was too long. */
  readonly fault: string | undefined;
  readonly ms: number;
}

/** When the client disconnects: before or after its FACTS, after HELLO, or after the first status message. */
export type Leave = 'hello' | 'facts' | 'greeted' | 'shown';

export interface Manner {
  /** The answer to every prompt; undefined: the conversation fails. */
  readonly answer?: string | undefined;
  readonly leave?: { readonly at: Leave; readonly cancel: boolean } | undefined;
}

export const HELLO = encodeFrame(FrameType.hostHello, [['version', PROTOCOL_VERSION]]);
const CANCEL = encodeFrame(FrameType.cancel, [['signal', 2]]);
const FAILED = encodeFrame(FrameType.answer, [['failed', 1]]);

/** One login. */
export function logIn(path: string, facts: Facts, manner: Manner): Promise<Ending> {
  const host = new Host(path, manner);
  host.begin(facts);
  return host.ending;
}

class Host {
  readonly ending: Promise<Ending>;
  readonly #socket: Socket;
  readonly #manner: Manner;
  #outcome: number | undefined;
  #greeted = false;
  #fault: string | undefined;

  constructor(path: string, manner: Manner) {
    this.#manner = manner;
    const began = performance.now();
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.ending = promise;
    const reader = new FrameReader(MAX_FRAME);
    const socket = createConnection(path);
    this.#socket = socket;
    const late = setTimeout(() => {
      this.#fault = 'lost: it did not end';
      socket.destroy();
    }, LOST_MS);
    let code: string | undefined;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code;
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) this.#receive(frame);
      } catch (error) {
        this.#fault = `nonsense from the engine: ${String(error)}`;
        socket.destroy();
      }
    });
    socket.on('close', () => {
      clearTimeout(late);
      resolve({
        outcome: this.#outcome,
        greeted: this.#greeted,
        code,
        fault: this.#fault,
        ms: performance.now() - began,
      });
    });
  }

  begin(facts: Facts): void {
    this.#socket.write(HELLO);
    this.#leave('hello');
    if (this.#socket.destroyed) return;
    this.#socket.write(factsToFrame(facts));
    this.#leave('facts');
  }

  #leave(at: Leave): void {
    const { leave } = this.#manner;
    if (leave?.at !== at) return;
    if (leave.cancel) this.#socket.write(CANCEL);
    else this.#socket.destroy();
  }

  #receive(frame: Frame): void {
    if (this.#outcome !== undefined) {
      this.#fault = `frame type ${frame.type} after the verdict`;
      return;
    }
    switch (frame.type) {
      case FrameType.engineHello:
        this.#greeted = true;
        this.#leave('greeted');
        return;
      case FrameType.status:
        this.#leave('shown');
        return;
      case FrameType.prompt:
        this.#leave('shown');
        if (!this.#socket.destroyed) this.#socket.write(this.#answer());
        return;
      case FrameType.verdict:
        this.#outcome = frame.number('outcome');
        this.#socket.end();
        return;
      case FrameType.log:
        if (/internal error/.test(frame.text('text'))) this.#fault = frame.text('text');
        return;
      case FrameType.heartbeat:
      case FrameType.needs:
        return;
      default:
        this.#fault = `frame type ${frame.type} from the engine`;
    }
  }

  #answer(): Buffer {
    const { answer } = this.#manner;
    return answer === undefined ? FAILED : encodeFrame(FrameType.answer, [['answer', answer]]);
  }
}

/**
 * A connection that sends these bytes instead of a login. Resolves when it is closed. @param hangUp closed
 * by the client
 */
function guest(path: string, bytes: Buffer, hangUp: boolean): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = createConnection(path);
  let reply = Buffer.alloc(0);
  let fault: string | undefined;
  const late = setTimeout(() => {
    fault = 'a guest was not hung up on';
    socket.destroy();
  }, LOST_MS);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    reply = Buffer.concat([reply, chunk]);
  });
  socket.on('connect', () => socket.write(bytes, () => hangUp && socket.destroy()));
  socket.on('close', () => {
    clearTimeout(late);
    resolve(fault ?? (verdicts(reply).includes(1) ? 'a guest was let in' : undefined));
  });
  return promise;
}

function verdicts(bytes: Buffer): number[] {
  return [...new FrameReader(MAX_FRAME).push(bytes)]
    .filter(({ type }) => type === FrameType.verdict)
    .map((frame) => frame.number('outcome'));
}

/** That many concurrent misbehaving connections. Each resolves to what the engine did wrong. */
export const GUESTS = {
  /** Disconnects in the middle of a frame, at any byte. */
  vanish: (path: string, dice: Dice, facts: Buffer) => {
    const whole = Buffer.concat([HELLO, facts]);
    return guest(path, whole.subarray(0, dice.below(whole.length)), true);
  },
  /** Sends half a frame and waits. */
  stall: (path: string, dice: Dice, facts: Buffer) => {
    const whole = Buffer.concat([HELLO, facts]);
    return guest(path, whole.subarray(0, dice.below(whole.length)), false);
  },
  garbage: (path: string, dice: Dice) => guest(path, dice.bytes(1 + dice.below(64)), false),
  /** Starts a login and never reads. */
  deaf: (path: string, _dice: Dice, facts: Buffer) => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const socket = createConnection(path);
    socket.pause().write(Buffer.concat([HELLO, facts]));
    // By then the engine has sent its verdict and closed the connection: the end follows the unread bytes.
    setTimeout(() => socket.resume(), DEAF_MS);
    socket.on('error', () => {}).on('close', () => resolve(undefined));
    return promise;
  },
} satisfies Record<string, (path: string, dice: Dice, facts: Buffer) => Promise<string | undefined>>;
