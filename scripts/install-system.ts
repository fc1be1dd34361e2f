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
  globSync,
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
import { basename, dirname, join, relative, resolve } from 'node:path';
import { run } from './build.ts';
import { checkPrograms } from './check-programs.ts';
import { installLibrary, libraryBuilt, libraryFiles, tellLoader } from './install-library.ts';

/** Whom the resident engine runs as, and whom private ones do. */
const SYSTEM_USERS = ['duo', 'duo-private'];

const destdir = process.env['DESTDIR'] ?? '';
const prefix = process.env['PREFIX'] ?? '/usr';
const engine = join(prefix, 'libexec/duo-ts/duo-ts');
const addon = join(prefix, 'libexec/duo-ts/unix.node');
const command = join(prefix, 'bin/duo-ts');
const module = join(process.env['SECURITYDIR'] ?? securityDirectory(), 'pam_duo_ts.so');
const examples = join(prefix, 'share/doc/pam-duo-ts/pam.d');
const launcher = join(prefix, 'sbin/login_duo');
const pages = readdirSync('man').map((name) => ({
  from: join('man', name),
  to: join(prefix, 'share/man', `man${name.slice(-1)}`, name),
}));
const configs = ['/etc/duo/pam_duo.conf', '/etc/duo/login_duo.conf', '/etc/duo/resident.conf'];
const units = join(prefix, 'lib/systemd/system');
const library = {
  prefix,
  libdir: process.env['LIBDIR'] ?? libraryDirectory(),
  docdir: dirname(examples),
};

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

function libraryDirectory(): string {
  return prefix === '/usr' ? dirname(securityDirectory()) : join(prefix, 'lib');
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Copies in one step: a login that starts now finds the old file or the new one. */
function place(from: string, to: string, mode: number): void {
  const path = destdir + to;
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  copyFileSync(from, `${path}.new`);
  chmodSync(`${path}.new`, mode);
  renameSync(`${path}.new`, path);
  say(`installed ${path}`);
}

function isSetuid(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  return status !== undefined && status.uid === 0 && (status.mode & 0o4000) !== 0;
}

/** In one step too: a program that starts now finds its library. */
function link(to: string, target: string): void {
  const path = destdir + to;
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  rmSync(`${path}.new`, { force: true });
  symlinkSync(target, `${path}.new`);
  renameSync(`${path}.new`, path);
  say(`installed ${path}`);
}

/** The Debian package that the file belongs to; undefined: none, or this is no Debian. */
function packageOf(path: string): string | undefined {
  if (destdir !== '') return undefined;
  const { status, stdout } = spawnSync('dpkg-query', ['--search', path], { encoding: 'utf8' });
  return status === 0 ? stdout.split(':')[0] : undefined;
}

function installLauncher(setuid: boolean, replace: boolean): void {
  const owner = packageOf(launcher);
  if (owner !== undefined && !replace) {
    say(
      `kept ${launcher}, which belongs to the package ${owner}: logins that it guards would be judged by ` +
        '/etc/duo/login_duo.conf instead. Fill that in, then say --replace.',
    );
    return;
  }
  // Taken away by an upgrade, it would refuse everybody whose login it guards.
  const mode = setuid || isSetuid(destdir + launcher) ? 0o4755 : 0o755;
  place('build/install/Release/login_duo', launcher, mode);
  if (mode !== 0o755) say(`${destdir}${launcher} is setuid root`);
}

function install(setuid: boolean, replace: boolean): void {
  if (!existsSync('build/duo-ts')) throw new Error('nothing has been built: run `npm run build` first');
  // The same sources as in build/Release, with the installed engine's path compiled in.
  const options = [`-DDUO_TS_ENGINE=${engine}`, '-DCMAKE_BUILD_TYPE=Release'];
  run('cmake', ['-S', '.', '-B', 'build/install', '-G', generator(), ...options]);
  run('cmake', ['--build', 'build/install']);
  // Whoever makes a package tells its dependencies: this machine is not where it will run.
  if (destdir === '') checkBuilt();
  // Executed by everybody and read by nobody: so the kernel lets no process of the same user look into an engine.
  place('build/duo-ts', engine, 0o711);
  place('build/Release/unix.node', addon, 0o644);
  place('build/install/Release/pam_duo_ts.so', module, 0o644);
  installLauncher(setuid, replace);
  installLibrary(library, { place, link });
  if (destdir === '') tellLoader();
  for (const { from, to } of pages) place(from, to, 0o644);
  link(command, relative(dirname(command), engine));
  for (const name of readdirSync('pam.d')) place(join('pam.d', name), join(examples, name), 0o644);
  for (const path of globSync('docs/*.md')) place(path, join(dirname(examples), basename(path)), 0o644);
  installUnits();
  for (const config of configs) {
    if (existsSync(destdir + config)) say(`kept ${destdir}${config}`);
    else place(join('scripts', basename(config)), config, 0o600);
  }
  if (destdir === '') SYSTEM_USERS.forEach(addUser);
  say(
    `\nNext: fill in ${configs[0]}, then add \`auth required pam_duo_ts.so\` to a file of /etc/pam.d (see ${examples}).`,
  );
}

/** What the first build was made with: the other one may not be there. */
function generator(): string {
  const cache = ['build/install/CMakeCache.txt', 'build/CMakeCache.txt'].find((path) => existsSync(path));
  const text = cache === undefined ? '' : readFileSync(cache, 'utf8');
  return /^CMAKE_GENERATOR:INTERNAL=(.*)$/m.exec(text)?.[1] ?? 'Unix Makefiles';
}

/** An engine that can't be loaded would deny every login. @throws Error */
function checkBuilt(): void {
  checkPrograms(
    [
      { path: resolve('build/duo-ts'), start: ['--version', /^\d+\.\d+/] },
      { path: resolve('build/install/Release/login_duo'), start: ['-v', /^login_duo \d+\.\d+/] },
    ],
    ['build/Release/unix.node', 'build/install/Release/pam_duo_ts.so', libraryBuilt].map((path) =>
      resolve(path),
    ),
  );
}

/** The resident engine's units. Nothing is enabled: whoever wants it says so. */
function installUnits(): void {
  mkdirSync('build/install/systemd', { recursive: true });
  for (const name of readdirSync('systemd')) {
    const text = readFileSync(join('systemd', name), 'utf8').replaceAll('/usr/libexec/duo-ts/duo-ts', engine);
    writeFileSync(join('build/install/systemd', name), text);
    place(join('build/install/systemd', name), join(units, name), 0o644);
  }
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

/** A stack that names a module which is not there lets nobody in. */
function stacksInUse(): string[] {
  const directory = `${destdir}/etc/pam.d`;
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .map((name) => join(directory, name))
    .filter((path) => /^[^#\n]*pam_duo_ts\.so/m.test(readFileSync(path, 'utf8')));
}

/** sshd's own files that name login_duo; an authorized_keys that does is not looked for. */
function sshdFilesInUse(): string[] {
  const main = `${destdir}/etc/ssh/sshd_config`;
  const directory = `${main}.d`;
  const more = existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
  return [main, ...more].filter(
    (path) => existsSync(path) && /^[^#\n]*\blogin_duo\b/m.test(readFileSync(path, 'utf8')),
  );
}

function uninstall(force: boolean): void {
  for (const [inUse, what] of [
    [stacksInUse(), 'pam_duo_ts.so'],
    [sshdFilesInUse(), 'login_duo'],
  ] as const) {
    if (inUse.length > 0 && !force) {
      throw new Error(
        `${inUse.join(', ')}: ${what} is still in use there. Without it nobody gets in. ` +
          'Take the lines out first (or say --force).',
      );
    }
  }
  const unitFiles = readdirSync('systemd').map((name) => join(units, name));
  const files = [...libraryFiles(library), ...pages.map(({ to }) => to), ...unitFiles];
  const owner = packageOf(launcher);
  if (owner !== undefined) say(`kept ${launcher}: the package ${owner} says it is its own`);
  const ours = owner === undefined ? [launcher] : [];
  for (const path of [module, ...ours, ...files, command, engine, addon]) {
    rmSync(destdir + path, { force: true });
    say(`removed ${destdir}${path}`);
  }
  rmSync(destdir + dirname(examples), { recursive: true, force: true });
  for (const directory of [dirname(engine), join(prefix, 'include/duo_ts')]) {
    try {
      rmdirSync(destdir + directory);
    } catch {
      // Somebody has put something else there.
    }
  }
  for (const name of destdir === '' ? SYSTEM_USERS.filter(hasUser) : []) {
    run('userdel', [name]);
    say(`removed the system user ${name}`);
  }
  for (const config of configs) say(`kept ${destdir}${config}`);
}

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
