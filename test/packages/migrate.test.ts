/** `duo-ts migrate` on a Debian with duo_unix in its stacks. */
import test from 'ava';
import { built } from './built.ts';
import { CHOOSE, PASSWORD, Tree } from './tree.ts';

const SSHD = '/etc/pam.d/sshd';
const SUDO = '/etc/pam.d/sudo';
const FORCE = '/etc/ssh/sshd_config.d/duo.conf';
const BEHIND = '@include common-auth\n';

test('from duo_unix and back: shown, rolled back, confirmed in a new login, undone', async (t) => {
  const tree = await Tree.make('bookworm');
  t.teardown(() => tree.close());
  tree.install(built(/_amd64\.deb$/));
  for (const name of ['pam_duo.conf', 'login_duo.conf']) tree.configure(`/etc/security/${name}`);
  tree.write(
    SSHD,
    tree.read(SSHD).replace(BEHIND, `${BEHIND}auth  required  pam_duo.so  # Duo, not pam_duo.so\n`),
  );
  tree.write(SUDO, tree.read(SUDO).replace(BEHIND, `${BEHIND}auth required /lib/security/pam_duo.so\n`));
  tree.write(FORCE, 'Match Group contractors\n  ForceCommand /usr/sbin/login_duo -f\n');
  const paths = [SSHD, SUDO, FORCE, '/etc/duo/pam_duo.conf', '/etc/duo/login_duo.conf'];
  const files = () => paths.map((path) => tree.read(path));
  const before = files();

  const shown = tree.run('duo-ts', 'migrate');
  t.regex(
    shown,
    /-auth {2}required {2}pam_duo\.so {2}#.*\n\+auth {2}required {2}pam_duo_ts\.so {2}# Duo, not pam_duo\.so\n/,
  );
  t.regex(shown, /\+auth required pam_duo_ts\.so\n/);
  t.regex(shown, /\+ {2}ForceCommand \/usr\/sbin\/login_duo_ts -f\n/);
  t.regex(shown, /\/etc\/duo\/pam_duo\.conf becomes a copy of \/etc\/security\/pam_duo\.conf/);
  t.false(shown.includes('skey'));
  t.deepEqual(files(), before);

  tree.run('duo-ts', 'migrate', 'apply', '--within', '1s');
  while (tree.has('/var/backups/duo-ts/migration.json')) await new Promise((next) => setTimeout(next, 100));
  t.deepEqual(files(), before, 'nobody confirmed');

  tree.run('duo-ts', 'migrate', 'apply');
  t.regex(tree.read(SSHD), /^auth {2}required {2}pam_duo_ts\.so/m);
  const same = tree.attempt('duo-ts', 'migrate', 'confirm');
  t.is(same.status, 1);
  t.regex(same.output, /log in again, and confirm there/);
  t.is(tree.attempt('duo-ts', 'migrate', 'apply').status, 1, 'one at a time');
  const login = tree.ssh('root', 'duo-ts migrate confirm');
  await login.shows(/assword: /);
  login.type(`${PASSWORD}\n`);
  await login.shows(CHOOSE);
  login.type('1\n');
  t.regex((await login.ended()).output, /Confirmed\./);

  t.regex(tree.run('duo-ts', 'migrate'), /Nothing to migrate/);
  tree.run('duo-ts', 'migrate', 'undo');
  t.deepEqual(files(), before);
  t.is(tree.attempt('duo-ts', 'migrate', 'undo').status, 1);
});

test('nothing changes when a new stack would deny everybody or has no configuration', async (t) => {
  const tree = await Tree.make('bookworm');
  t.teardown(() => tree.close());
  tree.install(built(/_amd64\.deb$/));
  tree.write(SSHD, tree.read(SSHD).replace(BEHIND, `${BEHIND}auth required pam_duo.so\n`));
  const without = tree.attempt('duo-ts', 'migrate', 'apply');
  t.is(without.status, 1);
  t.regex(
    without.output,
    /neither \/etc\/duo\/pam_duo\.conf nor \/etc\/security\/pam_duo\.conf is a configuration/,
  );
  tree.configure();
  tree.append(SUDO, 'auth required pam_duo.so\nauth required pam_deny.so\n');
  const denying = tree.attempt('duo-ts', 'migrate', 'apply');
  t.is(denying.status, 1);
  t.regex(denying.output, /\/etc\/pam\.d\/sudo would deny every login/);
  t.regex(tree.read(SSHD), /pam_duo\.so/);
  tree.write(SUDO, `auth required pam_unix.so\nauth required pam_duo.so\n`);
  tree.write('/root/.ssh/authorized_keys', 'command="/usr/sbin/login_duo",no-pty ssh-ed25519 AAAA x\n');
  const shown = tree.run('duo-ts', 'migrate');
  t.regex(shown, /\/root\/\.ssh\/authorized_keys:1 runs login_duo/);
  t.regex(shown, /\/etc\/pam\.d\/sudo asks Duo even after a wrong password/);
});
