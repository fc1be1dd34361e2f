/** Passcodes: used once, sent by text message, and the lockout after too many wrong ones. */
import { SETTLED } from './settled.ts';
import type { State } from './transactions.ts';
import type { User } from './users.ts';

const LOCKOUT_AFTER = 10;

export class Passcodes {
  readonly #failures = new Map<string, number>();
  #sent = 0;

  use(username: string, { passcodes }: User, passcode: string): State {
    const at = passcodes.indexOf(passcode);
    if (at < 0) {
      this.#failures.set(username, (this.#failures.get(username) ?? 0) + 1);
      return this.exhausted(username)
        ? SETTLED.locked_out
        : { result: 'deny', status: 'deny', status_msg: 'Incorrect passcode. Please try again.' };
    }
    passcodes.splice(at, 1);
    this.#failures.delete(username);
    return { result: 'allow', status: 'allow', status_msg: 'Success. Logging you in...' };
  }

  /** A text message does not log in: it sends passcodes for the next try. */
  send({ passcodes }: User): State {
    this.#sent += 1;
    passcodes.push(String(7_000_000 + this.#sent));
    return { result: 'deny', status: 'sent', status_msg: 'New SMS passcodes sent.' };
  }

  /** Too many wrong passcodes: the user is locked out. */
  exhausted(username: string): boolean {
    return (this.#failures.get(username) ?? 0) >= LOCKOUT_AFTER;
  }
}
