/** What the simulated Duo decides, in the Auth API's terms: preauth, auth and auth_status, for the users that it knows. */
import { EventEmitter } from 'node:events';
import type { Clock } from '../lib/clock.ts';
import { chosenFactor } from './factors.ts';
import { type Form, invalid, required } from './failure.ts';
import { Faults } from './faults.ts';
import { deviceId } from './ids.ts';
import { type Menu, menuFor, offersOf } from './menu.ts';
import { LOCKED_OUT, Passcodes } from './passcodes.ts';
import type { Application } from './signature.ts';
import { type Occasion, type State, Transaction } from './transactions.ts';
import type { User, Users } from './users.ts';
import { type Opened, VerifiedPushes } from './verified-push.ts';

/** One call as it arrived, for those who want to know. */
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
  readonly prompt?: Menu;
}

const ENROLL_URL = 'https://enroll.example.test/portal?code=48bac5d9393fb2c2';

/** Emits `change` when a phone shows something new, `call` with Seen for each call. */
export class Service extends EventEmitter {
  readonly application: Application;
  readonly users: Users;
  readonly faults = new Faults();
  readonly transactions = new Map<string, Transaction>();
  /** Every call so far. */
  readonly calls: Seen[] = [];
  readonly clock: Clock;
  readonly #verifiedPushes = new VerifiedPushes();
  readonly #passcodes = new Passcodes();

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
    // The policy is not applied to clients that don't know verified pushes.
    const verified = form['client_supports_verified_push'] === '1' && user.verifiedPush;
    return {
      result: 'auth',
      status_msg: 'Account is active',
      devices: devicesOf(username, user),
      ...(form['text_prompt'] === '1'
        ? { prompt: menuFor(username, offersOf(user, verified === true)) }
        : {}),
      ...(verified === false ? {} : this.#verifiedPushes.open(username, verified, this.time().time)),
    };
  }

  /** The response; a synchronous one when the user has decided. */
  async auth(form: Form): Promise<State | { readonly txid: string }> {
    const username = required(form, 'username');
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

  /** @throws ApiFailure when there is none */
  transaction(txid: string): Transaction {
    const transaction = this.transactions.get(txid);
    if (transaction === undefined) throw invalid('txid');
    return transaction;
  }

  #begin(form: Form, username: string, user: User): Transaction {
    const factor = chosenFactor(form, username, user);
    const occasion: Occasion = {
      username,
      application: this.application.name,
      ipaddr: form['ipaddr'] ?? '',
      hostname: form['hostname'] ?? '',
      pushinfo: pairs(form['pushinfo'] ?? ''),
    };
    const verification = this.#verifiedPushes.verification(form['txid'], username, factor);
    const transaction = new Transaction(factor, occasion, this.clock, verification);
    if (this.#locked(username, user)) transaction.become(LOCKED_OUT);
    else if (factor.kind === 'passcode')
      transaction.become(this.#passcodes.use(username, user, factor.passcode));
    else if (factor.kind === 'sms') transaction.become(this.#passcodes.send(user));
    else transaction.start(user);
    return transaction;
  }

  #locked(username: string, user: User): boolean {
    return user.status === 'locked_out' || this.#passcodes.exhausted(username);
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
