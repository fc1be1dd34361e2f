/** sudo's approval plugin: Duo for commands about which sudo asks PAM nothing. */
import { rmSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { addConfig, pending, run, SystemLog, setUp, startDuo, withoutEngine } from './machine.ts';
import { CTRL_C, Terminal } from './terminal.ts';

const SUDO_CONF = '/etc/sudo.conf';
const LINE = 'Plugin duo_ts_approval duo_ts_approval.so';
let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
  writeFileSync('/etc/sudoers.d/alice', 'alice ALL=(ALL) NOPASSWD: ALL\n', { mode: 0o440 });
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  writeFileSync(SUDO_CONF, `${LINE}\n`);
  duo = await startDuo({ users: { alice: { passcodes: ['123456'] } } }, 'pushinfo = yes');
});
test.afterEach.always(async () => {
  rmSync(SUDO_CONF, { force: true });
  await duo.close();
});

const sudo = (command: string) =>
  new Terminal(`runuser -u alice -- sh -c 'trap : INT; sudo ${command}; echo status=$?'`);

test.serial('NOPASSWD: the command waits for Duo, which sees it', async (t) => {
  const terminal = sudo('id -un');
  await terminal.shows(/Passcode or option \(1-3\): /);
  terminal.type('1\n');
  const push = await pending(duo);
  t.is(push.occasion.pushinfo['Command'], '/usr/bin/id -un');
  push.approve();
  t.regex((await terminal.ended()).output, /Success\. Logging you in\.\.\.\nroot\nstatus=0\n/);
  await log.line(/duo_ts_approval: Successful Duo login for 'alice'/);
});

test.serial('a denial, and ^C, run nothing', async (t) => {
  addConfig('prompts = 1');
  const denied = sudo('id -un');
  await denied.shows(/Passcode or option \(1-3\): /);
  denied.type('000000\n');
  const { output } = await denied.ended();
  t.regex(output, /Duo has not approved this command\n[\s\S]*status=1\n/);
  t.notRegex(output, /^root$/m);
  const interrupted = sudo('id -un');
  await interrupted.shows(/Passcode or option \(1-3\): /);
  interrupted.type(CTRL_C);
  t.notRegex((await interrupted.ended()).output, /^root$/m);
});

test.serial('without an engine, a configuration, or with a wrong option nothing runs', async (t) => {
  withoutEngine(t);
  t.regex((await sudo('id -un').ended()).output, /status=1\n/);
  await log.line(/duo_ts_approval: Error in Duo login for 'alice': /);
  writeFileSync(SUDO_CONF, `${LINE} conf=/etc/duo/nowhere.conf\n`);
  t.regex((await sudo('id -un').ended()).output, /Couldn't open \/etc\/duo\/nowhere\.conf[\s\S]*status=1\n/);
  writeFileSync(SUDO_CONF, `${LINE} conf=relative\n`);
  t.regex(
    (await sudo('id -un').ended()).output,
    /Invalid duo_ts_approval option: 'conf=relative'[\s\S]*status=1\n/,
  );
});

test.serial('root, sudo -l and sudo -v need no approval', async (t) => {
  t.is(run('sudo', 'id', '-un'), 'root\n');
  t.regex((await sudo('-l').ended()).output, /NOPASSWD: ALL[\s\S]*status=0\n/);
  t.regex((await sudo('-v').ended()).output, /status=0\n/);
  t.deepEqual(duo.service.calls, []);
});

test.serial('the plugin names its release', (t) => {
  t.regex(run('sudo', '--version'), /^duo_ts_approval \d+\.\d+\.\d+$/m);
});
