/** The conversation of one login in the library. */
import { createInterface } from 'node:readline/promises';
import type { LoginConversation } from '../duo/login.ts';

/** conv_prompt and conv_status of duo(3). Either may be asynchronous. */
export interface DuoConversation {
  /**
   * Shows Duo's menu and gives the user's answer: a key of the menu, a passcode, or a factor such as `push2`.
   * `undefined`, an exception or a rejection means that there is none: the login ends with `DUO_ABORT`.
   *
   * Optional with `DuoFlag.Auto`.
   * @param text several lines; the last is the prompt itself and ends with a space
   * @param signal is aborted when the login is over before there is an answer
   */
  prompt?(text: string, signal: AbortSignal): string | undefined | Promise<string | undefined>;
  /**
   * Shows one status message. An empty message is an empty line. A promise that it returns is awaited before the
   * next message, the next prompt and the login's end. An exception or a rejection ends the login with `DUO_ABORT`.
   *
   * May be missing if nobody sees messages.
   */
  status?(text: string): unknown;
}

/** The default conversation of a handle: standard input and standard output. @internal */
export const terminal: DuoConversation = {
  async prompt(text, signal) {
    const reader = createInterface({ input: process.stdin, output: process.stdout });
    const closed = new Promise<undefined>((resolve) => {
      reader.once('close', () => resolve(undefined));
    });
    const answer = reader.question(text, { signal });
    // The prompt must not wait after the end of the input.
    answer.catch(() => {});
    try {
      return await Promise.race([answer, closed]);
    } finally {
      reader.close();
    }
  },
  status(text) {
    process.stdout.write(`${text}\n`);
  },
};

/** The conversation failed in `status`, which the login cannot see. @internal */
export class StatusError extends Error {
  override readonly name = 'StatusError';
}

/** One login's use of a conversation: messages and prompts in order, and no wait after the login's end. @internal */
export class QueuedConversation {
  /** What the program's conversation threw. */
  cause: unknown;
  readonly #conversation: DuoConversation;
  readonly #run: AbortController;
  #shown: Promise<void> = Promise.resolve();

  /** @param run is aborted with StatusError when a message cannot be shown */
  constructor(conversation: DuoConversation, run: AbortController) {
    this.#conversation = conversation;
    this.#run = run;
  }

  /** The conversation in the form that duoLogin takes. */
  forLogin(): LoginConversation {
    const status = (text: string) => this.#status(text);
    return this.#conversation.prompt === undefined
      ? { status }
      : { status, prompt: (text) => this.#prompt(text) };
  }

  /** Resolves when every message was shown; rejects when the login is aborted. */
  async shown(): Promise<void> {
    await orAborted(this.#shown, this.#run.signal);
  }

  #status(text: string): void {
    this.#shown = this.#shown
      .then(async () => {
        if (!this.#run.signal.aborted) await this.#conversation.status?.(text);
      })
      .catch((error: unknown) => {
        this.cause = error;
        this.#run.abort(new StatusError('Error showing a status message'));
      });
  }

  async #prompt(text: string): Promise<string> {
    const { signal } = this.#run;
    await this.shown();
    try {
      const answer: unknown = await orAborted(
        (async () => this.#conversation.prompt?.(text, signal))(),
        signal,
      );
      if (typeof answer === 'string') return answer;
    } catch (error) {
      this.cause = error;
      throw error;
    }
    throw new Error('there is no answer');
  }
}

/** The promise's result, or the signal's reason as soon as it is aborted. @internal */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  // The other promise may still reject, and nothing handles it.
  promise.catch(() => {});
  signal.throwIfAborted();
  let abort = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
