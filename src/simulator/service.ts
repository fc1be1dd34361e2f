/**
 * The decisions of the simulated Duo in the Auth API's terms: preauth, auth and auth_status, for its users.
 */
import { EventEmitter } from 'node:events';
import type { Clock } from '../lib/clock.ts';
import { Enrolments } from './enrolment.ts';
import { chosenFactor } from './factors.ts';
import { type Form, invalid, required } from './failure.ts';
import { Faults } from './faults.ts';
import { deviceId, userId } from './ids.ts';
import { type Menu, menuFor, offersOf } from './menu.ts';
import { Passcodes } from './passcodes.ts';
import { SETTLED } from './settled.ts';
import type { Application } from './signature.ts';
import { type Occasion, type State, Transaction } from './transactions.ts';
import type { User, Users } from './users.ts';
import { type Opened, VerifiedPushes } from './verified-push.ts';

/** One recorded call. */
export interface Seen {
  readonly call: string;
  readonly form: Form;
  readonly userAgent: string;
}

export interface Preauth extends Partial<Opened> {
  readonly result: 'auth' | 'allow' | 'deny' | 'enroll';
  readonly status_msg: string;
  readonly enroll_portal_url?: string;
  readonly devices?: readonly object[];
  /** An enrolment has a text only. */
  readonly prompt?: Pick<Menu, 'text'> & Partial<Menu>;
}

const ENROLL_URL = 'https://enroll.example.test/portal?code=48bac5d9393fb2c2';

const NO_FACTOR = { kind: 'passcode', passcode: '' } as const;

/** Emits `change` when a phone shows something new, and `call` with a Seen for each call. */
export class Service extends EventEmitter {
  readonly application: Application;
  readonly users: Users;
  readonly faults = new Faults();
  readonly transactions = new Map<string, Transaction>();
  /** Every call so far. */
  readonly calls: Seen[] = [];
  readonly clock: Clock;
  readonly enrolments: Enrolments;
  readonly #verifiedPushes = new VerifiedPushes();
  readonly #passcodes = new Passcodes();

  constructor(application: Application, users: Users, clock: Clock) {
    super();
    this.application = application;
    // Without a prototype, so that names like `constructor` are not users.
    this.users = Object.assign(Object.create(null), users);
    this.clock = clock;
    this.enrolments = new Enrolments(this.users, clock, () => this.emit('change'));
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
    const username = this.#named(form);
    const user = this.users[username];
    const menu = form['text_prompt'] === '1';
    if (user === undefined || user.status === 'enroll') {
      return {
        result: 'enroll',
        status_msg: SETTLED.enroll.status_msg,
        enroll_portal_url: ENROLL_URL,
        ...(menu ? { prompt: { text: `Please enroll at ${ENROLL_URL}` } } : {}),
      };
    }
    const settled = this.#settled(username, user);
    if (settled !== undefined) {
      return { result: settled.result === 'allow' ? 'allow' : 'deny', status_msg: settled.status_msg };
    }
    // The policy does not apply to clients that do not support Verified Push.
    const verified = form['client_supports_verified_push'] === '1' && user.verifiedPush;
    return {
      result: 'auth',
      status_msg: 'Account is active',
      devices: devicesOf(username, user),
      ...(menu ? { prompt: menuFor(username, offersOf(user, verified === true)) } : {}),
      ...(verified === false ? {} : this.#verifiedPushes.open(username, verified, this.time().time)),
    };
  }

  /** The response; of a synchronous call, when the user has decided. */
  async auth(form: Form): Promise<State | { readonly txid: string }> {
    const username = this.#named(form);
    const user = this.users[username];
    if (user === undefined) throw invalid('username');
    const sync = (form['async'] ?? '0') === '0';
    const transaction = this.#begin(form, username, user);
    this.transactions.set(transaction.txid, transaction);
    transaction.on('change', () => this.emit('change'));
    this.emit('change');
    return sync ? transaction.end() : { txid: transaction.txid };
  }

  authStatus(form: Form): Promise<State> {
    return this.transaction(required(form, 'txid')).news();
  }

  /** @throws ApiFailure when there is no such transaction */
  transaction(txid: string): Transaction {
    const transaction = this.transactions.get(txid);
    if (transaction === undefined) throw invalid('txid');
    return transaction;
  }

  #begin(form: Form, username: string, user: User): Transaction {
    required(form, 'factor');
    const occasion: Occasion = {
      username,
      application: this.application.name,
      ipaddr: form['ipaddr'] ?? '',
      hostname: form['hostname'] ?? '',
      pushinfo: pairs(form['pushinfo'] ?? ''),
    };
    const settled = this.#settled(username, user);
    // Such a user may have no device: no factor is selected and no passcode used up.
    const factor = settled === undefined ? chosenFactor(form, username, user) : NO_FACTOR;
    const verification = this.#verifiedPushes.verification(form['txid'], username, factor);
    const transaction = new Transaction(factor, occasion, this.clock, verification);
    if (settled !== undefined) transaction.become(settled);
    else if (factor.kind === 'passcode')
      transaction.become(this.#passcodes.use(username, user, factor.passcode));
    else if (factor.kind === 'sms') transaction.become(this.#passcodes.send(user));
    else transaction.start(user);
    return transaction;
  }

  /** The result for users who need no factor; undefined for users who do. */
  #settled(username: string, { status }: User): State | undefined {
    if (this.#passcodes.exhausted(username)) return SETTLED.locked_out;
    return status === 'auth' ? undefined : SETTLED[status];
  }

  /** The user's name, given by either `username` or `user_id`. */
  #named(form: Form): string {
    const id = form['user_id'] ?? '';
    if (id === '') return required(form, 'username');
    const username = Object.keys(this.users).find((name) => userId(name) === id);
    if (username === undefined || (form['username'] ?? '') !== '') throw invalid('user_id');
    return username;
  }
}

function devicesOf(username: string, { devices }: User) {
  return devices.map(({ name, push, phone, sms }, index) => ({
    device: deviceId(username, index),
    type: 'phone',
    name: '',
    display_name: `phone (${name})`,
    number: name,
    capabilities: [
      ...(push || phone ? ['auto'] : []),
      ...(push ? ['push'] : []),
      ...(sms ? ['sms'] : []),
      ...(phone ? ['phone'] : []),
    ],
  }));
}

function pairs(text: string): Record<string, string> {
  if (Buffer.byteLength(text) >= 20_000) throw invalid('pushinfo');
  return Object.fromEntries(new URLSearchParams(text));
}
