/**
 * Many logins through one resident engine under faults. Each login has its own faults and its own set of
 * right results. Runs in the private machine of test/hosts/enter.sh.
 */
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { factsToFrame } from '../../src/bridge/facts.ts';
import { type Facts, Outcome } from '../../src/login/messages.ts';
import { BURST, REFILL_MS } from '../../src/resident/limits.ts';
import { PamCode, PamStyle } from '../../src/unix/pam-client.ts';
import {
  CONFIG,
  pam,
  type Resident,
  SOCKET,
  SystemLog,
  startResident,
  unix,
} from '../../test/hosts/machine.ts';
import { type Ending, GUESTS, type Leave, logIn } from './driver.ts';
import {
  connections,
  type Duo,
  descriptors,
  type Neighbour,
  type Sample,
  sample,
  startDuo,
  startUser,
} from './processes.ts';
import {
  type Case,
  Dice,
  draw,
  expected,
  type Guest,
  PHASES,
  type Phase,
  SCENARIOS,
  type Scenario,
  type Site,
} from './scenario.ts';

export interface SoakOptions {
  readonly logins: number;
  readonly atOnce: number;
  readonly seed: number;
  /** Number of rounds through all phases. */
  readonly rounds: number;
  /**
   * Number of logins in progress when the engine is killed: after their prompt, before it, and, with a
   * second engine, anywhere between begin and end.
   */
  readonly killed: { readonly asked: number; readonly before: number; readonly moving: number };
  /** Waits until idle connections to Duo are closed, then counts descriptors. */
  readonly settle: boolean;
  readonly say: (text: string) => void;
}

export interface SoakResult {
  readonly options: SoakOptions;
  readonly seconds: number;
  readonly samples: readonly Sample[];
  /** Number of logins by result: `SCENARIO: outcome`, or `none`. */
  readonly ends: ReadonlyMap<string, number>;
  /** Durations of the logins of scenario `fine`, in milliseconds. */
  readonly times: readonly number[];
  /** Errors found, one line each. */
  readonly wrong: readonly string[];
  /** Logins in which Duo got more than one auth request. */
  readonly twice: number;
  readonly pam: number;
  readonly guests: number;
  /** Connections refused because the queue of the socket was full. */
  readonly turnedAway: number;
  /** Logins through libpam that a private engine served instead, including those of the killed engine. */
  readonly privately: number;
  readonly descriptorsBefore: number;
  readonly descriptorsAfter: number;
  /** Time from SIGTERM to the engine's end, in milliseconds. */
  readonly ended: number;
  readonly killed: readonly Killed[];
  /** Lines in the log of the engine that served all logins. */
  readonly lines: number;
  /** Output of the engines. */
  readonly log: string;
}

/** State of a login when its engine was killed. */
type When = keyof SoakOptions['killed'];

/** Its result. */
export interface Killed {
  readonly user: string;
  readonly when: When;
  readonly code: number;
}

const USERS = { alice: Outcome.pass, bert: Outcome.maxTries } as const;
const CONFDIR = '/etc/duo/soak.d';
const CODES: Readonly<Record<number, number>> = {
  [Outcome.pass]: PamCode.PAM_SUCCESS,
  [Outcome.maxTries]: PamCode.PAM_MAXTRIES,
  [Outcome.serviceError]: PamCode.PAM_SERVICE_ERR,
};
/** Text that no engine may write, since it shows a defect. */
const DEFECT = /internal error|unforeseen|unhandled|uncaught|Error:|\n\s+at |MaxListeners|skey|ikey/i;
const LEAVES: readonly Leave[] = ['hello', 'facts', 'greeted', 'shown'];
const STRANGER: Case = {
  person: 'amy',
  scenario: 'ignored',
  failmode: 'secure',
  sync: false,
  autopush: true,
};
const CROWD = 1200;
const FLOOD = 2000;
const SETTLE_MS = 120_000;

const pause = (ms: number) => new Promise<void>((go) => setTimeout(go, ms));

export async function soak(options: SoakOptions): Promise<SoakResult> {
  mkdirSync(CONFDIR, { recursive: true });
  const files = { good: '/etc/duo/ca.pem', expired: '/etc/duo/expired.pem' };
  const { duo, place } = await startDuo(files.good, files.expired);
  writeFileSync(files.good, place.ca);
  writeFileSync(files.expired, place.expiredCa);
  writeFileSync(CONFIG, configFor(place.configs.good, 'secure', true), { mode: 0o600 });
  writeFileSync('/etc/duo/resident.conf', 'unprivileged = yes\nunprivileged_services = soak\n');
  for (const failmode of ['secure', 'safe'] as const) {
    const conf = `/etc/duo/away-${failmode}.conf`;
    writeFileSync(conf, configFor(place.configs.refused, failmode, true), { mode: 0o600 });
    writeFileSync(`${CONFDIR}/away-${failmode}`, `auth required pam_duo_ts.so conf=${conf}\n`);
  }
  for (const service of ['sshd', 'duo']) {
    writeFileSync(`${CONFDIR}/${service}`, 'auth required pam_duo_ts.so\n');
  }
  const hosts = await SystemLog.start();
  try {
    const result = await new Soak(options, duo, place.configs).run();
    const privately = hosts.lines.filter((line) => /a private engine serves this login/.test(line)).length;
    const told = hosts.lines.filter((line) => /resident engine|Error in Duo/.test(line)).join('\n');
    return { ...result, privately, log: `${result.log}\n${told}` };
  } finally {
    hosts.stop();
    duo.stop();
  }
}

function configFor(text: string, failmode: 'safe' | 'secure', autopush: boolean, more = ''): string {
  return `${text}failmode = ${failmode}\nautopush = ${autopush ? 'yes' : 'no'}\nprompts = 1\n${more}\n`;
}

/** A login through libpam. */
async function pamLogin(service: string, user: string): Promise<number> {
  const { code } = await pam.authenticate({ service, user, confdir: CONFDIR }, async (messages) =>
    messages.map(({ style }) => (style === PamStyle.promptEchoOn ? '1' : '')),
  );
  return code;
}

class Soak {
  readonly #options: SoakOptions;
  readonly #duo: Duo;
  readonly #configs: Readonly<Record<Site, string>>;
  readonly #dice: Dice;
  readonly #samples: Sample[] = [];
  readonly #ends = new Map<string, number>();
  readonly #times: number[] = [];
  readonly #wrong: string[] = [];
  readonly #guests: Promise<void>[] = [];
  #engine: Resident;
  #neighbours: { readonly name: keyof typeof USERS; readonly process: Neighbour }[] = [];
  #guestCount = 0;
  /** Number of concurrent crowds and floods at the socket now, and in total. */
  #crowds = { now: 0, ever: 0 };
  #turnedAway = 0;
  #pam = 0;
  #next = 0;

  constructor(options: SoakOptions, duo: Duo, configs: Readonly<Record<Site, string>>) {
    this.#options = options;
    this.#duo = duo;
    this.#configs = configs;
    this.#dice = new Dice(options.seed);
    this.#engine = startSoaked();
  }

  get #pid(): number {
    return this.#engine.process.pid ?? 0;
  }

  async run(): Promise<Omit<SoakResult, 'privately'>> {
    const options = this.#options;
    const { atOnce, say } = options;
    const began = performance.now();
    for (const name of ['alice', 'bert'] as const) {
      const user = unix.userByName(name);
      if (user === undefined) throw new Error(`there is no user ${name}`);
      this.#neighbours.push({ name, process: await startUser(user, SOCKET) });
    }
    await this.#within();
    const descriptorsBefore = descriptors(this.#pid);
    await Promise.all(Array.from({ length: atOnce }, () => this.#work()));
    say('the last guests leave');
    await Promise.all(this.#guests);
    const twice = await this.#duo.ask({ ask: 'twice' });
    this.#expect('people who were asked twice', twice, [0]);
    const seconds = (performance.now() - began) / 1000;
    const descriptorsAfter = await this.#quiet(descriptorsBefore);
    const ended = await this.#terminate();
    for (const { process } of this.#neighbours) process.stop();
    let log = this.#engine.log();
    const lines = log.split('\n').length - 1;
    const killed: Killed[] = [];
    for (const kill of [() => this.#killWaiting(), () => this.#killMoving()]) {
      say('kills an engine');
      this.#engine = startSoaked();
      killed.push(...(await kill()));
      log += this.#engine.log();
    }
    if (DEFECT.test(log)) this.#wrong.push('the engine wrote of a defect: see its log');
    return {
      options,
      seconds,
      samples: this.#samples,
      ends: this.#ends,
      times: this.#times,
      wrong: this.#wrong,
      twice,
      pam: this.#pam,
      guests: this.#guestCount,
      turnedAway: this.#turnedAway,
      descriptorsBefore,
      descriptorsAfter,
      ended,
      killed,
      lines,
      log,
    };
  }

  async #work(): Promise<void> {
    const { logins, rounds, say } = this.#options;
    const stretch = Math.ceil(logins / (rounds * PHASES.length));
    const every = Math.max(1, Math.round(logins / (rounds * PHASES.length * 2)));
    while (this.#next < logins) {
      const number = this.#next;
      this.#next += 1;
      const at = Math.floor(number / stretch);
      const phase = PHASES[at % PHASES.length];
      if (phase === undefined) throw new Error('there are no phases');
      if (number % stretch === 0) {
        say(`login ${number}: ${phase.name}`);
        for (const guest of phase.guests) this.#guests.push(this.#invite(guest));
      }
      if (number % every === 0) this.#samples.push(sample(this.#pid, number));
      if (number % 50 === 49) await this.#pamCase();
      else await this.#case(number, phase);
    }
  }

  #count(what: string, outcome: number | undefined): void {
    const key = `${what}: ${outcome ?? 'none'}`;
    this.#ends.set(key, (this.#ends.get(key) ?? 0) + 1);
  }

  #expect(what: string, value: number | undefined, right: readonly (number | undefined)[]): void {
    if (right.includes(value)) return;
    this.#wrong.push(`${what}: ${value ?? 'none'}, not ${right.map((each) => each ?? 'none').join(' or ')}`);
  }

  async #case(number: number, phase: Phase): Promise<void> {
    const drawn = draw(this.#dice, phase);
    const { leaves, unanswered }: Scenario = SCENARIOS[drawn.scenario];
    const cancel = this.#dice.chance(0.5);
    const leave = leaves ? { at: this.#dice.pick(LEAVES), cancel } : undefined;
    const manner = { answer: unanswered ? undefined : '1', leave };
    const ending = await this.#untilTaken(() => logIn(SOCKET, this.#facts(number, drawn), manner), leaves);
    this.#count(drawn.scenario, ending.outcome);
    if (drawn.scenario === 'fine') this.#times.push(ending.ms);
    const what = `login ${number} of ${JSON.stringify({ ...drawn, ...ending })}`;
    if (ending.fault !== undefined) this.#wrong.push(`${what}: ${ending.fault}`);
    this.#expect(what, ending.outcome, [...expected(drawn), ...(leaves ? [undefined] : [])]);
  }

  #facts(number: number, { person, scenario, failmode, sync, autopush }: Case): Facts {
    const { site = 'good', config, deadline = 100_000 }: Scenario = SCENARIOS[scenario];
    const name = `${person}.${scenario}.${number}`;
    return {
      program: 'pam',
      service: sync ? 'sshd' : 'duo',
      user: name,
      rhost: '192.0.2.10',
      silent: false,
      noConversation: false,
      callerUid: 0,
      account: { name, uid: 1000, gecos: '' },
      config: {
        path: '/etc/duo/pam_duo.conf',
        text: configFor(this.#configs[site], failmode, autopush, config),
      },
      hostName: 'host.example.test',
      deadline,
    };
  }

  /**
   * A client that finds the queue full tries again, as a PAM module does. So does a client that is
   * disconnected before HELLO because more are connected than are served: a PAM module takes a private
   * engine then.
   */
  async #untilTaken(login: () => Promise<Ending>, leaves?: true): Promise<Ending> {
    for (;;) {
      const before = this.#crowds.ever;
      const busy = this.#crowds.now > 0;
      const ending = await login();
      const crowded = busy || this.#crowds.ever > before;
      if (leaves || ending.greeted || (ending.code !== 'EAGAIN' && !crowded)) return ending;
      this.#turnedAway += 1;
      await pause(20);
    }
  }

  /** A login through libpam, which can fall back on a private engine. */
  async #pamCase(): Promise<void> {
    const user = this.#dice.pick(['alice', 'bert'] as const);
    const service = this.#dice.pick(['sshd', 'duo', 'away-secure', 'away-safe']);
    const right =
      service === 'away-secure'
        ? [Outcome.serviceError]
        : service === 'away-safe'
          ? [Outcome.pass, Outcome.serviceError]
          : [USERS[user]];
    this.#pam += 1;
    const code = await pamLogin(service, user);
    this.#count(`libpam, ${service}`, code);
    this.#expect(
      `libpam, ${service}, ${user}`,
      code,
      right.map((outcome) => CODES[outcome]),
    );
  }

  /** Users within their limits. */
  async #within(): Promise<void> {
    for (const { name, process } of this.#neighbours) {
      for (const { outcome, fault } of await process.ask({ task: 'logins', count: 4, atOnce: false })) {
        this.#expect(`${name}, uid not 0`, outcome, [USERS[name]]);
        this.#expect(`${name}, uid not 0, ${fault}`, fault === undefined ? 0 : 1, [0]);
      }
    }
  }

  async #invite(guest: Guest): Promise<void> {
    if (guest === 'users') return this.#beyond();
    if (guest === 'flood' || guest === 'crowd') {
      this.#crowds.now += 1;
      this.#crowds.ever += 1;
      try {
        if (guest === 'flood') await this.#flood();
        else await this.#strangers('stall', CROWD);
      } finally {
        this.#crowds.now -= 1;
      }
      return;
    }
    await this.#strangers(guest, { vanish: 300, stall: 100, garbage: 300, deaf: 20 }[guest]);
  }

  async #strangers(kind: keyof typeof GUESTS, count: number): Promise<void> {
    const facts = () => {
      this.#guestCount += 1;
      const of = this.#facts(this.#options.logins + this.#guestCount, STRANGER);
      return factsToFrame({ ...of, deadline: 2000 });
    };
    const faults = await Promise.all(
      Array.from({ length: count }, () => GUESTS[kind](SOCKET, this.#dice, facts())),
    );
    for (const fault of faults) if (fault !== undefined) this.#wrong.push(`${kind}: ${fault}`);
  }

  /** Users who exceed their limits or claim to be somebody else. */
  async #beyond(): Promise<void> {
    await Promise.all(
      this.#neighbours.map(async ({ name, process }) => {
        const other = name === 'alice' ? 'bert' : 'alice';
        const refused = [
          ...(await process.ask({ task: 'impostor', name: other })),
          ...(await process.ask({ task: 'configuration', text: this.#configs.good })),
        ];
        for (const { outcome, greeted } of refused) {
          const hungUpOn = greeted ? [] : [undefined];
          this.#expect(`${name} who says something else`, outcome, [Outcome.serviceError, ...hungUpOn]);
        }
        const began = performance.now();
        const many = await process.ask({ task: 'logins', count: 30, atOnce: true });
        this.#guestCount += many.length + refused.length;
        for (const { outcome, greeted, fault } of many) {
          const hungUpOn = greeted ? [] : [undefined];
          this.#expect(`${name}, one of many`, outcome, [USERS[name], Outcome.serviceError, ...hungUpOn]);
          if (fault !== undefined) this.#wrong.push(`${name}, one of many: ${fault}`);
        }
        const served = many.filter(({ outcome }) => outcome === USERS[name]).length;
        const most = BURST + (performance.now() - began) / REFILL_MS;
        if (served > most) this.#wrong.push(`${name} was served ${served} times at once`);
      }),
    );
  }

  async #flood(): Promise<void> {
    await Promise.all(
      this.#neighbours.map(async ({ name, process }) => {
        this.#guestCount += FLOOD;
        const seed = this.#dice.below(0xffff_ffff);
        for (const { fault } of await process.ask({ task: 'flood', count: FLOOD, seed })) {
          this.#wrong.push(`${name} floods: ${fault}`);
        }
      }),
    );
  }

  /** Waits until all clients are disconnected. Resolves to the number of descriptors. */
  async #quiet(before: number): Promise<number> {
    const { settle, say } = this.#options;
    const limit = performance.now() + SETTLE_MS;
    while (connections(SOCKET) > 0 && performance.now() < limit) await pause(100);
    this.#expect('connections that were left', connections(SOCKET), [0]);
    if (!settle) return descriptors(this.#pid);
    say('waits for idle connections to end');
    // One connection may remain to the site that resets connections.
    while (descriptors(this.#pid) > before + 1 && performance.now() < limit) await pause(500);
    const after = descriptors(this.#pid);
    if (after > before + 1) this.#wrong.push(`${before} descriptors before, ${after} after`);
    this.#samples.push(sample(this.#pid, this.#options.logins));
    return after;
  }

  async #terminate(): Promise<number> {
    const began = performance.now();
    const exit = once(this.#engine.process, 'exit');
    this.#engine.process.kill('SIGTERM');
    const [code]: unknown[] = await exit;
    if (code !== 0) this.#wrong.push(`the engine ended with ${String(code)}`);
    if (!this.#engine.log().includes('accepts no more logins, 0 are in progress')) {
      this.#wrong.push('logins were left in progress');
    }
    return performance.now() - began;
  }

  /**
   * Kills an engine with many logins in progress, some waiting for the phone and some before their prompt.
   */
  async #killWaiting(): Promise<Killed[]> {
    const { asked, before } = this.#options.killed;
    await this.#duo.ask({ ask: 'phones', decide: false });
    const rung = this.#begin('asked');
    while ((await this.#duo.ask({ ask: 'pending' })) < asked) await pause(50);
    await this.#duo.ask({ ask: 'hold', hold: true });
    const held = this.#begin('before');
    while ((await this.#duo.ask({ ask: 'held' })) < before) await pause(50);
    await this.#duo.ask({ ask: 'hold', hold: false });
    await this.#duo.ask({ ask: 'phones', decide: true });
    await this.#killEngine();
    return Promise.all([...rung, ...held]);
  }

  /** Kills an engine right after the first of many logins has ended. */
  async #killMoving(): Promise<Killed[]> {
    const moving = this.#begin('moving');
    await Promise.race(moving);
    await this.#killEngine();
    return Promise.all(moving);
  }

  #begin(when: When): Promise<Killed>[] {
    return Array.from({ length: this.#options.killed[when] }, async (_, at) => {
      const user = at % 2 === 0 ? 'alice' : 'bert';
      const code = await pamLogin('duo', user);
      const own = CODES[USERS[user]];
      const right = when === 'asked' ? [] : [own];
      this.#expect(`${user}, ${when}, engine killed`, code, [...right, PamCode.PAM_SERVICE_ERR]);
      return { user, when, code };
    });
  }

  async #killEngine(): Promise<void> {
    const exit = once(this.#engine.process, 'exit');
    this.#engine.process.kill('SIGKILL');
    await exit;
  }
}

function startSoaked(): Resident {
  return startResident(
    ...['--users', '--socket', SOCKET],
    ...['--config', CONFIG, '--settings', '/etc/duo/resident.conf'],
  );
}
