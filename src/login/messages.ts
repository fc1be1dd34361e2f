/**
 * What crosses the bridge, as typed messages. The bytes are in frame.ts, the document is PROTOCOL.md.
 */

import type { DuoCode } from '../duo/codes.ts';
import type { Secret } from '../lib/secret.ts';

export { DuoCode } from '../duo/codes.ts';

/** syslog priorities that the engine uses. */
export const Priority = { error: 3, warning: 4, info: 6, debug: 7 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];

/** Where a log line goes: the system's log, or standard error as it is. */
export const Channel = { log: 0, stderr: 1 } as const;
export type Channel = (typeof Channel)[keyof typeof Channel];

/** The verdict's outcome; the host maps it to a PAM code. Zero is no outcome. */
export const Outcome = {
  pass: 1,
  maxTries: 2,
  denied: 3,
  aborted: 4,
  userUnknown: 6,
  serviceError: 7,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** Where a verdict was reached. */
export type Stage = 'config' | 'policy' | 'ping' | 'preauth' | 'prompt' | 'auth' | 'auth_status' | 'engine';

/** A passwd entry with its groups, as the host's name service gave it. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gecos: string;
  readonly groups: readonly string[];
  /** Why the groups could not be read; absent when they were. */
  readonly groupsError?: string;
}

/** A configuration file, as the host read it. */
export interface ConfigText {
  /** Where it came from, for messages. */
  readonly path: string;
  readonly text: string;
}

/** The Duo application that a caller of libduo names itself, where others bring a configuration. */
export interface Application {
  readonly ikey: string;
  readonly skey: Secret;
  /** `HOST` or `HOST:PORT`. */
  readonly host: string;
  /** PEM texts of the authorities that replace Duo's own. */
  readonly authorities?: string;
  /** False: no certificate is verified. */
  readonly verify: boolean;
  readonly httpProxy?: Secret;
  /** Seconds to wait for a reply; 0: no limit but the login's deadline. */
  readonly httpsTimeout: number;
  /** DUO_FLAG_AUTO */
  readonly auto: boolean;
  /** DUO_FLAG_SYNC */
  readonly sync: boolean;
}

/** The login uid of a process that no login has begun. */
export const NO_LOGIN_UID = 0xffff_ffff;

/** What the host knows of one login. */
export interface Facts {
  readonly program: 'pam' | 'login_duo' | 'libduo';
  readonly service: string;
  /** PAM_USER, as the host gave it. */
  readonly user: string;
  readonly rhost?: string;
  readonly tty?: string;
  /** PAM_RUSER: who asks for the login, where the host says so. */
  readonly ruser?: string;
  /** PAM_SILENT was set. */
  readonly silent: boolean;
  /** The host has no conversation function. */
  readonly noConversation: boolean;
  readonly callerUid: number;
  /** The kernel's login uid of the host process, NO_LOGIN_UID when none is set; absent when it can't be known. */
  readonly loginUid?: number;
  /** The passwd entry of `user`; absent when there is none. */
  readonly account?: Account;
  /** The passwd entry of `callerUid`; absent when there is none. */
  readonly caller?: Account;
  readonly command?: string;
  /** The name under which Duo is asked, where the host lets its caller choose it. */
  readonly duoUser?: string;
  /** A factor or passcode given beforehand (DUO_PASSCODE). */
  readonly envFactor?: Secret;
  /** pam and login_duo bring a configuration, libduo an application. */
  readonly config?: ConfigText;
  readonly application?: Application;
  readonly hostName: string;
  /** Milliseconds in which the verdict must be given. */
  readonly deadline: number;
}

/** The end of a login. Verdicts are data: a denial is never thrown. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly code: DuoCode;
  readonly stage: Stage;
  /** Why, for duo_geterr; empty where there is nothing to say. Holds no secret. */
  readonly error: string;
  /** The configuration wants the message of the day shown. */
  readonly motd?: boolean;
}

/** How the engine talks to the person who logs in: conv_prompt and conv_status of duo(3). */
export interface Conversation {
  /** Shows `text` and resolves to the answer. Rejects with ConversationError when there is none. */
  prompt(text: string): Promise<string>;
  /** Shows one status line. */
  status(text: string): void;
}

/** The conversation failed, or the host has none. */
export class ConversationError extends Error {
  override readonly name = 'ConversationError';
}

/** The host took the login back: it hung up, sent CANCEL, or spoke nonsense. Nobody waits for a verdict. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
}

/** The login's time is over. A verdict is still due. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/** Writes one log line. */
export type Log = (priority: Priority, text: string, channel?: Channel) => void;

/** What one login may use of its host. */
export interface Host {
  readonly conversation: Conversation;
  readonly log: Log;
  /** Aborted with CancelledError or DeadlineError. */
  readonly signal: AbortSignal;
}

/** One login, from its facts to its verdict. */
export type Login = (facts: Facts, host: Host) => Promise<Verdict>;
