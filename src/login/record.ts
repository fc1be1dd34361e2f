/** What the audit log and the statistics know of a login. It holds no secret. */
import type { LoginStage } from '../duo/progress.ts';
import { cleanText } from '../lib/text.ts';

/** How a login ended; see docs/logs.md. */
export const RESULTS = [
  /** Duo approved. */
  'approved',
  /** Duo's policy let the user in without a factor. */
  'skipped',
  /** `groups` does not ask this user. */
  'exempt',
  /** Duo approved before, in the same session, or for the same key and network (`remember`, `push_once`). */
  'remembered',
  /** A security key of `trusted_keys` was the second factor. */
  'trusted_key',
  /** Duo was unreachable, and a one-time code was used. */
  'break_glass',
  /** Duo was unreachable, and failmode let the user in. */
  'failsafe',
  /** Duo was unreachable, and failmode denied. */
  'failsecure',
  /** Wrong or refused factors. */
  'failed',
  /** Duo denied the user. */
  'denied',
  /** The user gave no answer. */
  'unanswered',
  /** The time for the login ended. */
  'late',
  /** The user or the program ended the login. */
  'cancelled',
  /** A failure of this machine or of the configuration, which denies. */
  'error',
] as const;
export type Result = (typeof RESULTS)[number];

export interface LoginRecord {
  readonly result: Result;
  /** Why, in the words of the log; may be empty. */
  readonly reason: string;
  /** The account that logs in, and the user that Duo was asked about. */
  readonly user: string;
  readonly duoUser: string;
  readonly program: string;
  readonly service: string;
  readonly rhost?: string | undefined;
  readonly tty?: string | undefined;
  /** See duo/progress.ts. */
  readonly factor?: string | undefined;
  readonly device?: string | undefined;
  readonly txid?: string | undefined;
  readonly failmode?: 'safe' | 'secure' | undefined;
  readonly engine: 'private' | 'resident';
  /** Milliseconds of the last attempt, by stage. */
  readonly milliseconds?: Readonly<Partial<Record<LoginStage, number>>> | undefined;
}

/** The record as fields for journald, each with its newline. */
export function journalFields({ milliseconds = {}, user, duoUser, ...record }: LoginRecord): string {
  const fields = { ...record, account: user, user: duoUser };
  const times = Object.entries(milliseconds).map(([stage, ms]) => [`${stage}_ms`, ms] as const);
  return [...Object.entries(fields), ...times]
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `DUO_${name.toUpperCase()}=${cleanText(String(value)).replaceAll('\n', ' ')}\n`)
    .join('');
}

/** The record as one line of JSON: `{"duo_login":{…}}`. */
export function auditLine(record: LoginRecord): string {
  return cleanText(JSON.stringify({ duo_login: record }));
}
