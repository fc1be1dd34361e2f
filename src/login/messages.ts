/** The messages of the bridge, typed. frame.ts has their bytes, PROTOCOL.md describes them. */

import type { DuoCode } from '../duo/codes.ts';
import type { Secret } from '../lib/secret.ts';

export { DuoCode } from '../duo/codes.ts';

/** syslog priorities that the engine uses. */
export const Priority = { error: 3, warning: 4, info: 6, debug: 7 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];

/** Where a log line goes: the system log, or standard error without changes. */
export const Channel = { log: 0, stderr: 1 } as const;
export type Channel = (typeof Channel)[keyof typeof Channel];

/** The outcome of a login; C maps it to a PAM code. Zero is not an outcome. */
export const Outcome = {
  pass: 1,
  maxTries: 2,
  denied: 3,
  aborted: 4,
  userUnknown: 6,
  serviceError: 7,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** A passwd entry. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gecos: string;
}

/** The names of a user's groups, or why they could not be read. */
export type Groups = { readonly names: readonly string[] } | { readonly error: string };

/** A configuration file, as C read it. */
export interface ConfigText {
  /** Where it came from, for messages. */
  readonly path: string;
  readonly text: string;
}

/** The Duo application of a libduo program, instead of a configuration. */
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

/** The login uid, and the audit session, of a process outside any login session. */
export const NO_LOGIN_UID = 0xffff_ffff;

/** The facts of one login. */
export interface Facts {
  readonly program: 'pam' | 'login_duo' | 'libduo';
  readonly service: string;
  /** PAM_USER, unchanged. */
  readonly user: string;
  readonly rhost?: string;
  readonly tty?: string;
  /** PAM_RUSER: the user who requests the login, if the PAM application says so. */
  readonly ruser?: string;
  /** PAM_SILENT was set. */
  readonly silent: boolean;
  /** The PAM application has no conversation function. */
  readonly noConversation: boolean;
  readonly callerUid: number;
  /** The kernel's login uid of the PAM application; NO_LOGIN_UID when none is set; absent when unknown. */
  readonly loginUid?: number;
  /** The kernel's audit session of the PAM application; NO_LOGIN_UID when there is none; absent when unknown. */
  readonly session?: number;
  /** sshd's SSH_AUTH_INFO_0: a line for each method that has succeeded in this connection. */
  readonly authInfo?: string;
  /** This PAM transaction has passed Duo before. */
  readonly passedBefore?: true;
  /** The passwd entry of `user`; absent when there is none. */
  readonly account?: Account;
  /** Why the passwd entry of `user` could not be read. */
  readonly accountError?: string;
  /** The passwd entry of `callerUid`; absent when there is none. */
  readonly caller?: Account;
  /** Why the passwd entry of `callerUid` could not be read. */
  readonly callerError?: string;
  /** SUDO_COMMAND of a PAM application's environment, or the command of login_duo or libduo. */
  readonly command?: string;
  /** The Duo user name, if the caller may choose it. */
  readonly duoUser?: string;
  /** A factor or passcode given in advance (DUO_PASSCODE). */
  readonly envFactor?: Secret;
  /** pam and login_duo send a configuration, libduo an application. */
  readonly config?: ConfigText;
  readonly application?: Application;
  readonly hostName: string;
  /** Milliseconds until the verdict is due. */
  readonly deadline: number;
}

/** The end of a login. Verdicts are data: a denial is never thrown. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly code: DuoCode;
  /** The reason, for duo_geterr; may be empty. Holds no secret. */
  readonly error: string;
  /** Whether to show the message of the day. */
  readonly motd?: boolean;
  /** The file of a break-glass code that this login uses up. Without its removal there is no login. */
  readonly codeFile?: string;
}

/** How the engine talks to the user: conv_prompt and conv_status of duo(3). */
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

/** C cancelled the login: it closed the connection, sent CANCEL, or sent an invalid frame. No verdict is needed. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
}

/** The login's time has ended. A verdict is still needed. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/**
 * Writes one log line.
 * @param fields for journald: lines `NAME=VALUE`, each with its newline
 */
export type Log = (priority: Priority, text: string, channel?: Channel, fields?: string) => void;

/** What a login can use: groups, conversation, log, cancellation. */
export interface LoginContext {
  /** Looks up the groups of a user of the facts. Called once, before the conversation begins and Duo is asked. */
  readonly groupsOf: (user: 'account' | 'caller') => Promise<Groups>;
  /** The same, for a login that needs no groups. */
  readonly noGroups: () => void;
  readonly conversation: Conversation;
  readonly log: Log;
  /** Aborted with CancelledError or DeadlineError. */
  readonly signal: AbortSignal;
}

/** One login, from its facts to its verdict. */
export type Login = (facts: Facts, context: LoginContext) => Promise<Verdict>;
