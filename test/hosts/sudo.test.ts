/** Real sudo at a real pseudo-terminal. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import {
  addConfig,
  ENGINE,
  loginsInProgress,
  PASSWORD,
  pending,
  SystemLog,
  setUp,
  startDuo,
  until,
  useStack,
  withoutEngine,
} from './machine.ts';
import { CTRL_C, Terminal } from './terminal.ts';

let duo: Simulator;
let log: SystemLog;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
});
test.after.always(() => log.stop());

test.beforeEach(async () => {
  log.clear();
  duo = await startDuo({ users: { alice: { passcodes: ['123456'] } } }, 'pushinfo = yes');
});
test.afterEach.always(() => duo.close());

/** alice's shell runs sudo, then prints its result and the state of the terminal. */
function sudo(command = 'id -un', before = ''): Terminal {
  const inner = `trap : INT; ${before} sudo -k; ${before} sudo ${command}; echo "status=$?"; stty -a | grep -oE -- '-?(echo|icanon|isig) '`;
  return new Terminal(`runuser -u alice -- /bin/sh -c ${quote(inner)}`);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const SANE = /status=\d+\n(?=[\s\S]*\becho \n)(?=[\s\S]*\bicanon \n)(?=[\s\S]*\bisig \n)/;

async function passPassword(terminal: Terminal): Promise<void> {
  await terminal.shows(/password for alice: /);
  terminal.type(`${PASSWORD}\n`);
  await terminal.shows(/Passcode or option \(1-3\): /);
}

test('sudo runs the command after an approved push that showed it', async (t) => {
  const terminal = sudo('id -un');
  await passPassword(terminal);
  terminal.type('1\n');
  const push = await pending(duo);
  t.is(push.occasion.pushinfo['Command'], '/usr/bin/id -un');
  t.is(push.occasion.username, 'alice');
  await terminal.shows(/Pushed a login request to your device\.\.\.\n/);
  push.approve();
  const { output } = await terminal.ended();
  t.regex(output, /\nSuccess\. Logging you in\.\.\.\nroot\nstatus=0\n/);
  t.regex(output, SANE);
  await log.line(/sudo.*Successful Duo login for 'alice'/);
});

test('sudo -i uses its own stack', async (t) => {
  const before = readFileSync('/etc/pam.d/sudo-i');
  t.teardown(() => writeFileSync('/etc/pam.d/sudo-i', before));
  // Debian's sudo-i stack asks for the password only, whatever the sudo stack contains.
  const without = sudo('-i id -un');
  await without.shows(/password for alice: /);
  without.type(`${PASSWORD}\n`);
  t.regex((await without.ended()).output, /\nroot\nstatus=0\n/);
  t.deepEqual(duo.service.calls, []);

  useStack('sudo-i');
  for (const [passcode, end] of [
    ['123456', /\nroot\nstatus=0\n/],
    ['000000\n000000\n000000', /status=1\n/],
  ] as const) {
    const terminal = sudo('-i id -un');
    await passPassword(terminal);
    terminal.type(`${passcode}\n`);
    t.regex((await terminal.ended()).output, end);
  }
  await log.line(/pam_duo_ts\(sudo-i:auth\): Successful Duo login for 'alice'/);
});

test('sudo does not run the command after a denied push', async (t) => {
  const terminal = sudo();
  await passPassword(terminal);
  for (let tries = 0; tries < 3; tries += 1) {
    if (tries > 0) await terminal.shows(/Passcode or option \(1-3\): /);
    terminal.type('1\n');
    (await pending(duo)).deny();
  }
  const { output } = await terminal.ended();
  t.false(output.includes('\nroot\n'));
  t.regex(output, /status=1\n/);
  await log.line(/Failed Duo login for 'alice': Login request denied\./);
});

test('^C at the prompt denies at once and restores the terminal', async (t) => {
  const terminal = sudo();
  await passPassword(terminal);
  const { output } = await terminal.interrupted(/status=/);
  t.false(output.includes('\nroot\n'));
  t.regex(output, SANE);
  t.notRegex(output, /status=0/);
  await until(() => loginsInProgress() === 0);
});

test('^C during a push denies at once and restores the terminal', async (t) => {
  const terminal = sudo();
  await passPassword(terminal);
  terminal.type('1\n');
  const push = await pending(duo);
  await terminal.shows(/Pushed a login request/);
  terminal.type(CTRL_C);
  const { output } = await terminal.ended();
  t.true(push.pending, 'nobody waited for the phone');
  t.false(output.includes('\nroot\n'));
  t.regex(output, SANE);
  t.notRegex(output, /status=0/);
  await log.line(/sudo.*Aborted Duo login for 'alice'.*: cancelled by SIGINT/);
  await until(() => loginsInProgress() === 0);
});

test("the push does not show the caller's own SUDO_COMMAND", async (t) => {
  const terminal = sudo('id -un', 'SUDO_COMMAND=/bin/harmless');
  await passPassword(terminal);
  terminal.type('1\n');
  const push = await pending(duo);
  t.is(push.occasion.pushinfo['Command'], '/usr/bin/id -un');
  push.approve();
  await terminal.ended();
});

test('without an engine sudo is denied', async (t) => {
  addConfig('failmode = safe');
  withoutEngine(t);
  t.false(existsSync(ENGINE));
  const terminal = sudo();
  await terminal.shows(/password for alice: /);
  terminal.type(`${PASSWORD}\n`);
  const { output } = await terminal.ended();
  t.false(output.includes('\nroot\n'));
  t.regex(output, /status=1\n/);
  await log.line(
    /Error in Duo login for 'alice': the engine can't be started: .*duo-ts: No such file or directory/,
  );
});

/** Limits that a user may set before calling sudo; sudo itself undoes some of them. */
const LIMITS: Readonly<Record<string, readonly number[]>> = {
  n: [3, 5, 7, 9, 12, 16, 24, 32, 64],
  v: [20_000, 100_000, 1_000_000],
  u: [0, 2],
  f: [0, 8],
  t: [0, 1],
  s: [64, 1024],
  l: [0],
};
for (const [limit, values] of Object.entries(LIMITS)) {
  test(`no value of ulimit -${limit} lets sudo run for a user denied by Duo`, async (t) => {
    await duo.close();
    duo = await startDuo({ users: { alice: { status: 'deny' } } }, 'failmode = safe');
    for (const value of values) {
      // bash, since dash has only some of these limits.
      const { output } = await new Terminal(
        `runuser -u alice -- bash -c 'ulimit -${limit} ${value} || echo not set; exec sudo echo came in'`,
      ).answering(/password for alice: /, `${PASSWORD}\n`);
      t.notRegex(output, /^came in$/m, `ulimit -${limit} ${value}`);
      t.notRegex(output, /not set/, `ulimit -${limit} ${value}`);
    }
  });
}

test('common limits do not lock an approved user out of sudo', async (t) => {
  await duo.close();
  duo = await startDuo({ users: { alice: { status: 'allow' } } }, 'failmode = secure');
  const { output } = await new Terminal(
    `runuser -u alice -- sh -c 'ulimit -n 64; ulimit -f 0; ulimit -t 30; sudo -k; sudo echo came in'`,
  ).answering(/password for alice: /, `${PASSWORD}\n`);
  t.regex(output, /^came in$/m);
});

test("the caller's environment has no effect on sudo", async (t) => {
  await duo.close();
  duo = await startDuo({ users: { alice: { status: 'deny' } } }, 'failmode = safe');
  const environment = [
    'NODE_OPTIONS=--require=/home/alice/evil.js',
    'SSL_CERT_FILE=/dev/null',
    'http_proxy=http://127.0.0.1:9',
    'NODE_EXTRA_CA_CERTS=/dev/null',
    'OPENSSL_CONF=/dev/null',
    'HOSTALIASES=/home/alice/hosts',
  ];
  const { output } = await new Terminal(
    `runuser -u alice -- env ${environment.join(' ')} sh -c 'sudo -k; sudo echo came in; true'`,
  ).answering(/password for alice: /, `${PASSWORD}\n`);
  t.notRegex(output, /^came in$/m);
  t.deepEqual(
    duo.service.calls.map(({ call }) => call).filter((call) => call !== 'ping'),
    ['preauth'],
  );
});
