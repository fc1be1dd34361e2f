/** The files that this project puts on a system, for the installation from a checkout and for packages. */
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { RELEASE } from '../src/lib/release.ts';

/** Absolute paths on the system. */
export interface Layout {
  readonly prefix: string;
  /** Where the linker looks for libraries. */
  readonly libdir: string;
  /** Where libpam looks for modules. */
  readonly securitydir: string;
  /** The name of login_duo, and of its page. */
  readonly loginDuo: string;
  /** The name of the page of duo(3). */
  readonly libraryPage: string;
}

/** Where the build put things. */
export interface Built {
  readonly engine: string;
  /** The directory of everything native, made with the installed engine's path. */
  readonly native: string;
  readonly addon: string;
}

/** The packages: the module with its engine, login_duo, duo(3), and what programs with duo(3) are compiled with. */
export type Part = 'pam' | 'login' | 'library' | 'development';

export type SystemFile = { readonly part: Part; readonly to: string } & (
  | { readonly from: string; readonly mode: number }
  | { readonly text: string; readonly mode: number }
  /** A symbolic link. */
  | { readonly target: string }
);

const LIBRARY = 'libduo_ts.so.1.0.0';
const PAGES: Readonly<Record<string, Part>> = { 'login_duo.8': 'login', 'duo.3': 'development' };

/** The library as it was built. */
export function libraryIn({ native }: Built): string {
  return join(native, LIBRARY);
}

export function enginePath({ prefix }: Layout): string {
  return join(prefix, 'libexec/duo-ts/duo-ts');
}

export function systemFiles(layout: Layout, built: Built): SystemFile[] {
  const { prefix, libdir, securitydir, loginDuo } = layout;
  const engine = enginePath(layout);
  const documents = join(prefix, 'share/doc/pam-duo-ts');
  return [
    // Executable for everyone and readable for nobody: then the kernel lets no process of the same user read an
    // engine's memory.
    { part: 'pam', to: engine, from: built.engine, mode: 0o711 },
    { part: 'pam', to: join(prefix, 'libexec/duo-ts/unix.node'), from: built.addon, mode: 0o644 },
    {
      part: 'pam',
      to: join(prefix, 'libexec/duo-ts/pam_client.node'),
      from: join(dirname(built.addon), 'pam_client.node'),
      mode: 0o644,
    },
    { part: 'pam', to: join(prefix, 'bin/duo-ts'), target: relative(join(prefix, 'bin'), engine) },
    {
      part: 'pam',
      to: join(securitydir, 'pam_duo_ts.so'),
      from: join(built.native, 'pam_duo_ts.so'),
      mode: 0o644,
    },
    {
      part: 'pam',
      to: join(prefix, 'libexec/sudo/duo_ts_approval.so'),
      from: join(built.native, 'duo_ts_approval.so'),
      mode: 0o644,
    },
    ...readdirSync('pam.d').map((name) => copy('pam', `pam.d/${name}`, join(documents, 'pam.d', name))),
    ...globSync('docs/*.md').map((path) => copy('pam', path, join(documents, basename(path)))),
    ...readdirSync('systemd').map((name) => ({
      part: 'pam' as const,
      to: join(prefix, 'lib/systemd/system', name),
      text: readFileSync(join('systemd', name), 'utf8').replaceAll('/usr/libexec/duo-ts/duo-ts', engine),
      mode: 0o644,
    })),
    ...readdirSync('man').map((name) => page(layout, name)),
    {
      part: 'login',
      to: join(prefix, 'sbin', loginDuo),
      from: join(built.native, 'login_duo'),
      mode: 0o755,
    },
    { part: 'library', to: join(libdir, LIBRARY), from: libraryIn(built), mode: 0o644 },
    { part: 'library', to: join(libdir, 'libduo_ts.so.1'), target: LIBRARY },
    { part: 'development', to: join(libdir, 'libduo_ts.so'), target: LIBRARY },
    { part: 'development', to: join(libdir, 'pkgconfig/duo_ts.pc'), text: pkgConfig(layout), mode: 0o644 },
    // In a directory of its own, since Duo's library also has a duo.h. pkg-config knows the path.
    copy('development', 'native/libduo/duo.h', join(prefix, 'include/duo_ts/duo.h')),
    copy('development', 'examples/login.c', join(documents, 'examples/login.c')),
  ];
}

function copy(part: Part, from: string, to: string): SystemFile {
  return { part, from, to, mode: 0o644 };
}

function page({ prefix, loginDuo, libraryPage }: Layout, name: string): SystemFile {
  const section = name.slice(-1);
  const names: Readonly<Record<string, string>> = { 'login_duo.8': `${loginDuo}.8`, 'duo.3': libraryPage };
  return copy(
    PAGES[name] ?? 'pam',
    join('man', name),
    join(prefix, `share/man/man${section}`, names[name] ?? name),
  );
}

function pkgConfig({ prefix, libdir }: Layout): string {
  const values: Readonly<Record<string, string>> = { PREFIX: prefix, LIBDIR: libdir, VERSION: RELEASE };
  return readFileSync('native/libduo/duo_ts.pc.in', 'utf8').replace(
    /@(\w+)@/g,
    (_, name: string) => values[name] ?? '',
  );
}
