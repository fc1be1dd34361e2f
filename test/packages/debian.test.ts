/** The Debian packages in real systems: install, log in, update, remove, reinstall and purge. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test from 'ava';
import { makeRepository } from '../../scripts/repository.ts';
import { built } from './built.ts';
import { CHOOSE, PASSWORD, Tree } from './tree.ts';

const PACKAGES = ['pam-duo-ts', 'login-duo-ts', 'libduo-ts1', 'libduo-ts-dev'];
const base = mkdtempSync(join(tmpdir(), 'packages-'));
const NOW = join(base, 'now');
const BEFORE = join(base, 'before');

/** A repository of the packages as they are, and one of the same packages with a lower version. */
test.before(() => {
  process.env['GNUPGHOME'] = mkdtempSync(join(tmpdir(), 'gpg-'));
  const key = 'release@pam-duo-ts.invalid';
  execFileSync('gpg', ['--batch', '--quiet', '--passphrase', '', '--quick-generate-key', key], {
    stdio: 'inherit',
  });
  for (const directory of [NOW, BEFORE]) mkdirSync(directory);
  for (const path of built(/\.deb$/)) {
    copyFileSync(path, join(NOW, basename(path)));
    const content = join(base, 'content');
    execFileSync('dpkg-deb', ['-R', path, content]);
    const control = join(content, 'DEBIAN/control');
    const version = execFileSync('dpkg-deb', ['-f', path, 'Version'], { encoding: 'utf8' }).trim();
    writeFileSync(control, readFileSync(control, 'utf8').replaceAll(version, `${version}~before`));
    execFileSync('dpkg-deb', ['-Znone', '-b', content, join(BEFORE, basename(path))], { stdio: 'ignore' });
    rmSync(content, { recursive: true });
  }
  for (const directory of [NOW, BEFORE]) makeRepository(directory, key);
});

test.after.always(() => rmSync(base, { recursive: true, force: true }));

for (const suite of ['bookworm', 'trixie']) {
  test(`${suite}: install, log in, update, remove, reinstall and purge`, async (t) => {
    const tree = await Tree.make(suite);
    t.teardown(() => tree.close());
    const install = (...names: string[]) =>
      tree.run('apt-get', 'install', '--yes', '--no-install-recommends', ...names);
    await tree.login(t, 'root', false);
    const stacks = ['sshd', 'sudo', 'common-auth'].map((name) => tree.read(`/etc/pam.d/${name}`));
    const files = tree.files();

    tree.addRepository(BEFORE);
    install(...PACKAGES);
    t.is(tree.mode('/etc/duo/pam_duo.conf'), '600 0:0');
    t.is(tree.mode('/usr/sbin/login_duo_ts'), '4755 0:0');
    t.deepEqual(
      ['sshd', 'sudo', 'common-auth'].map((name) => tree.read(`/etc/pam.d/${name}`)),
      stacks,
      'the installation changes no stack',
    );
    t.true(tree.has('/usr/sbin/login_duo') && tree.has('/usr/share/pam-configs/duo-unix'));
    await tree.login(t, 'root', false);
    t.not(tree.attempt('duo-ts', 'pam', 'enable', 'sshd').status, 0, 'the configuration is still empty');

    tree.configure();
    tree.configure('/etc/duo/login_duo.conf');
    const shell = tree.as('alice', '/usr/sbin/login_duo_ts echo inside');
    await shell.shows(CHOOSE);
    shell.type('1\n');
    t.regex((await shell.ended()).output, /inside/);
    for (const service of ['sshd', 'sudo']) tree.run('duo-ts', 'pam', 'enable', service);
    await tree.login(t, 'alice', true);
    await tree.login(t, 'root', true);
    await tree.sudo(t, true);

    const waiting = tree.ssh('alice', 'echo welcome $((1+1))');
    await waiting.shows(/assword: /);
    waiting.type(`${PASSWORD}\n`);
    await waiting.shows(CHOOSE);
    tree.addRepository(NOW);
    tree.run('apt-get', 'upgrade', '--yes');
    t.notRegex(tree.run('dpkg-query', '--show', ...PACKAGES), /before/);
    waiting.type('1\n');
    t.regex((await waiting.ended()).output, /welcome 2/);
    await tree.login(t, 'alice', true);
    await tree.login(t, 'root', true);

    const by_hand = tree.read('/etc/pam.d/su');
    tree.append('/etc/pam.d/su', 'auth required pam_duo_ts.so\n');
    const refused = tree.attempt('apt-get', 'remove', '--yes', 'pam-duo-ts');
    t.not(refused.status, 0);
    t.regex(refused.output, /still in use[\s\S]*\/etc\/pam\.d\/su:\d+:auth required pam_duo_ts\.so/);
    tree.write('/etc/pam.d/su', by_hand);
    tree.write('/etc/sudo.conf', 'Plugin duo_ts_approval duo_ts_approval.so\n');
    t.regex(
      tree.attempt('apt-get', 'remove', '--yes', 'pam-duo-ts').output,
      /\/etc\/sudo\.conf names duo_ts_approval[\s\S]*Remove that line first/,
    );
    tree.run('rm', '/etc/sudo.conf');
    tree.run('apt-get', 'remove', '--yes', 'pam-duo-ts', 'libduo-ts1');
    t.false(tree.has('/usr/libexec/duo-ts'));
    t.regex(tree.read('/etc/duo/pam_duo.conf'), /skey = ./);
    await tree.login(t, 'alice', false);
    await tree.login(t, 'root', false);

    install(...PACKAGES);
    t.regex(tree.read('/etc/duo/pam_duo.conf'), /skey = ./);
    tree.run('duo-ts', 'pam', 'enable', 'sshd');
    await tree.login(t, 'alice', true);
    await tree.login(t, 'root', true);

    tree.run('rm', '/etc/duo/ca.pem');
    tree.run('apt-get', 'purge', '--yes', ...PACKAGES);
    await tree.login(t, 'root', false);
    t.deepEqual(
      ['sshd', 'sudo', 'common-auth'].map((name) => tree.read(`/etc/pam.d/${name}`)),
      stacks,
    );
    t.deepEqual(
      tree.files().filter((path) => !files.includes(path)),
      [],
      'leftovers',
    );
  });
}

test('the profile of pam-auth-update puts Duo behind the password everywhere, and goes with the package', async (t) => {
  const tree = await Tree.make('bookworm');
  t.teardown(() => tree.close());
  const before = tree.read('/etc/pam.d/common-auth');
  tree.install(built(/_amd64\.deb$/));
  tree.configure();
  tree.run('pam-auth-update', '--enable', 'duo-ts');
  await tree.login(t, 'alice', true);
  await tree.sudo(t, true);
  const wrong = tree.ssh('alice', 'id');
  for (let tries = 0; tries < 3; tries += 1) {
    await wrong.shows(/assword: /);
    wrong.type('wrong\n');
  }
  t.notRegex((await wrong.ended()).output, CHOOSE, 'a wrong password rings no phone');
  t.is(tree.run('duo-ts', 'pam', 'status').match(/: asks Duo through a file that it includes/g)?.length, 6);
  tree.run('apt-get', 'remove', '--yes', 'pam-duo-ts', 'libduo-ts1');
  t.is(tree.read('/etc/pam.d/common-auth'), before);
  await tree.login(t, 'alice', false);
});

// qemu-user cannot make a child without an exit signal, as the module's keeper is, so no private engine starts here.
test('arm64 under qemu-user: install, and log in with a resident engine', async (t) => {
  const tree = await Tree.make('bookworm', 'arm64');
  t.teardown(() => tree.close());
  tree.addRepository(NOW);
  tree.run('apt-get', 'install', '--yes', '--no-install-recommends', ...PACKAGES);
  t.regex(tree.run('duo-ts', '--version'), /^\d+\.\d+\.\d+\n$/);
  tree.configure();
  for (const service of ['sshd', 'sudo']) tree.run('duo-ts', 'pam', 'enable', service);
  const engine = await tree.startResident();
  await tree.login(t, 'alice', true);
  await tree.sudo(t, true);
  engine.kill();
  tree.run('apt-get', 'purge', '--yes', ...PACKAGES);
  await tree.login(t, 'root', false);
});
