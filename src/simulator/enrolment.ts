/** Enrolments of new users: started by a client, activated on the phone. */
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import type { Clock } from '../lib/clock.ts';
import { ApiFailure, type Form, invalid, required } from './failure.ts';
import { userId } from './ids.ts';
import { newUser, type Users } from './users.ts';

export interface Enrolment {
  readonly username: string;
  readonly user_id: string;
  readonly activation_code: string;
  /** URL of a picture of the code in Duo's replies. The simulator has no picture. */
  readonly activation_barcode: string;
  /** Unix seconds. */
  readonly expiration: number;
}

const DAY_SECONDS = 86_400;
const Seconds = v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/), v.transform(Number));

export class Enrolments {
  /** By activation code. */
  readonly #begun = new Map<string, Enrolment>();
  readonly #users: Users;
  readonly #clock: Clock;
  readonly #changed: () => void;

  constructor(users: Users, clock: Clock, changed: () => void) {
    this.#users = users;
    this.#clock = clock;
    this.#changed = changed;
  }

  /** Those that wait for the phone. */
  get waiting(): readonly Enrolment[] {
    return [...this.#begun.values()].filter((enrolment) => this.#statusOf(enrolment) === 'waiting');
  }

  begin(form: Form): Enrolment {
    const username = form['username'] || randomBytes(16).toString('hex');
    if (this.#users[username] !== undefined) throw new ApiFailure(40003, 'Username already exists');
    const valid = v.safeParse(Seconds, form['valid_secs'] ?? String(DAY_SECONDS));
    if (!valid.success) throw invalid('valid_secs');
    const code = `duo://${randomBytes(15).toString('base64url')}`;
    const enrolment = {
      username,
      user_id: userId(username),
      activation_code: code,
      activation_barcode: `https://enroll.example.test/frame/qr?value=${encodeURIComponent(code)}`,
      expiration: this.#now() + valid.output,
    };
    this.#users[username] = newUser({ status: 'enroll', devices: [] });
    this.#begun.set(code, enrolment);
    this.#changed();
    return enrolment;
  }

  status(form: Form): 'success' | 'waiting' | 'invalid' {
    const id = required(form, 'user_id');
    const enrolment = this.#begun.get(required(form, 'activation_code'));
    return enrolment?.user_id === id ? this.#statusOf(enrolment) : 'invalid';
  }

  /** Activates the code on the phone: the user then has one device. */
  activate(code: string): boolean {
    const enrolment = this.#begun.get(code);
    if (enrolment === undefined || this.#statusOf(enrolment) !== 'waiting') return false;
    this.#users[enrolment.username] = newUser({});
    this.#changed();
    return true;
  }

  #statusOf({ username, expiration }: Enrolment): 'success' | 'waiting' | 'invalid' {
    if (this.#users[username]?.status !== 'enroll') return 'success';
    return this.#now() < expiration ? 'waiting' : 'invalid';
  }

  #now(): number {
    return Math.floor(this.#clock.now() / 1000);
  }
}
