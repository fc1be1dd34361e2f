/** The progress of one attempt to log in, for its deadline, the audit log and the statistics. */

/** The steps of a login. */
export type LoginStage = 'ping' | 'preauth' | 'prompt' | 'auth' | 'auth_status';

export class Progress {
  /** What was sent to Duo, by its kind: `push`, `phone`, `sms`, `verified_push` or `passcode`. */
  factor: string | undefined;
  /** The device as Duo's menu shows it, such as `Duo Push to XXX-XXX-1234`. */
  device: string | undefined;
  /** Duo's name for an asynchronous authentication. */
  txid: string | undefined;
  #stage: LoginStage = 'ping';
  readonly #ms = new Map<LoginStage, number>();
  readonly #monotonic: () => number;
  #since: number;

  /** @param monotonic milliseconds */
  constructor(monotonic: () => number = () => performance.now()) {
    this.#monotonic = monotonic;
    this.#since = monotonic();
  }

  get stage(): LoginStage {
    return this.#stage;
  }

  enter(stage: LoginStage): void {
    const now = this.#monotonic();
    this.#ms.set(this.#stage, (this.#ms.get(this.#stage) ?? 0) + now - this.#since);
    this.#since = now;
    this.#stage = stage;
  }

  /** Milliseconds that each stage has taken so far. */
  get milliseconds(): Readonly<Partial<Record<LoginStage, number>>> {
    this.enter(this.#stage);
    return Object.fromEntries([...this.#ms].map(([stage, ms]) => [stage, Math.round(ms)]));
  }
}
