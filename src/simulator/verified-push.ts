/** Verified Pushes: the transaction that preauth opens, and the code that approves it. */
import { randomInt, randomUUID } from 'node:crypto';
import type { Factor } from './factors.ts';
import { invalid } from './failure.ts';

/** The part of preauth's reply. It has the code only for clients that show it themselves. */
export interface Opened {
  readonly txid: string;
  readonly verification_code?: string;
  /** Unix seconds. */
  readonly expiration?: number;
}

export interface Verification {
  readonly code: string;
  /** auth_status returns the code; otherwise preauth did. */
  readonly told: boolean;
}

const LIFE_SECONDS = 60;

export class VerifiedPushes {
  readonly #opened = new Map<string, { readonly username: string; readonly code: string | undefined }>();

  /** @param now Unix seconds */
  open(username: string, variant: true | 'preauth', now: number): Opened {
    const txid = randomUUID();
    const code = variant === 'preauth' ? newCode() : undefined;
    this.#opened.set(txid, { username, code });
    return code === undefined ? { txid } : { txid, verification_code: code, expiration: now + LIFE_SECONDS };
  }

  /**
   * The code that approves the push of `auth`; undefined for a plain push.
   * @throws ApiFailure when the factor needs another txid, or none
   */
  verification(txid: string | undefined, username: string, factor: Factor): Verification | undefined {
    const named = factor.kind === 'push' && factor.verified;
    if (txid === undefined || txid === '') {
      if (named) throw invalid('txid');
      return undefined;
    }
    const opened = this.#opened.get(txid);
    if (opened?.username !== username || factor.kind !== 'push') throw invalid('txid');
    if (named !== (opened.code === undefined)) throw invalid('txid');
    return opened.code === undefined ? { code: newCode(), told: true } : { code: opened.code, told: false };
  }
}

function newCode(): string {
  return String(randomInt(100, 1000));
}
