import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { sshAuth } from '../../src/policy/ssh-auth.ts';

const SSHD = { callerUid: 0, tty: 'ssh' };

test('keys have the fingerprints of ssh-keygen', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ssh-auth-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  const [type = '', blob = ''] = readFileSync(`${path}.pub`, 'utf8').split(' ');
  const fingerprint = execFileSync('ssh-keygen', ['-l', '-f', path], { encoding: 'utf8' }).split(' ')[1];
  t.deepEqual(sshAuth({ ...SSHD, authInfo: `publickey ${type} ${blob}\npassword\n` }), {
    keys: [{ type, fingerprint: fingerprint ?? '' }],
    password: true,
  });
});

const NOTHING = { keys: [], password: false };
for (const [what, facts] of [
  ['nothing', SSHD],
  ['no lines', { ...SSHD, authInfo: '' }],
  [
    'lines without a key',
    { ...SSHD, authInfo: 'publickey\npublickey ssh-ed25519\nkeyboard-interactive/pam\n' },
  ],
  ['another spelling', { ...SSHD, authInfo: 'Publickey ssh-ed25519 AAAA\nPASSWORD\n' }],
  ['the caller is a user', { ...SSHD, callerUid: 1000, authInfo: 'publickey ssh-ed25519 AAAA\n' }],
  ['the terminal is not that of sshd', { ...SSHD, tty: '/dev/pts/0', authInfo: 'password\n' }],
  ['there is no terminal', { callerUid: 0, authInfo: 'password\n' }],
] as const) {
  test(`nothing has succeeded: ${what}`, (t) => {
    t.deepEqual(sshAuth(facts), NOTHING);
  });
}
