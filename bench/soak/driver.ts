/** The host's end of PROTOCOL.md in TypeScript: whole logins, and guests who want none. */
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

/** Milliseconds after which a login that has not ended is lost: the engine's own limit, and time to hang up. */
const LOST_MS = 140_000;

const DEAF_MS = 9000;

/** How a connection ended. */
export interface Ending {
  /** The verdict's outcome; undefined: none came. */
  readonly outcome: number | undefined;
  /** The engine said HELLO. */
  readonly greeted: boolean;
  /** The system's code for what happened to the socket, such as `EAGAIN`: nobody takes the connection. */
  readonly code: string | undefined;
  /** What was against PROTOCOL.md, or took too long. */
  readonly fault: string | undefined;
  readonly ms: number;
}

/** Where a host leaves: before or after its FACTS, at the engine's HELLO, or when the user was shown something. */
export type Leave = 'hello' | 'facts' | 'greeted' | 'shown';

export interface Manner {
  /** What every prompt is answered with; undefined: the conversation fails. */
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

/** A connection that is no login: sends these bytes. Resolves when it is closed. @param hangUp by the guest itself */
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

/** Guests, so many at once. Each resolves to what was wrong with how it was treated. */
export const GUESTS = {
  /** Goes away in the middle of what a host says, wherever that is. */
  vanish: (path: string, dice: Dice, facts: Buffer) => {
    const whole = Buffer.concat([HELLO, facts]);
    return guest(path, whole.subarray(0, dice.below(whole.length)), true);
  },
  /** Says half of it, and waits. */
  stall: (path: string, dice: Dice, facts: Buffer) => {
    const whole = Buffer.concat([HELLO, facts]);
    return guest(path, whole.subarray(0, dice.below(whole.length)), false);
  },
  garbage: (path: string, dice: Dice) => guest(path, dice.bytes(1 + dice.below(64)), false),
  /** Asks for a login, and never reads a word. */
  deaf: (path: string, _dice: Dice, facts: Buffer) => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const socket = createConnection(path);
    socket.pause().write(Buffer.concat([HELLO, facts]));
    // By then the engine has given its verdict to nobody, and gone: its end stands behind the unread bytes.
    setTimeout(() => socket.resume(), DEAF_MS);
    socket.on('error', () => {}).on('close', () => resolve(undefined));
    return promise;
  },
} satisfies Record<string, (path: string, dice: Dice, facts: Buffer) => Promise<string | undefined>>;
