/** Real sudo at a real pseudo-terminal. */
import { existsSync, renameSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import {
  addConfig,
  ENGINE,
  engines,
  PASSWORD,
  pending,
  SystemLog,
  setUp,
  startDuo,
  until,
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

/** alice's shell runs sudo and then says how it went and how the terminal is. */
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

test('a push that is approved lets sudo run the command, and the phone showed it', async (t) => {
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

test('a push that is denied does not', async (t) => {
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

test('^C at the prompt denies at once and leaves the terminal sane', async (t) => {
  const terminal = sudo();
  await passPassword(terminal);
  terminal.type(CTRL_C);
  const { output } = await terminal.ended();
  t.false(output.includes('\nroot\n'));
  t.regex(output, SANE);
  t.notRegex(output, /status=0/);
  await until(() => engines().length === 0);
});

test('^C while a push is pending denies at once and leaves the terminal sane', async (t) => {
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
  await until(() => engines().length === 0);
});

test('SUDO_COMMAND of the caller is not what the phone shows', async (t) => {
  const terminal = sudo('id -un', 'SUDO_COMMAND=/bin/harmless');
  await passPassword(terminal);
  terminal.type('1\n');
  const push = await pending(duo);
  t.is(push.occasion.pushinfo['Command'], '/usr/bin/id -un');
  push.approve();
  await terminal.ended();
});

test('without an engine nobody gets through', async (t) => {
  addConfig('failmode = safe');
  renameSync(ENGINE, `${ENGINE}.away`);
  t.teardown(() => renameSync(`${ENGINE}.away`, ENGINE));
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
