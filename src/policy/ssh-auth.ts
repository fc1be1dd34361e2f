/** What sshd says about a connection: the methods that have succeeded, from SSH_AUTH_INFO_0. */
import { createHash } from 'node:crypto';
import type { Facts } from '../login/messages.ts';

/** A key with which the user has authenticated in this connection. */
export interface SshKey {
  /** For example `sk-ssh-ed25519@openssh.com`. */
  readonly type: string;
  /** As ssh-keygen shows it: `SHA256:` and base64. */
  readonly fingerprint: string;
}

export interface SshAuth {
  readonly keys: readonly SshKey[];
  readonly password: boolean;
}

const NOTHING: SshAuth = { keys: [], password: false };

/**
 * Reads lines `publickey TYPE BASE64` and `password`. Only sshd, as root and before there is a terminal, is believed:
 * another program's PAM environment may be its caller's.
 */
export function sshAuth({
  authInfo = '',
  callerUid,
  tty,
}: Pick<Facts, 'authInfo' | 'callerUid' | 'tty'>): SshAuth {
  if (callerUid !== 0 || tty !== 'ssh') return NOTHING;
  const lines = authInfo.split('\n').map((line) => line.trim().split(' '));
  return {
    keys: lines.flatMap(([method, type, blob]) =>
      method === 'publickey' && type !== undefined && blob !== undefined
        ? [{ type, fingerprint: fingerprint(blob) }]
        : [],
    ),
    password: lines.some(([method]) => method === 'password'),
  };
}

function fingerprint(blob: string): string {
  const hash = createHash('sha256').update(Buffer.from(blob, 'base64')).digest('base64');
  return `SHA256:${hash.replace(/=+$/, '')}`;
}
