/** Types of native/addon: Unix functions that Node lacks. For the resident engine, tools and tests. */
import { createRequire } from 'node:module';

/** A passwd entry. */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly gecos: string;
}

/** The names of a user's groups, or why they could not be read. */
export type UserGroups = { readonly names: readonly string[] } | { readonly error: string };

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Unix {
  /** @throws Error when the name service fails */
  userByName(name: string): User | undefined;
  /** On a separate thread, because a name service can be slow. Rejects when it fails. */
  userById(uid: number): Promise<User | undefined>;
  /** On a separate thread. */
  groupsOf(uid: number): Promise<UserGroups>;
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
