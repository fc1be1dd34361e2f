/**
 * One login over one socket: the engine's side of PROTOCOL.md. It turns frames into facts, answers and cancellation,
 * and a login's output into frames.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../lib/clock.ts';
import { cleanText } from '../lib/text.ts';
import {
  CancelledError,
  Channel,
  ConversationError,
  DeadlineError,
  DuoCode,
  type Facts,
  type Groups,
  type Login,
  type LoginContext,
  Outcome,
  Priority,
  type Verdict,
} from '../login/messages.ts';
import { factsFromFrame, groupsFromFrame } from './facts.ts';
import {
  encodeFrame,
  type Field,
  type Frame,
  FrameError,
  FrameReader,
  FrameType,
  MAX_HOST_FRAME,
  PROTOCOL_VERSION,
} from './frame.ts';
import { Heartbeats } from './heartbeat.ts';

const HEARTBEAT = encodeFrame(FrameType.heartbeat, []);

export interface LinkOptions {
  readonly clock: Clock;
  /** This program's release, for the log of the PAM application. */
  readonly release: string;
  /** Shared by all logins of a process; absent: this login has its own. */
  readonly heartbeats?: Heartbeats;
  /** Milliseconds for FACTS to arrive; absent: no limit. */
  readonly factsWithin?: number;
  /** The longest accepted deadline, in milliseconds; absent: any. */
  readonly maxDeadline?: number;
  /** The longest accepted frame, in bytes; absent: the protocol's limit. */
  readonly maxFacts?: number;
  /** Forgets the remembered approvals of an account, or all; returns their number. Absent: FORGET is refused. */
  readonly forget?: (user: string | undefined) => number;
}

/**
 * Serves the login on `socket`. Resolves to the verdict that was sent, or to undefined when the peer closed the
 * connection first. Never rejects: an internal failure becomes a verdict that denies.
 */
export async function serveLogin(
  socket: Duplex,
  login: Login,
  options: LinkOptions,
): Promise<Verdict | undefined> {
  const link = new Link(socket, options);
  try {
    const facts = await link.facts();
    if (facts instanceof Forget) {
      if (options.forget === undefined) return undefined;
      const count = options.forget(facts.user);
      const verdict = {
        outcome: Outcome.pass,
        code: DuoCode.ok,
        error: `forgot ${count} approvals`,
      } as const;
      return link.end(verdict) ? verdict : undefined;
    }
    link.startDeadline(Math.min(facts.deadline, options.maxDeadline ?? facts.deadline));
    const verdict = await judge(facts, login, link);
    return link.end(verdict) ? verdict : undefined;
  } catch {
    return undefined;
  } finally {
    link.close();
  }
}

/** Runs the login. An exception is a defect, and a denial. */
async function judge(facts: Facts, login: Login, link: Link): Promise<Verdict> {
  try {
    return await login(facts, link.context);
  } catch (error) {
    // An unforeseen error's message could hold anything, so only its kind is logged.
    const kind = error instanceof Error ? error.name : typeof error;
    const reason = link.context.signal.aborted
      ? `cancelled (${kind})`
      : `internal error in the engine (${kind})`;
    const user = cleanText(facts.duoUser ?? facts.user).replaceAll('\n', ' ');
    link.context.log(Priority.error, `Error in Duo login for '${user}': ${reason}`);
    return { outcome: Outcome.serviceError, code: DuoCode.libError, error: reason };
  }
}

/** FORGET in place of FACTS. */
class Forget {
  readonly user: string | undefined;

  constructor(user: string | undefined) {
    this.user = user;
  }
}

type Waiter<T> = PromiseWithResolvers<T>;

const GROUPS_OF = { account: 1, caller: 2 } as const;

class Link {
  readonly context: LoginContext;
  readonly #socket: Duplex;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  readonly #timers = new AbortController();
  readonly #facts: Waiter<Facts | Forget> = Promise.withResolvers();
  readonly #stopBeating: () => void;
  #greeted = false;
  #informed = false;
  #groups: Waiter<Groups> | undefined;
  #answer: Waiter<string> | undefined;

  constructor(socket: Duplex, options: LinkOptions) {
    const {
      clock,
      release,
      heartbeats = new Heartbeats(clock),
      factsWithin,
      maxFacts = MAX_HOST_FRAME,
    } = options;
    this.#socket = socket;
    this.#clock = clock;
    this.#facts.promise.catch(() => {});
    this.context = {
      groupsOf: (user) => {
        this.#groups = this.#waiter();
        this.#send(FrameType.needs, [['groupsOf', GROUPS_OF[user]]]);
        return this.#groups.promise;
      },
      noGroups: () => this.#send(FrameType.needs, [['groupsOf', 0]]),
      conversation: {
        prompt: (text) => this.#prompt(text),
        status: (text) => this.#send(FrameType.status, [['text', text]]),
      },
      log: (priority, text, channel = Channel.log, fields) =>
        this.#send(FrameType.log, [
          ['priority', priority],
          ['text', text],
          ['channel', channel],
          ...(fields === undefined ? [] : [['fields', fields] as const]),
        ]),
      signal: this.#abort.signal,
    };
    const reader = new FrameReader(maxFacts);
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) this.#receive(frame);
      } catch (error) {
        this.#cancel(error instanceof Error ? error.message : 'an invalid frame');
      }
    });
    socket.on('end', () => this.#cancel('the host closed the connection'));
    socket.on('error', () => this.#cancel('the socket failed'));
    socket.on('close', () => this.#cancel('the socket closed'));
    this.#send(FrameType.engineHello, [
      ['version', PROTOCOL_VERSION],
      ['release', release],
    ]);
    this.#stopBeating = heartbeats.start(() => this.#write(HEARTBEAT));
    if (factsWithin !== undefined) void this.#awaitFacts(factsWithin);
  }

  /** Resolves when FACTS, or FORGET, have arrived. */
  facts(): Promise<Facts | Forget> {
    return this.#facts.promise;
  }

  startDeadline(ms: number): void {
    this.#clock.sleep(ms, this.#timers.signal).then(
      () => this.#abort.abort(new DeadlineError('the time for this login is over')),
      () => {},
    );
  }

  /** Sends the verdict. False if the connection is closed. */
  end(verdict: Verdict): boolean {
    if (this.#abort.signal.reason instanceof CancelledError) return false;
    this.#send(FrameType.verdict, [
      ['outcome', verdict.outcome],
      ['code', verdict.code],
      ['error', clip(verdict.error)],
      ...(verdict.motd ? [['motd', 1] as const] : []),
      ...(verdict.codeFile === undefined ? [] : [['codeFile', verdict.codeFile] as const]),
    ]);
    return true;
  }

  close(): void {
    this.#stopBeating();
    this.#timers.abort(new CancelledError('the login is over'));
    this.#abort.abort(new CancelledError('the login is over'));
    this.#socket.end();
  }

  async #awaitFacts(ms: number): Promise<void> {
    try {
      await this.#clock.sleep(ms, this.#timers.signal);
      if (!this.#informed) this.#cancel('the host sent no FACTS in time');
    } catch {
      // The login has ended.
    }
  }

  #receive(frame: Frame): void {
    if (!this.#greeted) {
      if (frame.type !== FrameType.hostHello) throw new FrameError('the host did not send HELLO first');
      if (frame.number('version') !== PROTOCOL_VERSION)
        throw new FrameError('the host speaks another version');
      this.#greeted = true;
    } else if (frame.type === FrameType.cancel) {
      throw new FrameError('the host cancelled');
    } else if (!this.#informed) {
      this.#facts.resolve(
        frame.type === FrameType.forget ? new Forget(frame.optionalText('user')) : factsFromFrame(frame),
      );
      this.#informed = true;
    } else if (frame.type === FrameType.groups && this.#groups !== undefined) {
      this.#groups.resolve(groupsFromFrame(frame));
      this.#groups = undefined;
    } else if (frame.type === FrameType.answer && this.#answer !== undefined) {
      this.#receiveAnswer(frame, this.#answer);
    } else {
      throw new FrameError(`frame type ${frame.type} out of turn`);
    }
  }

  #receiveAnswer(frame: Frame, waiter: Waiter<string>): void {
    const text = frame.optionalText('answer');
    if ((text === undefined) === (frame.optionalNumber('failed') === undefined)) {
      throw new FrameError('an answer that is neither given nor failed');
    }
    this.#answer = undefined;
    if (text === undefined) waiter.reject(new ConversationError('the conversation failed'));
    else waiter.resolve(text);
  }

  #prompt(text: string): Promise<string> {
    if (this.#answer !== undefined) return Promise.reject(new ConversationError('a second prompt at once'));
    this.#answer = this.#waiter();
    this.#send(FrameType.prompt, [['text', text]]);
    return this.#answer.promise;
  }

  /** Rejects when the login is cancelled or its time has ended. */
  #waiter<T>(): Waiter<T> {
    const waiter: Waiter<T> = Promise.withResolvers();
    const { signal } = this.#abort;
    const abort = () => waiter.reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    return waiter;
  }

  #cancel(reason: string): void {
    const error = new CancelledError(reason);
    this.#stopBeating();
    this.#timers.abort(error);
    this.#abort.abort(error);
    this.#facts.reject(error);
    this.#socket.destroy();
  }

  #send(type: FrameType, fields: readonly Field[]): void {
    this.#write(
      encodeFrame(
        type,
        fields.map(([name, value]) => [name, presentable(value)] as const),
      ),
    );
  }

  #write(frame: Buffer): void {
    if (!this.#socket.destroyed && !this.#socket.writableEnded) this.#socket.write(frame);
  }
}

const MAX_TEXT = 8192;

function presentable(value: number | string): number | string {
  return typeof value === 'string' ? clip(value) : value;
}

/** Makes a text fit its frame: bounded, without NUL, well-formed. */
function clip(text: string): string {
  const whole = text.replaceAll('\0', '?').toWellFormed();
  if (Buffer.byteLength(whole) <= MAX_TEXT) return whole;
  return Buffer.from(whole)
    .subarray(0, MAX_TEXT)
    .toString('utf8')
    .replace(/\uFFFD$/, '');
}
