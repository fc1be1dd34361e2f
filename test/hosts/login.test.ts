/** Real login(1) at a pseudo-terminal. */
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { PASSWORD, pending, SystemLog, setUp, startDuo, withoutEngine } from './machine.ts';
import { Terminal } from './terminal.ts';

let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  duo = await startDuo({ users: { alice: { passcodes: ['123456'] } } });
});
test.afterEach.always(() => duo.close());

async function login(): Promise<Terminal> {
  const terminal = new Terminal('login alice');
  await terminal.shows(/Password: /);
  terminal.type(`${PASSWORD}\n`);
  return terminal;
}

test('an approved push opens the shell', async (t) => {
  const terminal = await login();
  await terminal.shows(/Passcode or option \(1-3\): /);
  terminal.type('1\n');
  const push = await pending(duo);
  await terminal.shows(/Pushed a login request to your device\.\.\./);
  push.approve();
  await terminal.shows(/\$ $/m);
  terminal.type('id -un; exit\n');
  const { output } = await terminal.ended();
  t.regex(output, /^alice$/m);
  await log.line(/login.*Successful Duo login for 'alice'/);
});

test('three wrong passcodes are denied', async (t) => {
  const terminal = await login();
  for (let tries = 0; tries < 3; tries += 1) {
    await terminal.shows(/Passcode or option \(1-3\): /);
    terminal.type('000000\n');
  }
  await terminal.shows(/Login incorrect|Have exhausted|Maximum number/i);
  t.notRegex((await terminal.hangUp()).output, /^alice@|^\$ /m);
});

test('denied without an engine', async (t) => {
  withoutEngine(t);
  const terminal = await login();
  await log.line(/login.*Error in Duo login for 'alice'.*: the engine can't be started/);
  await terminal.shows(/Login incorrect|System error|service/i);
  t.notRegex((await terminal.hangUp()).output, /^alice@|^\$ /m);
});
