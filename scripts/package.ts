/**
 * Builds the packages: `npm run package -- [--arch amd64|arm64] [--output DIRECTORY] [--sign KEYID]`.
 *
 * Everything is built in build/package/ARCH and staged once, in a directory for each package. The same sources give the
 * same bytes.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { RELEASE } from '../src/lib/release.ts';
import { buildEngine, run } from './build.ts';
import { completions } from './completions.ts';
import { makeRepository } from './repository.ts';
import { billOfMaterials, licences } from './sbom.ts';
import { type Built, enginePath, type Layout, type SystemFile, systemFiles } from './system-files.ts';

/** An architecture by Debian's name. */
interface Architecture {
  readonly debian: string;
  /** Its name in RPM packages. */
  readonly rpm: string;
  /** Its name for Node and npm. */
  readonly node: string;
  /** GNU's triplet, which names compilers and library directories. */
  readonly triplet: string;
  /** Runs programs of it on another machine. */
  readonly emulator: string;
}

const ARCHITECTURES: readonly Architecture[] = [
  {
    debian: 'amd64',
    rpm: 'x86_64',
    node: 'x64',
    triplet: 'x86_64-linux-gnu',
    emulator: 'qemu-x86_64-static',
  },
  {
    debian: 'arm64',
    rpm: 'aarch64',
    node: 'arm64',
    triplet: 'aarch64-linux-gnu',
    emulator: 'qemu-aarch64-static',
  },
];

function say(text: string): void {
  process.stdout.write(`package: ${text}\n`);
}

/** The time of the sources, for every file in a package. */
function sourceTime(): Date {
  const given = process.env['SOURCE_DATE_EPOCH'];
  const seconds = given ?? execFileSync('git', ['log', '-1', '--format=%ct'], { encoding: 'utf8' });
  return new Date(Number(seconds) * 1000);
}

/**
 * The directory of the Node for an architecture: the installed package, or one from the registry with the same lock.
 * @throws Error when the registry's package is not the locked one
 */
function nodeDirectory({ node }: Architecture, directory: string): string {
  const name = `node-linux-${node}`;
  if (node === process.arch) return join('node_modules', name);
  const lock: { packages: Record<string, { version: string; integrity: string }> } = JSON.parse(
    readFileSync('package-lock.json', 'utf8'),
  );
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined) throw new Error(`package-lock.json does not name ${name}`);
  say(`getting ${name} ${locked.version}`);
  const args = ['pack', `${name}@${locked.version}`, '--json', '--pack-destination', resolve(directory)];
  const [packed]: { filename: string; integrity: string }[] = JSON.parse(
    execFileSync('npm', args, { encoding: 'utf8' }),
  );
  if (packed?.integrity !== locked.integrity) throw new Error(`${name} is not the locked package`);
  const to = join(directory, 'node');
  mkdirSync(to, { recursive: true });
  run('tar', [
    '--extract',
    '--strip-components=1',
    `--directory=${to}`,
    '--file',
    join(directory, packed.filename),
  ]);
  return to;
}

function buildNative({ triplet, node }: Architecture, directory: string, engine: string): void {
  const foreign = node !== process.arch;
  const options = {
    CMAKE_BUILD_TYPE: 'Release',
    DUO_TS_ENGINE: engine,
    CMAKE_JS_INC: resolve('node_modules/node-api-headers/include'),
    CMAKE_C_FLAGS: `-ffile-prefix-map=${process.cwd()}=.`,
    CMAKE_CXX_FLAGS: `-ffile-prefix-map=${process.cwd()}=.`,
    ...(foreign
      ? {
          CMAKE_SYSTEM_NAME: 'Linux',
          CMAKE_SYSTEM_PROCESSOR: triplet.split('-')[0],
          CMAKE_C_COMPILER: `${triplet}-gcc`,
          CMAKE_CXX_COMPILER: `${triplet}-g++`,
          CMAKE_LIBRARY_ARCHITECTURE: triplet,
        }
      : {}),
  };
  run('cmake', [
    ...['-S', '.', '-B', directory, '-G', 'Ninja', '--log-level=ERROR'],
    ...Object.entries(options).map(([name, value]) => `-D${name}=${value}`),
  ]);
  run('cmake', ['--build', directory, '--', '--quiet']);
}

/** Files that only packages have. */
function packagedFiles(bom: string, licenceTexts: string, zshDirectory: string): SystemFile[] {
  const part = 'pam';
  const mode = 0o644;
  const shells = completions();
  const config = (name: string, to: string): SystemFile => ({
    part,
    mode,
    from: `packaging/config/${name}`,
    to,
  });
  return [
    config('sysusers.conf', '/usr/lib/sysusers.d/pam-duo-ts.conf'),
    config('pam_duo.conf', '/usr/share/pam-duo-ts/pam_duo.conf'),
    config('resident.conf', '/usr/share/pam-duo-ts/resident.conf'),
    { ...config('before-removal', '/usr/libexec/duo-ts/before-removal'), mode: 0o755 },
    { ...config('load-selinux', '/usr/libexec/duo-ts/load-selinux'), mode: 0o755 },
    ...readdirSync('selinux').map((name) => ({
      part: 'pam' as const,
      mode,
      from: `selinux/${name}`,
      to: `/usr/share/pam-duo-ts/selinux/${name}`,
    })),
    {
      ...config('login-duo-before-removal', '/usr/libexec/login-duo-ts/before-removal'),
      part: 'login',
      mode: 0o755,
    },
    { ...config('login_duo.conf', '/usr/share/login-duo-ts/login_duo.conf'), part: 'login' },
    { part, mode, text: shells.bash, to: '/usr/share/bash-completion/completions/duo-ts' },
    { part, mode, text: shells.zsh, to: join(zshDirectory, '_duo-ts') },
    { part, mode, text: shells.fish, to: '/usr/share/fish/vendor_completions.d/duo-ts.fish' },
    { part, mode, text: bom, to: '/usr/share/doc/pam-duo-ts/sbom.cdx.json' },
    { part, mode, text: licenceTexts, to: '/usr/share/doc/pam-duo-ts/third-party-licences' },
  ];
}

/** What Debian has tools for. */
function debianFiles(policy: string): SystemFile[] {
  const file = (from: string, to: string): SystemFile => ({ part: 'pam', mode: 0o644, from, to });
  return [
    file('packaging/config/pam-config', '/usr/share/pam-configs/duo-ts'),
    file('packaging/apparmor/duo-ts', '/etc/apparmor.d/duo-ts'),
    file(policy, '/usr/share/selinux/packages/duo_ts.pp'),
  ];
}

/** Compiles the SELinux policy module for Debian. @returns its path */
function buildPolicy(directory: string): string {
  cpSync('selinux', directory, { recursive: true });
  const makefile = '/usr/share/selinux/devel/Makefile';
  run('make', ['--silent', `--directory=${directory}`, `--file=${makefile}`, 'duo_ts.pp']);
  return join(directory, 'duo_ts.pp');
}

/** Writes the files into a directory for each part. */
function stage(directory: string, files: readonly SystemFile[]): void {
  for (const file of files) {
    const path = join(directory, file.part, file.to);
    mkdirSync(dirname(path), { recursive: true });
    if ('target' in file) {
      symlinkSync(file.target, path);
      continue;
    }
    if ('from' in file) copyFileSync(file.from, path);
    else writeFileSync(path, file.text);
    chmodSync(path, file.mode);
  }
}

function buildDebian(architecture: Architecture, directory: string, time: Date): string[] {
  const source = join(directory, 'pam-duo-ts');
  cpSync('packaging/debian', join(source, 'debian'), { recursive: true });
  const date = time.toUTCString().replace('GMT', '+0000');
  writeFileSync(
    join(source, 'debian/changelog'),
    `pam-duo-ts (${RELEASE}) unstable; urgency=medium\n\n  * Release ${RELEASE}: see CHANGELOG.md.\n\n` +
      ` -- pam_duo_ts maintainers <maintainers@pam-duo-ts.invalid>  ${date}\n`,
  );
  const options = [
    '--build=binary',
    '--no-sign',
    '--no-check-builddeps',
    `--host-arch=${architecture.debian}`,
  ];
  execFileSync('dpkg-buildpackage', options, {
    cwd: source,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      SOURCE_DATE_EPOCH: String(time.getTime() / 1000),
      // Removes variables of an outer dpkg-buildpackage.
      DEB_BUILD_OPTIONS: 'nocheck noautodbgsym parallel=2',
      LC_ALL: 'C.UTF-8',
    },
  });
  return readdirSync(directory)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(directory, name));
}

/** Builds RPM packages. Their files are those of Debian's but for the directories of libraries. */
function buildRpm(architecture: Architecture, directory: string, time: Date): string[] {
  const top = resolve(directory, 'rpm');
  const date = time.toUTCString().replace(/^(\w+), (\d+) (\w+) (\d+) .*$/, '$1 $3 $2 $4');
  const defines = {
    _topdir: top,
    staged: join(top, 'staged'),
    release: RELEASE,
    date,
    strip: `${architecture.triplet}-strip`,
    // Debian's rpm has no names of its own for these.
    _prefix: '/usr',
  };
  execFileSync(
    'rpmbuild',
    [
      '-bb',
      '--quiet',
      `--target=${architecture.rpm}`,
      ...Object.entries(defines).flatMap(([name, value]) => ['--define', `${name} ${value}`]),
      'packaging/rpm/pam-duo-ts.spec',
    ],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, SOURCE_DATE_EPOCH: String(time.getTime() / 1000), LC_ALL: 'C.UTF-8' },
    },
  );
  const made = join(top, 'RPMS', architecture.rpm);
  return readdirSync(made).map((name) => join(made, name));
}

async function buildPackages(architecture: Architecture, output: string): Promise<string[]> {
  const directory = join('build/package', architecture.debian);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const time = sourceTime();
  const libdir = `/usr/lib/${architecture.triplet}`;
  const layout: Layout = {
    prefix: '/usr',
    libdir,
    securitydir: `${libdir}/security`,
    // The packages login-duo and duo-unix already contain login_duo, login_duo.8 and duo.3.
    loginDuo: 'login_duo_ts',
    libraryPage: 'duo_ts.3',
  };
  const node = nodeDirectory(architecture, directory);
  say(`building for ${architecture.debian}`);
  const emulator = architecture.node === process.arch ? {} : { emulator: architecture.emulator };
  const packages = await buildEngine({ node: join(node, 'bin/node'), directory, ...emulator });
  buildNative(architecture, join(directory, 'native'), enginePath(layout));
  const built: Built = {
    engine: join(directory, 'duo-ts'),
    native: join(directory, 'native/Release'),
    addon: join(directory, 'native/Release/unix.node'),
  };
  const { version }: { version: string } = JSON.parse(readFileSync(join(node, 'package.json'), 'utf8'));
  const bom = billOfMaterials(packages, version, time);
  const more = (zshDirectory: string) => packagedFiles(bom, licences(packages, node), zshDirectory);
  const policy = buildPolicy(join(directory, 'selinux'));
  stage(join(directory, 'pam-duo-ts/staged'), [
    ...systemFiles(layout, built),
    ...more('/usr/share/zsh/vendor-completions'),
    ...debianFiles(policy),
  ]);
  const rpm: Layout = { ...layout, libdir: '/usr/lib64', securitydir: '/usr/lib64/security' };
  stage(join(directory, 'rpm/staged'), [
    ...systemFiles(rpm, built),
    ...more('/usr/share/zsh/site-functions'),
  ]);
  say('packaging');
  mkdirSync(output, { recursive: true });
  const made = [...buildDebian(architecture, directory, time), ...buildRpm(architecture, directory, time)];
  return made.map((path) => {
    const to = join(output, basename(path));
    copyFileSync(path, to);
    say(`made ${to}`);
    return to;
  });
}

// Directories have the same mode for each builder.
process.umask(0o022);

const { values } = parseArgs({
  options: {
    arch: { type: 'string' },
    output: { type: 'string', default: 'build/packages' },
    sign: { type: 'string' },
  },
});
const wanted = ARCHITECTURES.find(({ debian, node }) =>
  values.arch === undefined ? node === process.arch : debian === values.arch,
);
try {
  if (wanted === undefined) throw new Error(`no packages are made for ${values.arch ?? process.arch}`);
  await buildPackages(wanted, values.output);
  if (values.sign !== undefined) makeRepository(values.output, values.sign);
} catch (error) {
  process.stderr.write(`package: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
