/** `remember` for sudo and su: once per session of the kernel's. */
import { readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import {
  addConfig,
  ENGINE,
  PASSWORD,
  type Resident,
  run,
  SystemLog,
  setUp,
  startDuo,
  startResident,
} from './machine.ts';
import { Terminal } from './terminal.ts';

let log: SystemLog;
let duo: Simulator;
let resident: Resident;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
  writeFileSync(
    '/etc/sudoers.d/bert',
    'bert ALL=(ALL) ALL\nDefaults:bert timestamp_timeout=0, passwd_tries=1\n',
    { mode: 0o440 },
  );
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  resident = startResident();
  const passcodes = ['111111', '222222', '333333'];
  duo = await startDuo(
    { users: { alice: { passcodes }, bert: { passcodes } } },
    'remember = 30m\nremember_for = sudo su',
  );
});
test.afterEach.always(async () => {
  resident.process.kill('SIGKILL');
  await duo.close();
});

/** A shell of a user in a session of its own, as pam_loginuid makes it. @param session false: in no session */
function shell(user: string, session = true): Terminal {
  const begin = session ? `echo $(id -u ${user}) >/proc/self/loginuid && ` : '';
  return new Terminal(`sh -c '${begin}exec runuser -u ${user} -- env PS1="% " ENV= dash -i'`);
}

async function password(terminal: Terminal, command: string): Promise<void> {
  terminal.type(`${command}; echo "status""=$?"\n`);
  await terminal.shows(/[Pp]assword[^:]*: /);
  terminal.type(`${PASSWORD}\n`);
}

/** Runs a command that asks for the password and for Duo. */
async function asked(terminal: Terminal, command: string, passcode: string): Promise<void> {
  await password(terminal, command);
  await terminal.shows(/Passcode or option \(1-3\): /);
  terminal.type(`${passcode}\n`);
  await terminal.shows(/status=0/);
}

/** Runs a command that asks for the password alone. */
async function remembered(terminal: Terminal, command: string): Promise<void> {
  await password(terminal, command);
  await terminal.shows(/status=0/);
}

const requests = () => duo.service.calls.filter(({ call }) => call === 'auth').length;

test.serial('sudo asks Duo once in a session; another session asks again', async (t) => {
  const first = shell('alice');
  await asked(first, 'sudo id -un', '111111');
  await remembered(first, 'sudo id -un');
  await remembered(first, "su root -c 'id -un'");
  await log.line(
    /pam_duo_ts\(sudo:auth\): Remembered Duo login for 'alice': approved 0 min ago for this session/,
  );
  await log.line(/pam_duo_ts\(su:auth\): Remembered Duo login for 'alice'/);
  const second = shell('alice');
  await asked(second, 'sudo id -un', '222222');
  t.is(requests(), 2);
  for (const terminal of [first, second]) terminal.type('exit\n');
});

test.serial('another user, and another terminal, of the same session asks', async (t) => {
  const terminal = shell('alice');
  await asked(terminal, 'sudo id -un', '111111');
  // bert authenticates in alice's session.
  await asked(terminal, 'su bert -c id', '111111');
  await asked(terminal, `script --quiet --return --command "sudo id -un" /dev/null`, '222222');
  await remembered(terminal, 'sudo id -un');
  t.is(requests(), 3);
  terminal.type('exit\n');
});

test.serial('duo-ts forget, a changed configuration and a new engine ask', async (t) => {
  const terminal = shell('alice');
  await asked(terminal, 'sudo id -un', '111111');
  t.is(run(ENGINE, 'forget', 'alice'), 'duo-ts forget: forgot 1 approvals\n');
  await asked(terminal, 'sudo id -un', '222222');
  addConfig('prompts = 2');
  await asked(terminal, 'sudo id -un', '333333');
  resident.process.kill('SIGKILL');
  resident = startResident();
  await password(terminal, 'sudo id -un');
  await terminal.shows(/Passcode or option \(1-3\): /);
  terminal.type('000000\n000000\n');
  await terminal.shows(/status=1/);
  terminal.type('exit\n');
});

test.serial('outside a session nothing is remembered', async (t) => {
  const terminal = shell('alice', false);
  await asked(terminal, 'sudo id -un', '111111');
  await asked(terminal, 'sudo id -un', '222222');
  t.is(requests(), 2);
  terminal.type('exit\n');
});

test.serial('a private engine remembers nothing', async (t) => {
  resident.process.kill('SIGKILL');
  const terminal = shell('alice');
  await asked(terminal, 'sudo id -un', '111111');
  await asked(terminal, 'sudo id -un', '222222');
  t.is(requests(), 2);
  terminal.type('exit\n');
});

test.serial('a user cannot change the session or its uid', (t) => {
  const uid = run('id', '-u', 'alice').trim();
  const kernel = 'echo 0 >/proc/self/loginuid; echo 1 >/proc/self/sessionid; cat /proc/self/loginuid';
  t.is(
    run(
      'sh',
      '-c',
      `echo ${uid} >/proc/self/loginuid; exec runuser -u alice -- sh -c '${kernel}' 2>/dev/null`,
    ),
    uid,
  );
  t.regex(readFileSync('/proc/self/sessionid', 'utf8'), /^\d+$/);
});
