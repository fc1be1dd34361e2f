/** duo(3) on a system: what programs run with, and what they are compiled with. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RELEASE } from '../src/lib/release.ts';

const LIBRARY = 'libduo_ts.so.1.0.0';
/** The library as it was built. */
export const libraryBuilt = join('build/install/Release', LIBRARY);
/** What programs are linked with, and what they then look for. */
const LINKS = ['libduo_ts.so', 'libduo_ts.so.1'];
const PKG_CONFIG = 'pkgconfig/duo_ts.pc';

export interface Places {
  readonly prefix: string;
  /** Where the linker looks for libraries. */
  readonly libdir: string;
  /** Where documents and examples are. */
  readonly docdir: string;
}

/** In a directory of its own: Duo's library has a duo.h too. pkg-config knows the way. */
function header(prefix: string): string {
  return join(prefix, 'include/duo_ts/duo.h');
}

/** Every file and link of the library's, without DESTDIR. */
export function libraryFiles({ prefix, libdir, docdir }: Places): string[] {
  const files = [...LINKS, LIBRARY, PKG_CONFIG].map((name) => join(libdir, name));
  return [...files, header(prefix), join(docdir, 'examples/login.c')];
}

export interface Installer {
  readonly place: (from: string, to: string, mode: number) => void;
  readonly link: (path: string, target: string) => void;
}

/** Installs what was built in build/install. */
export function installLibrary({ prefix, libdir, docdir }: Places, { place, link }: Installer): void {
  place(libraryBuilt, join(libdir, LIBRARY), 0o644);
  for (const name of LINKS) link(join(libdir, name), LIBRARY);
  place('native/libduo/duo.h', header(prefix), 0o644);
  const values: Readonly<Record<string, string>> = { PREFIX: prefix, LIBDIR: libdir, VERSION: RELEASE };
  const text = readFileSync('native/libduo/duo_ts.pc.in', 'utf8');
  writeFileSync(
    'build/install/duo_ts.pc',
    text.replace(/@(\w+)@/g, (_, name: string) => values[name] ?? ''),
  );
  place('build/install/duo_ts.pc', join(libdir, PKG_CONFIG), 0o644);
  place('examples/login.c', join(docdir, 'examples/login.c'), 0o644);
}

/** Where the loader keeps a list of its libraries, it is made anew. */
export function tellLoader(): void {
  spawnSync('ldconfig');
}
