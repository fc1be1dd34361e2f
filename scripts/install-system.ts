/**
 * Puts the built files where a host expects them, or takes them away:
 * `node scripts/install-system.ts install [--setuid] [--replace] | uninstall [--force]`.
 *
 * login_duo is installed without privileges: only `--setuid` makes it setuid root, which guarding other people's logins
 * (ForceCommand) takes. One that is setuid root already stays so. A login_duo that the system's package manager put there
 * is left alone unless `--replace` is given: it guards logins with a configuration of its own.
 *
 * DESTDIR stands before every path (packaging); PREFIX is /usr; SECURITYDIR is where libpam looks for modules, LIBDIR
 * where the linker looks for libraries. With DESTDIR no system users are made.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { run } from './build.ts';
import { checkPrograms } from './check-programs.ts';
import {
  type Built,
  enginePath,
  type Layout,
  libraryIn,
  type SystemFile,
  systemFiles,
} from './system-files.ts';

/** The user of the resident engine, and that of private ones. */
const SYSTEM_USERS = ['duo', 'duo-private'];

const destdir = process.env['DESTDIR'] ?? '';
const prefix = process.env['PREFIX'] ?? '/usr';
const securitydir = process.env['SECURITYDIR'] ?? securityDirectory();
const layout: Layout = {
  prefix,
  libdir: process.env['LIBDIR'] ?? (prefix === '/usr' ? dirname(securitydir) : join(prefix, 'lib')),
  securitydir,
  loginDuo: 'login_duo',
  libraryPage: 'duo.3',
};
const built: Built = {
  engine: 'build/duo-ts',
  native: 'build/install/Release',
  addon: 'build/Release/unix.node',
};
const files = systemFiles(layout, built);
const launcher = join(prefix, 'sbin', layout.loginDuo);
const configs = ['/etc/duo/pam_duo.conf', '/etc/duo/login_duo.conf', '/etc/duo/resident.conf'];

/** Where pam_unix.so is, there the others are. */
function securityDirectory(): string {
  const libraries = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/security`);
  const found = [
    ...libraries,
    '/usr/lib/security',
    '/usr/lib64/security',
    '/lib/security',
    '/lib64/security',
  ].find((directory) => existsSync(join(directory, 'pam_unix.so')));
  if (found === undefined)
    throw new Error('libpam has no pam_unix.so where it is looked for: set SECURITYDIR');
  return found;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Installs each file in one step: a starting login finds the old or the new one. */
function place(file: SystemFile): void {
  const path = destdir + file.to;
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  rmSync(`${path}.new`, { force: true });
  if ('target' in file) {
    symlinkSync(file.target, `${path}.new`);
  } else {
    if ('from' in file) copyFileSync(file.from, `${path}.new`);
    else writeFileSync(`${path}.new`, file.text);
    chmodSync(`${path}.new`, file.mode);
  }
  renameSync(`${path}.new`, path);
  say(`installed ${path}`);
}

function isSetuid(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  return status !== undefined && status.uid === 0 && (status.mode & 0o4000) !== 0;
}

/** The Debian package that owns the file; undefined: none, or this is not Debian. */
function packageOf(path: string): string | undefined {
  if (destdir !== '') return undefined;
  const { status, stdout } = spawnSync('dpkg-query', ['--search', path], { encoding: 'utf8' });
  return status === 0 ? stdout.split(':')[0] : undefined;
}

function installLauncher(file: SystemFile, setuid: boolean, replace: boolean): void {
  const owner = packageOf(launcher);
  if (owner !== undefined && !replace) {
    say(
      `kept ${launcher}, which belongs to the package ${owner}: logins that it guards would be judged by ` +
        '/etc/duo/login_duo.conf instead. Fill that in, then say --replace.',
    );
    return;
  }
  // Without setuid after an upgrade, it would deny every login that it guards.
  const mode = setuid || isSetuid(destdir + launcher) ? 0o4755 : 0o755;
  place({ ...file, mode });
  if (mode !== 0o755) say(`${destdir}${launcher} is setuid root`);
}

function install(setuid: boolean, replace: boolean): void {
  if (!existsSync('build/duo-ts')) throw new Error('nothing has been built: run `npm run build` first');
  // The same sources as in build/Release, compiled with the path of the installed engine.
  const options = [`-DDUO_TS_ENGINE=${enginePath(layout)}`, '-DCMAKE_BUILD_TYPE=Release'];
  run('cmake', ['-S', '.', '-B', 'build/install', '-G', generator(), ...options]);
  run('cmake', ['--build', 'build/install']);
  // The dependencies are those of a package, which is not installed on this machine.
  if (destdir === '') checkBuilt();
  for (const file of files) {
    if (file.to === launcher) installLauncher(file, setuid, replace);
    else place(file);
  }
  // ldconfig updates the loader's cache of libraries.
  if (destdir === '') spawnSync('ldconfig');
  for (const config of configs) {
    if (existsSync(destdir + config)) say(`kept ${destdir}${config}`);
    else place({ part: 'pam', from: join('packaging/config', basename(config)), to: config, mode: 0o600 });
  }
  if (destdir === '') SYSTEM_USERS.forEach(addUser);
  say(
    `\nNext: fill in ${configs[0]}, then add \`auth required pam_duo_ts.so\` to a file of /etc/pam.d (see ${prefix}/share/doc/pam-duo-ts/pam.d).`,
  );
}

/** Uses the generator of the first build, since the other one may not be installed. */
function generator(): string {
  const cache = ['build/install/CMakeCache.txt', 'build/CMakeCache.txt'].find((path) => existsSync(path));
  const text = cache === undefined ? '' : readFileSync(cache, 'utf8');
  return /^CMAKE_GENERATOR:INTERNAL=(.*)$/m.exec(text)?.[1] ?? 'Unix Makefiles';
}

/** Checks the engine first, since one that cannot be loaded denies every login. @throws Error */
function checkBuilt(): void {
  checkPrograms(
    [
      { path: resolve('build/duo-ts'), start: ['--version', /^\d+\.\d+/] },
      { path: resolve('build/install/Release/login_duo'), start: ['-v', /^login_duo \d+\.\d+/] },
    ],
    [
      built.addon,
      join(built.native, 'pam_duo_ts.so'),
      join(built.native, 'duo_ts_approval.so'),
      libraryIn(built),
    ].map((path) => resolve(path)),
  );
}

function hasUser(name: string): boolean {
  return spawnSync('getent', ['passwd', name]).status === 0;
}

function addUser(name: string): void {
  if (hasUser(name)) {
    say(`kept the system user ${name}`);
    return;
  }
  const options = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent'];
  run('useradd', [...options, '--shell', '/usr/sbin/nologin', '--comment', 'Duo engine', name]);
  say(`made the system user ${name}`);
}

/** Stacks that name the module. Without the module such a stack denies every login. */
function stacksInUse(): string[] {
  const directory = `${destdir}/etc/pam.d`;
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .map((name) => join(directory, name))
    .filter((path) => /^[^#\n]*pam_duo_ts\.so/m.test(readFileSync(path, 'utf8')));
}

/** The files of sshd's configuration that name login_duo. Files authorized_keys are not searched. */
function sshdFilesInUse(): string[] {
  const main = `${destdir}/etc/ssh/sshd_config`;
  const directory = `${main}.d`;
  const more = existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
  return [main, ...more].filter(
    (path) => existsSync(path) && /^[^#\n]*\blogin_duo\b/m.test(readFileSync(path, 'utf8')),
  );
}

/** Without the plugin that it names, sudo refuses everything. */
function sudoFilesInUse(): string[] {
  const path = `${destdir}/etc/sudo.conf`;
  return existsSync(path) && /^[^#\n]*\bduo_ts_approval\b/m.test(readFileSync(path, 'utf8')) ? [path] : [];
}

function uninstall(force: boolean): void {
  for (const [inUse, what] of [
    [stacksInUse(), 'pam_duo_ts.so'],
    [sshdFilesInUse(), 'login_duo'],
    [sudoFilesInUse(), 'duo_ts_approval'],
  ] as const) {
    if (inUse.length > 0 && !force) {
      throw new Error(
        `${inUse.join(', ')}: ${what} is still in use there. Without it nobody gets in. ` +
          'Take the lines out first (or say --force).',
      );
    }
  }
  const owner = packageOf(launcher);
  if (owner !== undefined) say(`kept ${launcher}: it belongs to the package ${owner}`);
  for (const { to } of files) {
    if (to === launcher && owner !== undefined) continue;
    rmSync(destdir + to, { force: true });
    say(`removed ${destdir}${to}`);
  }
  for (const directory of ['libexec/duo-ts', 'include/duo_ts', ...DOCUMENTS]) {
    try {
      rmdirSync(destdir + join(prefix, directory));
    } catch {
      // The directory contains other files.
    }
  }
  for (const name of destdir === '' ? SYSTEM_USERS.filter(hasUser) : []) {
    run('userdel', [name]);
    say(`removed the system user ${name}`);
  }
  for (const config of configs) say(`kept ${destdir}${config}`);
}

/** The directories of documents, innermost first. */
const DOCUMENTS = ['pam.d', 'examples', ''].map((name) => join('share/doc/pam-duo-ts', name));

const USAGE = 'usage: node scripts/install-system.ts install [--setuid] [--replace] | uninstall [--force]';

const [what, ...options] = process.argv.slice(2);
const given = (option: string) => options.includes(option);
const onlyOf = (known: readonly string[]) => options.every((option) => known.includes(option));
try {
  if (what === 'install' && onlyOf(['--setuid', '--replace'])) install(given('--setuid'), given('--replace'));
  else if (what === 'uninstall' && onlyOf(['--force'])) uninstall(given('--force'));
  else throw new Error(USAGE);
} catch (error) {
  process.stderr.write(`install-system: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
