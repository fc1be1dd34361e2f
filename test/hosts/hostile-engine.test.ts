/**
 * Faulty programs in place of the engine, through real libpam and with failmode safe: each login is denied
 * at once, with a log line about the fault. (test/native/bridge_test.c has those that only a deadline ends,
 * with shorter deadlines.)
 */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { PamCode, PamStyle } from '../../src/unix/pam-client.ts';
import { ENGINE, engines, pam, run, SystemLog, setUp, startDuo, unix } from './machine.ts';

const CONFDIR = '/tmp/pam.d';
const PLACE = dirname(ENGINE);
const FAKE = '/tmp/fake_engine';

let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
  duo = await startDuo({ users: { alice: { status: 'allow' } } }, 'failmode = safe');
  mkdirSync(CONFDIR);
  const sources = ['test/native/fake_engine.c', 'native/bridge/frame.c'];
  run('gcc', '-D_GNU_SOURCE', '-Inative/bridge', '-o', FAKE, ...sources);
});
test.after.always(async () => {
  log.stop();
  await duo.close();
});
test.beforeEach(() => log.clear());

/** Logs alice in by a service of its own, with `argument` for the module. */
function login(service: string, argument = '') {
  writeFileSync(join(CONFDIR, service), `auth required pam_duo_ts.so ${argument}\n`);
  return pam.authenticate({ service, user: 'alice', confdir: CONFDIR }, async (messages) =>
    messages.map(({ style }) => (style === PamStyle.promptEchoOn ? 'open sesame' : '')),
  );
}

/** Installs the fake engine beside the real one; its file name selects its fault. */
function loginWith(mode: string) {
  const path = join(PLACE, mode);
  copyFileSync(FAKE, path);
  chmodSync(path, 0o755);
  return login(`with-${mode}`, `engine=${path}`);
}

for (const mode of ['pass', 'prompt']) {
  test(`a well-behaved engine that answers ${mode} is obeyed, so this test can notice`, async (t) => {
    t.is((await loginWith(mode)).code, PamCode.PAM_SUCCESS);
  });
}

const outcomes: readonly (readonly [number, number])[] = [
  [1, PamCode.PAM_SUCCESS],
  [2, PamCode.PAM_MAXTRIES],
  [3, PamCode.PAM_ABORT],
  [4, PamCode.PAM_ABORT],
  [5, PamCode.PAM_SERVICE_ERR],
  [6, PamCode.PAM_USER_UNKNOWN],
  [7, PamCode.PAM_SERVICE_ERR],
];
test('each outcome has its PAM code, and none is PAM_IGNORE', async (t) => {
  for (const [outcome, code] of outcomes) {
    t.is((await loginWith(`verdict-${outcome}`)).code, code, `outcome ${outcome}`);
  }
});

const modes: Readonly<Record<string, RegExp>> = {
  exit: /the engine ended without a verdict: it exited with 5/,
  'verdict-first': /the engine violated the protocol: no HELLO/,
  version: /speaks protocol version 3/,
  garbage: /the engine violated the protocol: a frame that is too long/,
  'hello-exit': /the engine ended without a verdict: it exited with 0/,
  'hello-abort': /the engine ended without a verdict: it was killed by signal 6/,
  'hello-twice': /the engine violated the protocol: a second HELLO/,
  'hello-garbage': /the engine violated the protocol: a frame of unknown type/,
  truncated: /the engine ended without a verdict: it exited with 0/,
  oversized: /the engine violated the protocol: a frame that is too long/,
  type: /the engine violated the protocol: a frame of unknown type/,
  'verdict-empty': /the engine violated the protocol: a frame without a required field/,
  'verdict-0': /the engine violated the protocol: an invalid verdict/,
  'verdict-8': /the engine violated the protocol: an invalid verdict/,
  'log-priority': /the engine violated the protocol: an invalid log line/,
  'verdict-257': /the engine violated the protocol: an invalid verdict/,
  'verdict-4294967295': /the engine violated the protocol: an invalid verdict/,
  'prompt-exit': /the engine ended without a verdict: it exited with 0/,
};
for (const [mode, sentence] of Object.entries(modes)) {
  test(`denied: an engine with the fault ${mode}`, async (t) => {
    t.is((await loginWith(mode)).code, PamCode.PAM_SERVICE_ERR);
    const line = await log.line(new RegExp(`with-${mode}:`));
    t.regex(line, /Error in Duo login for 'alice': /);
    t.regex(line, sentence);
    t.deepEqual(engines(), []);
  });
}

test('an engine that stops responding at any step is ended after 15 seconds', async (t) => {
  const hanging = ['hang', 'hello-hang', 'prompt-hang'];
  const results = await Promise.all(hanging.map(loginWith));
  for (const { code } of results) t.is(code, PamCode.PAM_SERVICE_ERR);
  for (const mode of hanging) {
    await log.line(new RegExp(`with-${mode}:.*the engine did not respond and was killed`));
  }
  t.deepEqual(engines(), []);
});

/** Things that are not the engine at the engine's fixed path. */
const places: Readonly<Record<string, readonly [(path: string) => void, RegExp]>> = {
  nothing: [() => {}, /the engine can't be started: .*No such file or directory/],
  'an empty file': [
    (path) => writeFileSync(path, '', { mode: 0o755 }),
    /it could not be executed: Exec format error/,
  ],
  'a text': [
    (path) => writeFileSync(path, 'hello\n', { mode: 0o755 }),
    /it could not be executed: Exec format error/,
  ],
  'half of the engine': [
    (path) => {
      run('dd', `if=${path}.away`, `of=${path}`, 'bs=1M', 'count=8', 'status=none');
      chmodSync(path, 0o755);
    },
    /the engine ended without a verdict: it (?:could not be executed: |was killed by signal )/,
  ],
  'a directory': [(path) => mkdirSync(path), /the engine can't be started: /],
  'a symbolic link': [(path) => symlinkSync(`${path}.away`, path), /the engine can't be started: /],
  "the user's own program": [
    (path) => {
      copyFileSync(join(PLACE, 'pass'), path);
      const { uid = 0, gid = 0 } = unix.userByName('alice') ?? {};
      chownSync(path, uid, gid);
      chmodSync(path, 0o755);
    },
    /the engine can't be started: .*writable by nobody else/,
  ],
  'a program that others may change': [
    (path) => {
      copyFileSync(join(PLACE, 'pass'), path);
      chmodSync(path, 0o777);
    },
    /the engine can't be started: .*writable by nobody else/,
  ],
};
for (const [name, [put, sentence]] of Object.entries(places)) {
  test(`denied: ${name} in place of the engine`, async (t) => {
    copyFileSync(FAKE, join(PLACE, 'pass'));
    renameSync(ENGINE, `${ENGINE}.away`);
    t.teardown(() => {
      rmSync(ENGINE, { recursive: true, force: true });
      renameSync(`${ENGINE}.away`, ENGINE);
    });
    put(ENGINE);
    t.is((await login('duo')).code, PamCode.PAM_SERVICE_ERR);
    t.regex(await log.line(/Error in Duo login for 'alice'/), sentence);
  });
}

test('an engine in a directory that others can write is not started', async (t) => {
  chmodSync(PLACE, 0o777);
  t.teardown(() => chmodSync(PLACE, 0o755));
  t.is((await login('duo')).code, PamCode.PAM_SERVICE_ERR);
  await log.line(/the engine can't be started: .*directory/);
});

test('an engine argument that is not an absolute path is refused', async (t) => {
  t.is((await login('duo', 'engine=duo-ts')).code, PamCode.PAM_SERVICE_ERR);
  await log.line(/Invalid pam_duo option: 'engine=duo-ts'/);
});
