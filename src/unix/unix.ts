/** Types of native/addon: Unix functions that Node lacks. For tools, tests and the resident engine. */
import { createRequire } from 'node:module';

/** A message of PAM's conversation. */
export interface PamMessage {
  readonly style: PamStyle;
  readonly text: string;
}

export const PamStyle = { promptEchoOff: 1, promptEchoOn: 2, error: 3, info: 4 } as const;
export type PamStyle = (typeof PamStyle)[keyof typeof PamStyle];

/** The PAM return codes that this project uses. */
export const PamCode = {
  PAM_SUCCESS: 0,
  PAM_SERVICE_ERR: 3,
  PAM_SYSTEM_ERR: 4,
  PAM_AUTH_ERR: 7,
  PAM_USER_UNKNOWN: 10,
  PAM_MAXTRIES: 11,
  PAM_CONV_ERR: 19,
  PAM_IGNORE: 25,
  PAM_ABORT: 26,
} as const;

export interface PamLogin {
  readonly service: string;
  readonly user: string;
  /** Directory of PAM stacks, instead of /etc/pam.d. */
  readonly confdir: string;
  readonly rhost?: string;
  readonly tty?: string;
  /** PAM_SILENT. */
  readonly silent?: boolean;
  /** The PAM application has no conversation function. */
  readonly mute?: boolean;
}

export interface PamResult {
  readonly code: number;
  /** What pam_strerror(3) says of it. */
  readonly message: string;
}

/** Answers the messages: one string each (ignored for information), or null to fail the conversation. */
export type PamConversation = (messages: readonly PamMessage[]) => Promise<readonly string[] | null>;

/** A passwd entry, with the names of all groups. */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
  readonly groups: readonly string[];
}

export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** A passwd entry with its groups, as in the facts of a login. */
export interface UserAccount {
  readonly name: string;
  readonly uid: number;
  readonly gecos: string;
  readonly groups: readonly string[];
  /** Why the groups could not be read; absent when they were. */
  readonly groupsError?: string;
}

export interface Unix {
  /** pam_start_confdir, pam_authenticate and pam_end, on a thread of its own. */
  authenticate(login: PamLogin, conversation: PamConversation): Promise<PamResult>;
  userByName(name: string): User | undefined;
  userById(uid: number): User | undefined;
  /** The passwd entry of a uid with its groups, looked up on a separate thread, because a name service can be slow. */
  accountById(uid: number): Promise<UserAccount | undefined>;
  groupByName(name: string): Group | undefined;
  canonicalHostName(): string;
  /** SO_PEERCRED of a connected Unix socket. @throws Error with the system's words */
  peerCredentials(fd: number): PeerCredentials;
  /** For this process: no core files, no tracing by the same user, no new privileges. Irreversible. */
  hardenProcess(): void;
  /** Releases memory that the start of this process used: unused program pages and free heap. */
  releaseMemory(): void;
  /** Sends one datagram to the Unix socket of sd_notify(3) at `path` (`@name`: an abstract one). @throws Error */
  notify(path: string, state: string): void;
}

/** Loads the addon. @throws Error when it has not been built */
export function loadUnix(): Unix {
  const addon: Unix = createRequire(import.meta.url)('../../build/Release/unix.node');
  return addon;
}
