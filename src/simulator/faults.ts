/** Faults of the service, on request. */
import type { Socket } from 'node:net';
import * as v from 'valibot';

export const Fault = v.variant('kind', [
  /** Closes the connection instead of answering. */
  v.strictObject({ kind: v.literal('drop') }),
  /** Never answers. */
  v.strictObject({ kind: v.literal('hang') }),
  /** Answers after a delay in milliseconds. */
  v.strictObject({ kind: v.literal('delay'), ms: v.number() }),
  /** Answers with this HTTP status, body and headers. */
  v.strictObject({
    kind: v.literal('status'),
    status: v.number(),
    body: v.optional(v.string(), ''),
    headers: v.optional(v.record(v.string(), v.string()), () => ({})),
  }),
  /** Answers OK with this as the response. */
  v.strictObject({ kind: v.literal('response'), response: v.unknown() }),
  /** Answers with bytes that are not HTTP. */
  v.strictObject({ kind: v.literal('garbage') }),
  /** Announces more bytes than it sends. */
  v.strictObject({ kind: v.literal('truncated') }),
  /** Answers with a body above the size limit of clients. */
  v.strictObject({ kind: v.literal('huge') }),
]);
export type Fault = v.InferInput<typeof Fault>;

/** Faults that wait for their call. */
export class Faults {
  readonly #waiting: { readonly call: string; readonly fault: Fault; left: number }[] = [];

  /**
   * Adds a fault to a call.
   * @param call the last part of its path, such as `preauth`, or `*`
   * @param times number of calls that it applies to
   */
  add(call: string, fault: Fault, times = Number.POSITIVE_INFINITY): void {
    this.#waiting.push({ call, fault, left: times });
  }

  clear(): void {
    this.#waiting.length = 0;
  }

  /** The next fault for this call, if there is one. */
  take(call: string): v.InferOutput<typeof Fault> | undefined {
    const next = this.#waiting.find((entry) => entry.left > 0 && (entry.call === call || entry.call === '*'));
    if (next === undefined) return undefined;
    next.left -= 1;
    return v.parse(Fault, next.fault);
  }
}

/** A response of a mebibyte. */
export const HUGE = { time: 1, padding: 'x'.repeat(1_048_576) };

/** Answers on the socket itself. */
export function answerRaw(socket: Socket, kind: 'garbage' | 'truncated'): void {
  socket.end(
    kind === 'garbage'
      ? '\u0000\u0001 SSH-2.0-this is not HTTP\r\n\r\n'
      : 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"stat":"OK","resp',
  );
}
