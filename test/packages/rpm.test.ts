/** The RPM packages: what they contain and need, and their life in a system, as far as it needs no Fedora. */
import { execFileSync, spawnSync } from 'node:child_process';
import test from 'ava';
import { built } from './built.ts';
import { Tree } from './tree.ts';

const MODULE = '/usr/lib64/security/pam_duo_ts.so';

function rpm(...args: string[]): string {
  return execFileSync('rpm', args, { encoding: 'utf8' });
}

function contentsOf(name: string): Set<string> {
  const [path = ''] = built(new RegExp(`^${name}-\\d.*\\.x86_64\\.rpm$`));
  return new Set(rpm('--query', '--package', '--list', path).trim().split('\n'));
}

test('each package has its files', (t) => {
  const files = contentsOf('pam-duo-ts');
  for (const path of [
    MODULE,
    '/usr/bin/duo-ts',
    '/usr/libexec/duo-ts/duo-ts',
    '/usr/libexec/duo-ts/unix.node',
    '/usr/lib/systemd/system/duo-ts.socket',
    '/usr/lib/sysusers.d/pam-duo-ts.conf',
    '/usr/share/doc/pam-duo-ts/sbom.cdx.json',
    '/usr/share/man/man8/pam_duo_ts.8.gz',
  ])
    t.true(files.has(path), path);
  t.true(contentsOf('login-duo-ts').has('/usr/sbin/login_duo_ts'));
  t.true(contentsOf('libduo-ts').has('/usr/lib64/libduo_ts.so.1'));
  t.true(contentsOf('libduo-ts-devel').has('/usr/include/duo_ts/duo.h'));
});

test('the package needs the libraries of its programs', (t) => {
  const [path = ''] = built(/^pam-duo-ts-.*\.x86_64\.rpm$/);
  const needed = rpm('--query', '--package', '--requires', path);
  for (const name of ['libpam.so.0()(64bit)', 'libatomic.so.1()(64bit)', 'libstdc++.so.6()(64bit)'])
    t.true(needed.includes(`${name}\n`), name);
});

test('install, log in, update, and remove', async (t) => {
  const tree = await Tree.make('bookworm');
  t.teardown(() => tree.close());
  // The tree is a Debian: its dependencies are not in RPM's database.
  const attempt = (...args: string[]) =>
    spawnSync('rpm', ['--root', tree.root, '--nodeps', ...args], { encoding: 'utf8' });
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = attempt(...args);
    t.is(status, 0, stdout + stderr);
  };
  const files = tree.files();
  const packages = built(/\.x86_64\.rpm$/);
  run('--install', ...packages);
  t.is(tree.mode('/etc/duo/pam_duo.conf'), '600 0:0');
  t.is(tree.mode('/usr/libexec/duo-ts/duo-ts'), '711 0:0');
  t.is(tree.mode('/usr/sbin/login_duo_ts'), '4755 0:0');
  t.regex(tree.run('getent', 'passwd', 'duo', 'duo-private'), /^duo:.*\nduo-private:/);
  run('--verify', 'pam-duo-ts', 'login-duo-ts', 'libduo-ts', 'libduo-ts-devel');

  tree.configure();
  const stack = tree.read('/etc/pam.d/sshd');
  tree.write(
    '/etc/pam.d/sshd',
    stack.replace('@include common-auth\n', `@include common-auth\nauth required ${MODULE}\n`),
  );
  await tree.login(t, 'alice', true);

  run('--upgrade', '--replacepkgs', ...packages);
  t.regex(tree.read('/etc/duo/pam_duo.conf'), /skey = ./);
  await tree.login(t, 'alice', true);

  const refused = attempt('--erase', 'pam-duo-ts');
  t.not(refused.status, 0);
  t.regex(
    refused.stdout + refused.stderr,
    /still in use[\s\S]*\/etc\/pam\.d\/sshd:\d+:auth required \/usr\/lib64/,
  );
  await tree.login(t, 'alice', true);
  tree.write('/etc/pam.d/sshd', stack);
  run('--erase', 'libduo-ts-devel', 'libduo-ts', 'login-duo-ts', 'pam-duo-ts');
  await tree.login(t, 'root', false);
  t.regex(tree.read('/etc/duo/pam_duo.conf'), /skey = ./);
  /** Of the file system on RPM's distributions. */
  const system = [
    '/usr/lib/sysusers.d',
    '/usr/lib64/pkgconfig',
    '/usr/lib64/security',
    '/usr/share/fish',
    '/usr/share/fish/vendor_completions.d',
    '/usr/share/zsh',
    '/usr/share/zsh/site-functions',
  ];
  t.deepEqual(
    tree.files().filter((path) => !files.includes(path) && !system.includes(path)),
    [
      '/etc/duo',
      '/etc/duo/ca.pem',
      '/etc/duo/login_duo.conf',
      '/etc/duo/pam_duo.conf',
      '/etc/duo/resident.conf',
    ],
  );
});
