/** The logins of a soak, their faults, and the results that are right for them. */
import { Outcome } from '../../src/login/messages.ts';
import type { Fault } from '../../src/simulator/faults.ts';
import type { UsersInput } from '../../src/simulator/users.ts';

/** Duo's decision for each user. */
export const PEOPLE = {
  amy: { user: { phone: 'approve' }, outcome: Outcome.pass, asked: true },
  bob: { user: { status: 'allow' }, outcome: Outcome.pass, asked: false },
  dan: { user: { phone: 'deny' }, outcome: Outcome.maxTries, asked: true },
  fay: { user: { phone: 'fraud' }, outcome: Outcome.maxTries, asked: true },
  carol: { user: { status: 'deny' }, outcome: Outcome.denied, asked: false },
  lock: { user: { status: 'locked_out' }, outcome: Outcome.denied, asked: false },
  erin: { user: { status: 'enroll' }, outcome: Outcome.denied, asked: false },
} as const satisfies Readonly<
  Record<string, { readonly user: UsersInput[string]; readonly outcome: Outcome; readonly asked: boolean }>
>;
export type Person = keyof typeof PEOPLE;

export function isPerson(name: string): name is Person {
  return Object.hasOwn(PEOPLE, name);
}

/** The API hosts of the configurations; each is a service of its own in the engine. */
export type Site = 'good' | 'refused' | 'expired' | 'mute' | 'severed';

/** The fault of one login. */
export interface Scenario {
  readonly site?: Site;
  /** The call to which the fault applies, and the fault; `once`: only to the first such call of the login. */
  readonly call?: 'preauth' | 'auth' | 'auth_status';
  readonly fault?: Fault;
  readonly once?: true;
  /** Nobody answers the push. */
  readonly ignored?: true;
  /** The prompt fails. */
  readonly unanswered?: true;
  /** The client disconnects during the login. */
  readonly leaves?: true;
  /** Time limit of the login in milliseconds; absent: the usual one. */
  readonly deadline?: number;
  /** Lines of the configuration. */
  readonly config?: string;
  /**
   * The effect. `nothing`: Duo decides. `absence`: Duo is unreachable before the prompt, and failmode
   * decides.
   * `refusal`: Duo answers and refuses: a denial. `loss`: Duo is lost after the prompt: a denial.
   */
  readonly effect: 'nothing' | 'absence' | 'refusal' | 'loss' | 'chance';
}

const SERVER_ERROR: Fault = { kind: 'status', status: 503, body: '<html>no</html>' };
const TOO_MANY: Fault = { kind: 'status', status: 429, headers: { 'Retry-After': '60' } };
const PATIENCE: Fault = { kind: 'status', status: 429, headers: { 'Retry-After': '0' } };
/** Short, so that a call that hangs is given up soon. */
const IMPATIENT = 'https_timeout = 1';

export const SCENARIOS = {
  fine: { effect: 'nothing' },
  // Slow replies.
  'slow-preauth': { call: 'preauth', fault: { kind: 'delay', ms: 700 }, effect: 'nothing' },
  'slow-auth': { call: 'auth', fault: { kind: 'delay', ms: 900 }, effect: 'nothing' },
  'slow-status': { call: 'auth_status', fault: { kind: 'delay', ms: 600 }, effect: 'nothing' },
  // Unreachable.
  'preauth-503': { call: 'preauth', fault: SERVER_ERROR, effect: 'absence' },
  'preauth-drop': { call: 'preauth', fault: { kind: 'drop' }, effect: 'absence' },
  'preauth-drops-once': { call: 'preauth', fault: { kind: 'drop' }, once: true, effect: 'nothing' },
  'preauth-hang': { call: 'preauth', fault: { kind: 'hang' }, config: IMPATIENT, effect: 'absence' },
  'auth-503': { call: 'auth', fault: SERVER_ERROR, effect: 'loss' },
  'auth-drop': { call: 'auth', fault: { kind: 'drop' }, effect: 'loss' },
  'auth-hang': { call: 'auth', fault: { kind: 'hang' }, deadline: 4000, effect: 'loss' },
  'status-drop': { call: 'auth_status', fault: { kind: 'drop' }, effect: 'loss' },
  'status-drops-once': { call: 'auth_status', fault: { kind: 'drop' }, once: true, effect: 'nothing' },
  refused: { site: 'refused', effect: 'absence' },
  expired: { site: 'expired', effect: 'absence' },
  mute: { site: 'mute', effect: 'absence' },
  severed: { site: 'severed', effect: 'chance' },
  // Rate limits.
  'preauth-429': { call: 'preauth', fault: TOO_MANY, effect: 'refusal' },
  'preauth-429-once': { call: 'preauth', fault: PATIENCE, once: true, effect: 'nothing' },
  'auth-429': { call: 'auth', fault: TOO_MANY, effect: 'refusal' },
  // Malformed replies.
  'preauth-garbage': { call: 'preauth', fault: { kind: 'garbage' }, effect: 'absence' },
  'preauth-truncated': { call: 'preauth', fault: { kind: 'truncated' }, effect: 'absence' },
  'preauth-huge': { call: 'preauth', fault: { kind: 'huge' }, effect: 'absence' },
  'preauth-nonsense': {
    call: 'preauth',
    fault: { kind: 'response', response: { result: 'perhaps' } },
    effect: 'absence',
  },
  'auth-garbage': { call: 'auth', fault: { kind: 'garbage' }, effect: 'loss' },
  'auth-truncated': { call: 'auth', fault: { kind: 'truncated' }, effect: 'loss' },
  'auth-huge': { call: 'auth', fault: { kind: 'huge' }, effect: 'loss' },
  'auth-nonsense': {
    call: 'auth',
    fault: { kind: 'response', response: { result: 'perhaps', status: 'allow', status_msg: 'Success.' } },
    effect: 'loss',
  },
  'status-huge': { call: 'auth_status', fault: { kind: 'huge' }, effect: 'loss' },
  // Faults of users and clients.
  ignored: { ignored: true, deadline: 4000, effect: 'loss' },
  unanswered: { unanswered: true, effect: 'nothing' },
  leaves: { leaves: true, effect: 'nothing' },
} as const satisfies Readonly<Record<string, Scenario>>;
export type ScenarioName = keyof typeof SCENARIOS;

export function isScenario(name: string): name is ScenarioName {
  return Object.hasOwn(SCENARIOS, name);
}

/** A phase of the soak: the faults of half of its logins, and other connections to the socket. */
export interface Phase {
  readonly name: string;
  readonly scenarios: readonly ScenarioName[];
  readonly guests: readonly Guest[];
}
export type Guest = 'vanish' | 'stall' | 'garbage' | 'deaf' | 'crowd' | 'users' | 'flood';

export const PHASES: readonly Phase[] = [
  { name: 'calm', scenarios: ['fine', 'unanswered'], guests: [] },
  { name: 'slow', scenarios: ['slow-preauth', 'slow-auth', 'slow-status'], guests: [] },
  {
    name: 'down',
    scenarios: ['preauth-503', 'preauth-drop', 'preauth-hang', 'auth-503', 'auth-drop', 'auth-hang'],
    guests: [],
  },
  {
    name: 'unsteady',
    scenarios: ['preauth-drops-once', 'status-drop', 'status-drops-once', 'severed'],
    guests: [],
  },
  { name: '429', scenarios: ['preauth-429', 'preauth-429-once', 'auth-429'], guests: [] },
  {
    name: 'malformed',
    scenarios: [
      'preauth-garbage',
      'preauth-truncated',
      'preauth-huge',
      'preauth-nonsense',
      'auth-garbage',
      'auth-truncated',
      'auth-huge',
      'auth-nonsense',
      'status-huge',
    ],
    guests: [],
  },
  {
    name: 'strangers',
    scenarios: ['refused', 'refused', 'expired', 'expired', 'expired', 'mute'],
    guests: [],
  },
  { name: 'leaving', scenarios: ['leaves', 'ignored'], guests: ['vanish', 'stall', 'deaf'] },
  { name: 'users', scenarios: ['fine'], guests: ['users', 'garbage'] },
  { name: 'flood', scenarios: ['fine', 'severed'], guests: ['flood', 'crowd', 'garbage', 'vanish'] },
];

export interface Case {
  readonly person: Person;
  readonly scenario: ScenarioName;
  readonly failmode: 'safe' | 'secure';
  readonly sync: boolean;
  readonly autopush: boolean;
}

/** The right outcomes. A login whose client disconnects may have none. */
export function expected({ person, scenario, failmode, sync, autopush }: Case): readonly Outcome[] {
  const { outcome, asked }: { outcome: Outcome; asked: boolean } = PEOPLE[person];
  const { effect, call, site = 'good', unanswered, deadline }: Scenario = SCENARIOS[scenario];
  // failmode=safe denies when the engine was stalled by the machine.
  const away: Outcome[] = failmode === 'safe' ? [Outcome.pass, Outcome.serviceError] : [Outcome.serviceError];
  if (unanswered && asked && !autopush) return [Outcome.aborted];
  if (site === 'severed') return [outcome, Outcome.serviceError, ...away];
  if (effect === 'absence') return away;
  const struck = call === 'preauth' || (asked && !(call === 'auth_status' && sync));
  // On a slow machine any deadline can pass.
  if (!struck && deadline !== undefined) return [outcome, ...away];
  if (!struck || effect === 'nothing') return [outcome];
  return [Outcome.serviceError];
}

/** Random numbers that a seed reproduces. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 … 1, by Mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)];
    if (found === undefined) throw new Error('nothing to choose from');
    return found;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

const NAMES: readonly Person[] = ['amy', 'amy', 'amy', 'bob', 'dan', 'dan', 'fay', 'carol', 'lock', 'erin'];

/** One login of a phase. */
export function draw(dice: Dice, phase: Phase): Case {
  const scenario = dice.chance(0.5) ? dice.pick(phase.scenarios) : 'fine';
  const { deadline }: Scenario = SCENARIOS[scenario];
  const safe = dice.chance(0.5);
  return {
    person: dice.pick(NAMES),
    scenario,
    // A short deadline may pass before the prompt, and then failmode=safe lets users in.
    failmode: safe && deadline === undefined ? 'safe' : 'secure',
    sync: dice.chance(0.5),
    autopush: dice.chance(0.7),
  };
}
