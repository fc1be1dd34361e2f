/** The C parts, judged by their own programs: as they are, with sanitizers, and under valgrind. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import test from 'ava';

interface Way {
  readonly directory: string;
  readonly options: readonly string[];
}
const WAYS: readonly Way[] = [
  { directory: 'build/test-plain', options: [] },
  {
    directory: 'build/test-sanitized',
    options: ['-DDUO_TS_SANITIZE=address,undefined', '-DCMAKE_BUILD_TYPE=Debug'],
  },
];
const FAKE_ENGINE = resolve('build/test-plain/test/native/fake_engine');
const MODULE = resolve('build/Release/pam_duo_ts.so');
const LOGIN_DUO = resolve('build/Release/login_duo');
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  account_test: [],
  login_uid_test: [],
  code_file_test: [],
  journal_test: [],
  frame_test: ['test/fixtures/frames'],
  config_file_test: [],
  login_test: [],
  bridge_test: [FAKE_ENGINE],
  libduo_test: [FAKE_ENGINE],
  resident_test: [FAKE_ENGINE],
};

function build({ directory, options }: Way): void {
  const generator = existsSync('/usr/bin/ninja') ? ['-G', 'Ninja'] : [];
  for (const args of [
    [...generator, '-S', '.', '-B', directory, '-DDUO_TS_TESTS=ON', ...options],
    ['--build', directory],
  ]) {
    const { status, stdout, stderr } = spawnSync('cmake', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`cmake ${args.join(' ')}\n${stdout}${stderr}`);
  }
}

async function run(program: string, ...args: string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const [status, signal]: unknown[] = await once(child, 'close');
  return status === 0 ? 'good' : `${String(status ?? signal)}\n${output}`;
}

test.before(() => WAYS.forEach(build));

for (const { directory } of WAYS) {
  for (const [name, args] of Object.entries(PROGRAMS)) {
    test.serial(`${name} in ${directory}`, async (t) => {
      t.is(await run(`${directory}/test/native/${name}`, ...args), 'good');
    });
  }
}

for (const [name, args] of Object.entries(PROGRAMS)) {
  test.serial(`${name} under valgrind`, async (t) => {
    const options = [
      '--quiet',
      '--error-exitcode=9',
      '--leak-check=full',
      '--child-silent-after-fork=yes',
      '--suppressions=test/native/valgrind.supp',
    ];
    t.is(await run('valgrind', ...options, `build/test-plain/test/native/${name}`, ...args), 'good');
  });
}

test.serial("the module exports PAM's entry points and nothing else", async (t) => {
  t.is(await run('build/test-plain/test/native/exports_test', MODULE), 'good');
  const symbols = spawnSync('nm', ['-D', '--defined-only', MODULE], { encoding: 'utf8' }).stdout;
  const names = symbols
    .trim()
    .split('\n')
    .map((line) => line.split(' ').at(-1));
  t.deepEqual(names, [
    'pam_sm_acct_mgmt',
    'pam_sm_authenticate',
    'pam_sm_chauthtok',
    'pam_sm_close_session',
    'pam_sm_open_session',
    'pam_sm_setcred',
  ]);
});

test.serial('a program that loads the library sees the functions of duo.h', async (t) => {
  const library = resolve('build/Release/libduo_ts.so.1');
  t.is(await run('build/test-plain/test/native/libduo_exports_test', library), 'good');
});

test.serial('the module is hardened and needs only libpam and libc', (t) => {
  const dynamic = spawnSync('readelf', ['-dW', '-lW', MODULE], { encoding: 'utf8' }).stdout;
  t.deepEqual(
    [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name),
    ['libpam.so.0', 'libc.so.6'],
  );
  t.regex(dynamic, /BIND_NOW|NOW/);
  t.regex(dynamic, /GNU_RELRO/);
  t.regex(dynamic, /GNU_STACK.*RW /);
});

test.serial('the module starts no threads and has no thread-local destructors', (t) => {
  const symbols = spawnSync('nm', ['-D', '--undefined-only', MODULE], { encoding: 'utf8' }).stdout;
  t.regex(symbols, /\bpam_get_user\b/);
  t.notRegex(symbols, /pthread_(?!sigmask|setcancelstate)|thrd_|tss_|thread_atexit|__tls_get_addr/);
  const sections = spawnSync('readelf', ['-SW', MODULE], { encoding: 'utf8' }).stdout;
  t.notRegex(sections, /\.t(?:bss|data)\b/);
});

test.serial('login_duo is hardened and needs only libc', (t) => {
  const about = spawnSync('readelf', ['-hdWlW', LOGIN_DUO], { encoding: 'utf8' }).stdout;
  t.deepEqual(
    [...about.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name),
    ['libc.so.6'],
  );
  t.regex(about, /Type:\s+DYN /);
  t.regex(about, /Flags:.*NOW.*PIE/);
  t.regex(about, /GNU_RELRO/);
  t.regex(about, /GNU_STACK.*RW /);
  t.notRegex(about, /R(?:UN)?PATH/);
});
