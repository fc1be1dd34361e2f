/** Programs in C and C++ that use the installed library, as root and as other users. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { DuoCode } from '../../src/login/messages.ts';
import { EXAMPLE_APPLICATION, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { compile } from '../lib/compile.ts';
import { engines, pending, run, setUp, unix, until } from './machine.ts';
import { CTRL_C, Terminal } from './terminal.ts';

const PROGRAMS = { C: '/tmp/login', 'C++': '/tmp/login++' } as const;
const APPLICATION = '/tmp/application';
const CA = '/tmp/ca.pem';
const BUNDLE = '/tmp/bundle.pem';

let duo: Simulator;

test.before(() => {
  setUp();
  const flags = run('pkg-config', '--cflags', '--libs', 'duo_ts').trim().split(/\s+/);
  const warnings = ['-Wall', '-Wextra', '-Werror'];
  compile('cc', ...warnings, '-o', PROGRAMS.C, 'examples/login.c', ...flags);
  const source = ['-x', 'c++', 'examples/login.c', '-x', 'none'];
  compile('c++', ...warnings, '-o', PROGRAMS['C++'], ...source, ...flags);
});

test.beforeEach(async () => {
  duo = await startSimulator({ users: { alice: { passcodes: ['123456'] }, amy: { phone: 'approve' } } });
  const { ikey, skey } = EXAMPLE_APPLICATION;
  writeFileSync(APPLICATION, `${duo.host}:${duo.port} ${ikey} ${skey}\n`, { mode: 0o644 });
  writeFileSync(CA, duo.ca);
  copyFileSync('/etc/ssl/certs/ca-certificates.crt', BUNDLE);
  writeFileSync(BUNDLE, `\n${duo.ca}`, { flag: 'a' });
});
test.afterEach.always(() => duo.close());

/** Runs a program as a user of the machine. */
function as(user: string, command: string): string {
  return user === 'root' ? command : `setpriv --reuid ${user} --regid ${user} --init-groups ${command}`;
}

for (const [language, program] of Object.entries(PROGRAMS)) {
  for (const user of ['root', 'alice']) {
    test(`${language}, ${user}: a passcode at the terminal`, async (t) => {
      const terminal = new Terminal(as(user, `${program} -f ${CA} ${APPLICATION} alice`));
      await terminal.shows(/Passcode or option \(1-3\): /);
      terminal.type('123456\n');
      // The answer is echoed: a passcode works once, and the user sees what was typed.
      await terminal.shows(/123456/);
      const { status, output } = await terminal.ended();
      t.is(status, DuoCode.ok, output);
      t.regex(output, /Success\. Logging you in\.\.\.\n.*Welcome, alice\.\n$/s);
      t.deepEqual(engines(), []);
    });

    test(`${language}, ${user}: a wrong passcode`, async (t) => {
      const terminal = new Terminal(as(user, `${program} -f ${CA} ${APPLICATION} alice`));
      const { status, output } = await terminal.answering(/Passcode or option \(1-3\): /, '654321\n');
      t.is(status, DuoCode.fail, output);
      t.regex(output, /No entry: /);
    });
  }
}

for (const user of ['root', 'alice']) {
  test(`the engine of ${user}'s program runs as ${user === 'root' ? 'duo-private' : user}, and ^C ends both`, async (t) => {
    const terminal = new Terminal(as(user, `${PROGRAMS.C} -f ${CA} -a ${APPLICATION} alice`));
    const push = await pending(duo);
    await until(() => engines().length === 1);
    const [pid] = engines();
    const uid = /^Uid:\t(\d+)\t/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    t.is(uid, String(unix.userByName(user === 'root' ? 'duo-private' : user)?.uid));
    terminal.type(CTRL_C);
    const { status } = await terminal.ended();
    t.is(status, 128 + 2);
    await until(() => engines().length === 0);
    t.true(push.pending);
  });
}

test('a distribution’s CA bundle is accepted', async (t) => {
  const terminal = new Terminal(as('alice', `${PROGRAMS.C} -f ${BUNDLE} -a -s ${APPLICATION} amy`));
  const { status, output } = await terminal.ended();
  t.is(status, DuoCode.ok, output);
});

test('Duo’s own authorities accept no other certificate', async (t) => {
  const { status, output } = await new Terminal(`${PROGRAMS.C} -a ${APPLICATION} amy`).ended();
  t.is(status, DuoCode.connError, output);
  t.regex(output, /No entry: Couldn't connect to localhost:\d+: certificate verify failed/);
});

test('a program that is setuid to a user other than root gets no engine', async (t) => {
  const program = '/home/setuid-login';
  copyFileSync(PROGRAMS.C, program);
  chownSync(program, unix.userByName('bert')?.uid ?? 0, 0);
  chmodSync(program, 0o4755);
  const { status, output } = await new Terminal(
    as('alice', `${program} -f ${CA} -a ${APPLICATION} amy`),
  ).ended();
  t.is(status, DuoCode.libError, output);
  t.regex(output, /a host that is setuid or setgid to another user than root can't run an engine/);
});

test('a host without free resources denies', async (t) => {
  const login = async (...limits: string[]) => {
    const args = [...limits, PROGRAMS.C, '-f', CA, '-a', APPLICATION, 'unknown'];
    const user = ['--reuid', 'bert', '--regid', 'bert', '--clear-groups'];
    const child = spawn('setpriv', [...user, 'prlimit', ...args], { stdio: 'ignore' });
    const [status]: unknown[] = await once(child, 'exit');
    return status;
  };
  t.is(await login('--core=0'), DuoCode.abort, 'nothing is short: Duo wants the user to enrol');
  for (const limit of ['--nofile=3', '--nofile=8', '--as=1000000', '--nproc=0', '--fsize=0', '--data=4096']) {
    t.not(await login(limit), DuoCode.ok, limit);
  }
});
