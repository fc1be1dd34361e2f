/** What a resident engine has done: logins by result, times by stage, and who was let in without Duo. */
import type { Clock } from '../lib/clock.ts';
import { type LoginRecord, RESULTS, type Result } from '../login/record.ts';

/** Upper limits of the buckets, in milliseconds. Longer times are in the count only. */
export const BUCKETS = [50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000] as const;

/** Times of one stage; `buckets` are counts up to each limit. */
export interface StageTimes {
  readonly count: number;
  readonly sum: number;
  readonly buckets: readonly number[];
}

/** A login that `failmode = safe` let in. */
export interface Pass {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly user: string;
  readonly service: string;
}

/** Everything that is kept over restarts of the engine. */
export interface Totals {
  readonly logins: Readonly<Partial<Record<Result, number>>>;
  readonly stages: Readonly<Record<string, StageTimes>>;
  /** Of the last 24 hours, the oldest first. */
  readonly failsafe: readonly Pass[];
}

/** The totals, and the engine as it is now. */
export interface Snapshot extends Totals {
  readonly release: string;
  readonly pid: number;
  /** Milliseconds since 1970: the start of the engine, and this snapshot. */
  readonly started: number;
  readonly at: number;
  readonly waiting: number;
  /** Resident bytes. */
  readonly memory: number;
}

/** Keeps the snapshot in a file. */
export interface StatisticsStore {
  /** Undefined when there is none. */
  load(): Totals | undefined;
  save(snapshot: Snapshot): void;
}

const DAY_MS = 86_400_000;
const MAX_PASSES = 500;
/** Milliseconds between a change and its write. */
const SAVE_MS = 500;

export interface StatisticsOptions {
  readonly clock: Clock;
  readonly release: string;
  /** The number of logins in progress. */
  readonly waiting: () => number;
  readonly store?: StatisticsStore | undefined;
}

export class Statistics {
  readonly #options: StatisticsOptions;
  readonly #started: number;
  readonly #logins: Map<Result, number>;
  readonly #stages: Map<string, StageTimes>;
  #failsafe: Pass[];
  #saving = false;

  constructor(options: StatisticsOptions) {
    this.#options = options;
    this.#started = options.clock.now();
    const { logins = {}, stages = {}, failsafe = [] } = options.store?.load() ?? {};
    this.#logins = new Map(
      RESULTS.flatMap((result) => (logins[result] === undefined ? [] : [[result, logins[result]]])),
    );
    this.#stages = new Map(Object.entries(stages));
    this.#failsafe = [...failsafe];
    this.changed();
  }

  count({ result, user, service, milliseconds = {} }: LoginRecord): void {
    this.#logins.set(result, (this.#logins.get(result) ?? 0) + 1);
    if (result === 'failsafe') this.#failsafe.push({ at: this.#options.clock.now(), user, service });
    for (const [stage, ms] of Object.entries(milliseconds)) this.#note(stage, ms);
    this.changed();
  }

  /** Writes the snapshot soon. */
  changed(): void {
    const { store, clock } = this.#options;
    if (store === undefined || this.#saving) return;
    this.#saving = true;
    void clock.sleep(SAVE_MS).then(() => {
      this.#saving = false;
      store.save(this.snapshot());
    });
  }

  snapshot(): Snapshot {
    const { clock, release, waiting } = this.#options;
    const at = clock.now();
    this.#failsafe = this.#failsafe.filter((pass) => pass.at > at - DAY_MS).slice(-MAX_PASSES);
    return {
      release,
      pid: process.pid,
      started: this.#started,
      at,
      waiting: waiting(),
      memory: process.memoryUsage.rss(),
      logins: Object.fromEntries(this.#logins),
      stages: Object.fromEntries(this.#stages),
      failsafe: this.#failsafe,
    };
  }

  #note(stage: string, ms: number): void {
    const { count, sum, buckets } = this.#stages.get(stage) ?? {
      count: 0,
      sum: 0,
      buckets: BUCKETS.map(() => 0),
    };
    this.#stages.set(stage, {
      count: count + 1,
      sum: sum + ms,
      buckets: BUCKETS.map((limit, index) => (buckets[index] ?? 0) + (ms <= limit ? 1 : 0)),
    });
  }
}
