/** libduo_ts as its users meet it: symbols, header, manual page, an installed copy. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { DuoCode } from '../../src/login/messages.ts';
import { compile, runWithout } from '../lib/compile.ts';

const LIBRARY = 'build/Release/libduo_ts.so';
const FUNCTIONS = [
  'duo_close',
  'duo_geterr',
  'duo_login',
  'duo_open',
  'duo_set_ca',
  'duo_set_conv_funcs',
  'duo_set_host',
  'duo_set_http_proxy',
  'duo_set_ssl_verify',
  'duo_set_timeout',
];

const directory = mkdtempSync(join(tmpdir(), 'libduo-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

/** A program's output. @throws Error when it fails */
function output(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
  return stdout;
}

function withoutComments(c: string): string {
  return c.replace(/\/\*.*?\*\//gs, '');
}

test('it exports the functions of duo.h under one version, and nothing else', (t) => {
  const names = output('nm', ['-D', '--defined-only', LIBRARY])
    .trim()
    .split('\n')
    .map((line) => line.split(' ').at(-1));
  t.deepEqual(names, ['DUO_TS_1.0', ...FUNCTIONS.map((name) => `${name}@@DUO_TS_1.0`)]);
  const versioned = [...output('objdump', ['-T', LIBRARY]).matchAll(/\.text\s.*\sDUO_TS_1\.0\s+(\w+)$/gm)];
  t.deepEqual(versioned.map(([, name]) => name).sort(), FUNCTIONS);
});

test('it is hardened, has a soname, and needs only libc', (t) => {
  const dynamic = output('readelf', ['-dW', '-lW', LIBRARY]);
  t.deepEqual(
    [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name),
    ['libc.so.6'],
  );
  t.regex(dynamic, /\(SONAME\).*\[libduo_ts\.so\.1\]/);
  t.regex(dynamic, /BIND_NOW|NOW/);
  t.regex(dynamic, /GNU_RELRO/);
  t.regex(dynamic, /GNU_STACK.*RW /);
  t.is(readlinkSync(LIBRARY), 'libduo_ts.so.1');
});

test('duo.h compiles alone, as old C and old C++', (t) => {
  const source = join(directory, 'header.c');
  writeFileSync(source, '#include "duo.h"\n#include "duo.h"\nint main(void) { return DUO_OK; }\n');
  const warnings = ['-Wall', '-Wextra', '-Werror', '-pedantic-errors', '-Inative/libduo', '-fsyntax-only'];
  for (const [compiler, ...args] of [
    ['cc', '-std=c99'],
    ['cc', '-std=c17'],
    ['c++', '-std=c++98', '-x', 'c++'],
    ['c++', '-std=c++20', '-x', 'c++'],
  ] as const) {
    t.notThrows(() => compile(compiler, ...args, ...warnings, source), `${compiler} ${args.join(' ')}`);
  }
});

test('the codes equal those of duo(3), here and in the engine', (t) => {
  const codes = [
    ...withoutComments(readFileSync('native/libduo/duo.h', 'utf8')).matchAll(/(DUO_\w+) = (\d)/g),
  ];
  t.deepEqual(
    codes.map(([, name, number]) => [name, Number(number)]),
    [
      ['DUO_OK', DuoCode.ok],
      ['DUO_FAIL', DuoCode.fail],
      ['DUO_ABORT', DuoCode.abort],
      ['DUO_LIB_ERROR', DuoCode.libError],
      ['DUO_CONN_ERROR', DuoCode.connError],
      ['DUO_CLIENT_ERROR', DuoCode.clientError],
      ['DUO_SERVER_ERROR', DuoCode.serverError],
    ],
  );
});

test('duo.h and duo(3) have the same functions, parameters, flags and codes', (t) => {
  const header = withoutComments(readFileSync('native/libduo/duo.h', 'utf8'));
  const page = readFileSync('man/duo.3', 'utf8');
  const sorted = (found: Iterable<RegExpMatchArray>) =>
    [...new Set([...found].map(([, name]) => name))].sort();
  const declared = sorted(header.matchAll(/\b(duo_(?!t\b|code_t\b)\w+)\(/g));
  t.deepEqual(declared, FUNCTIONS);
  t.deepEqual(sorted(page.matchAll(/^\.Fo (\w+)$/gm)), declared);
  t.deepEqual(sorted(page.matchAll(/^\.Nm (\w+)/gm)), declared);
  const constants = sorted(header.matchAll(/\b(DUO_(?!H\b)\w+)\b/g));
  t.deepEqual(sorted(page.matchAll(/\b(DUO_\w+)/g)), constants);
  t.deepEqual(sorted(page.matchAll(/^\.It Dv (DUO_\w+)/gm)), constants);
  const numbers = (text: string, pattern: RegExp) =>
    [...text.matchAll(pattern)].map(([, n, v]) => `${n} ${v}`);
  t.deepEqual(numbers(page, /^\.It Dv (DUO_\w+) Pq (\d)$/gm), numbers(header, /(DUO_\w+) = (\d)/g));
  // Each prototype of the page, put together, is one of the header's.
  const spaceless = (text: string) => text.replace(/\s+/g, '');
  const prototypes = [...page.matchAll(/^\.Ft ([^\n]*)\n\.Fo (\w+)\n(.*?)^\.Fc$/gms)];
  t.is(prototypes.length, FUNCTIONS.length);
  for (const [, type, name, body] of prototypes) {
    const parameters = [...(body ?? '').matchAll(/^\.Fa "(.*)"$/gm)].map(([, text]) => text);
    const prototype = spaceless(`${(type ?? '').replaceAll('"', '')}${name}(${parameters.join(',')});`);
    t.true(spaceless(header).includes(prototype), prototype);
  }
});

test('pkg-config finds an installed copy, which names a missing engine', async (t) => {
  const destination = join(directory, 'destination');
  const prefix = '/opt/libduo-test';
  output('flock', ['build/install.lock', process.execPath, 'scripts/install-system.ts', 'install'], {
    DESTDIR: destination,
    PREFIX: prefix,
  });
  const libraries = join(destination, prefix, 'lib');
  const installed = () =>
    readdirSync(libraries)
      .filter((name) => name.startsWith('libduo'))
      .sort();
  t.deepEqual(installed(), ['libduo_ts.so', 'libduo_ts.so.1', 'libduo_ts.so.1.0.0']);
  t.true(readdirSync(join(destination, prefix, 'share/man/man3')).includes('duo.3'));
  const flags = output('pkg-config', ['--cflags', '--libs', 'duo_ts'], {
    PKG_CONFIG_PATH: join(libraries, 'pkgconfig'),
    PKG_CONFIG_SYSROOT_DIR: destination,
  });
  const application = join(directory, 'application');
  writeFileSync(application, 'localhost:1 ikey skey\n');
  for (const [compiler, ...language] of [['cc'], ['c++', '-x', 'c++']] as const) {
    const program = join(directory, compiler);
    const source = [...language, 'examples/login.c', ...(compiler === 'cc' ? [] : ['-x', 'none'])];
    compile(compiler, '-Wall', '-Wextra', '-Werror', '-o', program, ...source, ...flags.trim().split(/\s+/));
    const { status, stderr } = await runWithout({ input: '' }, 'env', [
      `LD_LIBRARY_PATH=${libraries}`,
      program,
      application,
      'alice',
    ]);
    t.is(status, DuoCode.libError, compiler);
    t.is(
      stderr,
      `No entry: the engine can't be started: directory ${prefix}/libexec/duo-ts: No such file or directory\n`,
    );
  }
  output('flock', ['build/install.lock', process.execPath, 'scripts/install-system.ts', 'uninstall'], {
    DESTDIR: destination,
    PREFIX: prefix,
  });
  t.deepEqual(installed(), []);
  t.deepEqual(readdirSync(join(libraries, 'pkgconfig')), []);
});
