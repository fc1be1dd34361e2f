/** Checks that programs and libraries can be loaded on this machine before they are installed. */
import { spawnSync } from 'node:child_process';

/**
 * Packages with libraries that the engine needs and a machine without a compiler may lack: Debian's name,
 * Fedora's name.
 */
const PACKAGES: Readonly<Record<string, readonly [string, string]>> = {
  'libatomic.so.1': ['libatomic1', 'libatomic'],
  'libgcc_s.so.1': ['libgcc-s1', 'libgcc'],
  'libpam.so.0': ['libpam0g', 'pam-libs'],
  'libstdc++.so.6': ['libstdc++6', 'libstdc++'],
};

const LOADERS: Readonly<Record<string, string>> = {
  x64: '/lib64/ld-linux-x86-64.so.2',
  arm64: '/lib/ld-linux-aarch64.so.1',
};

export interface Program {
  readonly path: string;
  /** An argument with which it exits at once, and the beginning of its output. */
  readonly start: readonly [argument: string, output: RegExp];
}

/** The environment is empty, as in a login, so that it cannot affect the loader. */
function run(program: string, ...args: string[]) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', env: {} });
  return { status, output: error === undefined ? `${stdout}${stderr}` : error.message };
}

/** The libraries of a program or library that the loader does not find. */
function missingLibraries(path: string): string[] {
  const { output } = run(
    LOADERS[process.arch] ?? 'ldd',
    ...(LOADERS[process.arch] ? ['--list', path] : [path]),
  );
  const listed = [...output.matchAll(/^\s*(\S+) => not found$/gm)];
  const refused = /error while loading shared libraries: (\S+): cannot open/.exec(output);
  return [...listed, ...(refused === null ? [] : [refused])].map(([, name = '']) => name);
}

function packageOf(library: string): string {
  const known = PACKAGES[library];
  return known === undefined ? '' : ` (Debian and Ubuntu: ${known[0]}; Fedora and RHEL: ${known[1]})`;
}

/**
 * Finds the libraries of each file and starts each program.
 * @throws Error naming the files that cannot be loaded, the missing libraries and their packages
 */
export function checkPrograms(programs: readonly Program[], libraries: readonly string[]): void {
  const paths = [...programs.map(({ path }) => path), ...libraries];
  const missing = new Map<string, string[]>();
  for (const path of paths) {
    for (const library of missingLibraries(path)) {
      missing.set(library, [...(missing.get(library) ?? []), path]);
    }
  }
  const problems = [...missing].map(
    ([library, users]) =>
      `${library}${packageOf(library)}, which ${users.join(' and ')} needs, is not installed`,
  );
  if (problems.length === 0) {
    for (const { path, start } of programs) {
      const [argument, expected] = start;
      const { output } = run(path, argument);
      if (!expected.test(output))
        problems.push(`${path} does not start: ${output.trim() || 'it prints nothing'}`);
    }
  }
  if (problems.length > 0) throw new Error(`nothing was installed: ${problems.join('; ')}`);
}
