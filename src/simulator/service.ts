/** What the simulated Duo decides, in the Auth API's terms: preauth, auth and auth_status, for the users that it knows. */
import { EventEmitter } from 'node:events';
import type { Clock } from '../lib/clock.ts';
import { Faults } from './faults.ts';
import type { Application } from './signature.ts';
import {
  type FactorKind,
  factorsOf,
  newCode,
  type Occasion,
  type State,
  Transaction,
} from './transactions.ts';
import type { User, Users } from './users.ts';

/** A reply that fails, in Duo's terms. The HTTP status is the first three digits of the code. */
export class ApiFailure extends Error {
  readonly code: number;
  readonly detail: string;

  constructor(code: number, message: string, detail = '') {
    super(message);
    this.code = code;
    this.detail = detail;
  }
}

export type Form = Readonly<Record<string, string>>;

/** One call as it arrived, for those who want to know. */
export interface Seen {
  readonly call: string;
  readonly form: Form;
  readonly userAgent: string;
}

export interface Preauth {
  readonly result: 'auth' | 'allow' | 'deny' | 'enroll';
  readonly status_msg: string;
  readonly enroll_portal_url?: string;
  readonly devices?: readonly object[];
  readonly prompt?: Menu;
  /** Those of a verified push. */
  readonly txid?: string;
  readonly verification_code?: string;
  readonly expiration?: number;
}

/** The text that asks for a factor, and what its answers mean. */
export interface Menu {
  readonly text: string;
  readonly factors: Readonly<Record<string, string>>;
}

const LOCKOUT_AFTER = 10;
const ENROLL_URL = 'https://enroll.example.test/portal?code=48bac5d9393fb2c2';
const FACTORS = /^(push|phone|sms)([1-9])?$/;

/** Emits `change` when a phone shows something new, `call` with Seen for each call. */
export class Service extends EventEmitter {
  readonly application: Application;
  readonly users: Users;
  readonly faults = new Faults();
  readonly transactions = new Map<string, Transaction>();
  /** Every call so far. */
  readonly calls: Seen[] = [];
  readonly clock: Clock;
  readonly #codes = new Map<string, { readonly code: string; readonly username: string }>();
  readonly #failures = new Map<string, number>();
  #sms = 0;

  constructor(application: Application, users: Users, clock: Clock) {
    super();
    this.application = application;
    this.users = users;
    this.clock = clock;
  }

  note(seen: Seen): void {
    this.calls.push(seen);
    this.emit('call', seen);
  }

  /** Unix seconds. */
  time(): { time: number } {
    return { time: Math.floor(this.clock.now() / 1000) };
  }

  preauth(form: Form): Preauth {
    const username = required(form, 'username');
    const user = this.users[username];
    if (user === undefined || user.status === 'enroll') {
      return {
        result: 'enroll',
        status_msg: 'Enroll an authentication device to proceed',
        enroll_portal_url: ENROLL_URL,
      };
    }
    if (this.#locked(username, user)) {
      return {
        result: 'deny',
        status_msg: 'Your account has been locked out. Please contact your administrator.',
      };
    }
    if (user.status === 'allow') return { result: 'allow', status_msg: 'Skipped two-factor authentication.' };
    if (user.status === 'deny') {
      return { result: 'deny', status_msg: 'Your account is disabled and cannot access this application.' };
    }
    return {
      result: 'auth',
      status_msg: 'Account is active',
      devices: user.devices.map(({ name, push, phone, sms }, index) => ({
        device: `DP${String(index + 1).padStart(18, '0')}`,
        type: 'phone',
        name: '',
        display_name: `phone (${name})`,
        number: name,
        capabilities: [
          'auto',
          ...(push ? ['push'] : []),
          ...(sms ? ['sms'] : []),
          ...(phone ? ['phone'] : []),
        ],
      })),
      ...(form['text_prompt'] === '1' ? { prompt: menuFor(username, user) } : {}),
      ...this.#verified(form, username, user),
    };
  }

  /** Opens the transaction of a verified push, where user and client know such a thing. */
  #verified(
    form: Form,
    username: string,
    user: User,
  ): Pick<Preauth, 'txid' | 'verification_code' | 'expiration'> {
    if (!user.verifiedPush || form['client_supports_verified_push'] !== '1') return {};
    const code = newCode();
    const txid = `verified-${this.#codes.size + 1}-${code}`;
    this.#codes.set(txid, { code, username });
    return { txid, verification_code: code, expiration: this.time().time + 60 };
  }

  /** The response; a synchronous one when the user has decided. */
  async auth(form: Form): Promise<State | { readonly txid: string }> {
    const username = required(form, 'username');
    const user = this.users[username];
    if (user === undefined) throw new ApiFailure(40002, 'Invalid request parameters', 'username');
    const sync = (form['async'] ?? '0') === '0';
    const transaction = this.#begin(form, username, user);
    this.transactions.set(transaction.txid, transaction);
    transaction.on('change', () => this.emit('change'));
    this.emit('change');
    return sync ? transaction.end() : { txid: transaction.txid };
  }

  async authStatus(form: Form): Promise<State> {
    const news = await this.transaction(required(form, 'txid')).news();
    if (news === undefined) throw new ApiFailure(40002, 'Long poll timed out');
    return news;
  }

  /** @throws ApiFailure when there is none */
  transaction(txid: string): Transaction {
    const transaction = this.transactions.get(txid);
    if (transaction === undefined) throw new ApiFailure(40002, 'Invalid request parameters', 'txid');
    return transaction;
  }

  #begin(form: Form, username: string, user: User): Transaction {
    const { kind, passcode } = chosenFactor(form, user);
    const occasion: Occasion = {
      username,
      application: this.application.name,
      ipaddr: form['ipaddr'] ?? '',
      hostname: form['hostname'] ?? '',
      pushinfo: pairs(form['pushinfo'] ?? ''),
    };
    const verified = this.#codes.get(form['txid'] ?? '');
    const code = kind === 'push' && verified?.username === username ? verified.code : undefined;
    const transaction = new Transaction(kind, occasion, this.clock, code);
    if (this.#locked(username, user)) {
      transaction.become({ result: 'deny', status: 'locked_out', status_msg: 'Account locked out.' });
    } else if (kind === 'passcode') {
      transaction.become(this.#usePasscode(username, user, passcode));
    } else if (kind === 'sms') {
      transaction.become(this.#sendPasscodes(user));
    } else {
      transaction.start(user);
    }
    return transaction;
  }

  #usePasscode(username: string, user: User, passcode: string): State {
    const at = user.passcodes.indexOf(passcode);
    if (at < 0) {
      const failures = (this.#failures.get(username) ?? 0) + 1;
      this.#failures.set(username, failures);
      return failures >= LOCKOUT_AFTER
        ? { result: 'deny', status: 'locked_out', status_msg: 'Account locked out.' }
        : { result: 'deny', status: 'deny', status_msg: 'Incorrect passcode. Please try again.' };
    }
    user.passcodes.splice(at, 1);
    this.#failures.delete(username);
    return { result: 'allow', status: 'allow', status_msg: 'Success. Logging you in...' };
  }

  /** A text message is never a login: it brings passcodes for the next try. */
  #sendPasscodes(user: User): State {
    this.#sms += 1;
    user.passcodes.push(String(7_000_000 + this.#sms));
    return { result: 'deny', status: 'sent', status_msg: 'New SMS passcodes sent.' };
  }

  #locked(username: string, user: User): boolean {
    return user.status === 'locked_out' || (this.#failures.get(username) ?? 0) >= LOCKOUT_AFTER;
  }
}

function menuFor(username: string, { devices }: User): Menu {
  const factors = factorsOf(devices);
  const first = factors[0];
  const choices = factors.map(({ text }, index) => ` ${index + 1}. ${text}`).join('\n');
  const head = `Duo two-factor login for ${username}\n\n`;
  const text =
    first === undefined
      ? `${head}Passcode: `
      : `${head}Enter a passcode or select one of the following options:\n\n${choices}\n\nPasscode or option (1-${factors.length}): `;
  return {
    text,
    factors: {
      ...(first === undefined ? {} : { default: first.value }),
      ...Object.fromEntries(factors.map(({ value }, index) => [String(index + 1), value])),
    },
  };
}

/** `factor=prompt` with `prompt=…`, or `factor=push|phone|sms|passcode|auto` with `device` or `passcode`. */
function chosenFactor(form: Form, user: User): { kind: FactorKind; passcode: string } {
  const factor = required(form, 'factor');
  if (factor === 'passcode') return { kind: 'passcode', passcode: required(form, 'passcode') };
  const wanted = factor === 'prompt' ? required(form, 'prompt') : factor;
  if (factor !== 'prompt') required(form, 'device');
  const offered = factorsOf(user.devices).map(({ value }) => value);
  if (wanted === 'auto') return { kind: kindOf(offered[0] ?? ''), passcode: '' };
  const [, kind, number = '1'] = FACTORS.exec(wanted) ?? [];
  if (kind === undefined) {
    if (factor !== 'prompt') throw new ApiFailure(40002, 'Invalid request parameters', 'factor');
    return { kind: 'passcode', passcode: wanted };
  }
  if (!offered.includes(`${kind}${number}`))
    throw new ApiFailure(40002, 'Invalid request parameters', 'prompt');
  return { kind: kindOf(kind), passcode: '' };
}

function kindOf(factor: string): FactorKind {
  if (factor.startsWith('push')) return 'push';
  if (factor.startsWith('phone')) return 'phone';
  if (factor.startsWith('sms')) return 'sms';
  return 'passcode';
}

/** @throws ApiFailure when it is missing */
export function required(form: Form, name: string): string {
  const value = form[name];
  if (value === undefined || value === '')
    throw new ApiFailure(40001, 'Missing required request parameters', name);
  return value;
}

function pairs(text: string): Record<string, string> {
  if (Buffer.byteLength(text) >= 20_000)
    throw new ApiFailure(40002, 'Invalid request parameters', 'pushinfo');
  return Object.fromEntries(new URLSearchParams(text));
}
