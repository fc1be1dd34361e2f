/**
 * What each folder of src may import, types included. Data flows one way, and a login loads only what it
 * needs.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';
import { build } from 'esbuild';

interface Rule {
  /** Folders or single files of src that a folder may import beside itself. */
  readonly imports: readonly string[];
  readonly packages: readonly string[];
}

const HOUSE: Readonly<Record<string, Rule>> = {
  lib: { imports: [], packages: [] },
  bridge: { imports: ['lib', 'login/messages.ts', 'duo/codes.ts'], packages: [] },
  duo: { imports: ['lib'], packages: ['axios', 'dns-packet', 'valibot'] },
  config: { imports: ['lib', 'login/messages.ts', 'duo/host.ts'], packages: [] },
  policy: { imports: ['lib', 'login/messages.ts', 'config', 'duo'], packages: [] },
  login: { imports: ['lib', 'config', 'duo', 'policy'], packages: [] },
  resident: {
    imports: [
      'lib',
      'bridge/heartbeat.ts',
      'bridge/link.ts',
      'login/messages.ts',
      'login/record.ts',
      'config/ini.ts',
      'policy/sentence.ts',
    ],
    packages: ['p-limit', 'valibot'],
  },
  library: { imports: ['lib', 'duo', 'login/run-login.ts'], packages: [] },
  // The simulator tests the client of duo, so it shares no code with it.
  simulator: {
    imports: ['lib'],
    packages: ['@hono/node-server', '@peculiar/x509', 'hono', 'reflect-metadata', 'valibot'],
  },
  unix: { imports: [], packages: [] },
  pam: { imports: [], packages: [] },
  check: {
    imports: ['lib', 'bridge/frame.ts', 'config', 'duo', 'login/open-duo.ts', 'pam', 'policy/groups.ts'],
    packages: [],
  },
  cli: {
    imports: ['lib', 'bridge', 'check', 'config', 'duo', 'login', 'pam', 'resident', 'simulator', 'unix'],
    packages: ['commander', 'diff', 'valibot'],
  },
};

interface Import {
  readonly from: string;
  /** The specifier as written. */
  readonly what: string;
  /** Erased before the program runs. */
  readonly type: boolean;
  /** Loaded only when the program reaches it. */
  readonly late: boolean;
}

function importsOf(from: string): Import[] {
  const text = readFileSync(join('src', from), 'utf8');
  const plain = text.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\bfrom\s+)?'([^']+)'/gm);
  const late = text.matchAll(/\b(?:import|createRequire\(import\.meta\.url\))\(\s*'([^']+)'/g);
  return [
    ...[...plain].map(([, type, what = '']) => ({ from, what, type: type !== undefined, late: false })),
    ...[...late].map(([, what = '']) => ({ from, what, type: false, late: true })),
  ];
}

const files = globSync('src/**/*.ts').map((path) => path.slice('src/'.length));
const imports = files.flatMap(importsOf);
const folderOf = (path: string) => path.split('/')[0] ?? '';
const isLocal = ({ what }: Import) => what.startsWith('.');
/** The file that a local import names, from src. */
const target = ({ from, what }: Import) => normalize(join(from, '..', what));
/** `hono/csrf` and `@hono/node-server/x` are parts of packages. */
const packageOf = (what: string) => what.split('/', what.startsWith('@') ? 2 : 1).join('/');

test('every folder is listed in the architecture', (t) => {
  t.deepEqual([...new Set(files.map(folderOf))].sort(), Object.keys(HOUSE).sort());
});

test('a folder imports only folders below it', (t) => {
  const wrong = imports
    .filter(isLocal)
    .filter((each) => !target(each).startsWith('..'))
    .filter((each) => {
      const allowed = [folderOf(each.from), ...(HOUSE[folderOf(each.from)]?.imports ?? [])];
      return !allowed.includes(folderOf(target(each))) && !allowed.includes(target(each));
    });
  t.deepEqual(
    wrong.map(({ from, what }) => `${from} imports ${what}`),
    [],
  );
});

/**
 * The path of the user name from the PAM application to the signed request: each file gets it from the one
 * before. Each line names a file and the text in it that holds the name.
 */
const WAY_OF_THE_USER_NAME: readonly (readonly [file: string, name: RegExp])[] = [
  ['native/pam/pam_duo_ts.c', /pam_get_user\(/],
  ['native/bridge/facts.c', /TAG_USER, facts->user\b/],
  ['src/bridge/facts.ts', /user: frame\.text\('user'\)/],
  ['src/login/configured.ts', /whoAuthenticates\(/],
  ['src/policy/identity.ts', /duoUser/],
  ['src/duo/login.ts', /username/],
  ['src/duo/client.ts', /username/],
  ['src/duo/signature.ts', /canonical/i],
];

test('the user name passes each folder once, and only forward', (t) => {
  for (const [file, name] of WAY_OF_THE_USER_NAME) t.regex(readFileSync(file, 'utf8'), name, file);
  const order = [...new Set(WAY_OF_THE_USER_NAME.map(([file]) => dirname(file)))];
  t.deepEqual(order, ['native/pam', 'native/bridge', 'src/bridge', 'src/login', 'src/policy', 'src/duo']);
  // The messages of a login: types and constants without imports.
  const messages = 'login/messages.ts';
  const place = (path: string) => order.indexOf(`src/${folderOf(path)}`);
  const backward = imports.filter(
    (each) =>
      isLocal(each) &&
      place(each.from) >= 0 &&
      place(target(each)) >= 0 &&
      place(target(each)) < place(each.from) &&
      target(each) !== messages,
  );
  t.deepEqual(backward, []);
});

test('policy and configuration open no sockets and import no transport', (t) => {
  const wrong = imports.filter(
    ({ from, what }) =>
      ['policy', 'config'].includes(folderOf(from)) &&
      /^node:(?:dgram|dns|http|https|tls|child_process)|bridge\/|\/udp\.ts|\/connect\.ts/.test(what),
  );
  t.deepEqual(wrong, []);
});

test('src imports nothing from outside but its version and the addon', (t) => {
  const outside = imports.filter(isLocal).filter((each) => target(each).startsWith('..'));
  t.deepEqual(outside.map((each) => `${each.from}: ${target(each)}`).sort(), [
    'lib/release.ts: ../package.json',
    'unix/built-pam-client.ts: ../build/Release/pam_client.node',
    'unix/unix.ts: ../build/Release/unix.node',
  ]);
});

test('packages are imported only where they belong', (t) => {
  const wrong = imports
    .filter((each) => !isLocal(each) && !each.what.startsWith('node:'))
    .filter(({ from, what }) => !HOUSE[folderOf(from)]?.packages.includes(packageOf(what)));
  t.deepEqual(
    wrong.map(({ from, what }) => `${from} imports ${what}`),
    [],
  );
});

test('no import cycle', (t) => {
  const below = new Map(
    files.map((file) => [
      file,
      imports.filter((each) => each.from === file && isLocal(each) && !each.type && !each.late).map(target),
    ]),
  );
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) t.fail(`${[...path, file].join(' → ')}`);
    else if (!done.has(file)) {
      for (const next of below.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    }
  };
  for (const file of files) visit(file, []);
  t.true(done.size >= files.length);
});

/** What a program loads before its first line runs, according to the bundler of scripts/bundle.ts. */
async function loads(entry: string) {
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
  const reached = new Set<string>();
  const external = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const { path: next, kind, external: out } of metafile.inputs[path]?.imports ?? []) {
      if (kind !== 'import-statement') continue;
      if (out) external.add(next);
      else visit(next);
    }
  };
  visit(entry);
  const builtin = [...external].filter((name) => name.startsWith('node:'));
  return {
    folders: new Set([...reached].map((path) => /^src\/([^/]+)\//.exec(path)?.[1] ?? path)),
    packages: [...external].filter((name) => !name.startsWith('node:')).sort(),
    builtin,
  };
}

test('a login loads neither simulator nor tools, and only the packages axios and valibot', async (t) => {
  const { folders, packages } = await loads('src/cli/engine.ts');
  t.deepEqual(packages, ['axios', 'valibot']);
  t.deepEqual([...folders].sort(), [
    'bridge',
    'cli',
    'config',
    'duo',
    'lib',
    'login',
    'package.json',
    'policy',
  ]);
});

test('a login starts no process or thread and runs no foreign code', async (t) => {
  const { builtin } = await loads('src/cli/engine.ts');
  t.true(builtin.includes('node:tls'));
  const dangerous = /^node:(?:child_process|cluster|worker_threads|vm|module|inspector|repl|sqlite|wasi)\b/;
  t.deepEqual(
    builtin.filter((name) => dangerous.test(name)),
    [],
  );
});

test('the entry point loads nothing but the loader of its parts', async (t) => {
  const { folders, packages, builtin } = await loads('src/cli/main.ts');
  t.deepEqual([...folders], ['cli']);
  t.deepEqual([...packages], []);
  t.deepEqual([...builtin].toSorted(), ['node:module', 'node:sea', 'node:vm']);
});

test('these tests see each import that the bundler sees', async (t) => {
  const { metafile } = await build({
    entryPoints: files.map((file) => join('src', file)),
    bundle: true,
    write: false,
    metafile: true,
    outdir: 'nowhere',
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
  const seen = new Set(
    imports.map((each) => `src/${each.from}: ${isLocal(each) ? join('src', target(each)) : each.what}`),
  );
  const missed = Object.entries(metafile.inputs)
    .flatMap(([path, input]) => input.imports.map((each) => `${path}: ${each.path}`))
    .filter((line) => line.startsWith('src/') && !seen.has(line));
  t.deepEqual(missed, []);
  t.true(seen.size > 100);
});
