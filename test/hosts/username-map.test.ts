/** Names and keys in files of their own: username_map, skey_file, and the module without a configuration. */
import { mkdirSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { PamCode, PamStyle } from '../../src/unix/pam-client.ts';
import {
  addConfig,
  CONFIG,
  ENGINE,
  pam,
  run,
  SystemLog,
  setUp,
  startDuo,
  startResident,
  writeConfig,
} from './machine.ts';

const MAP = '/etc/duo/users';
let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  const phone = 'approve' as const;
  duo = await startDuo({
    users: { 'alice.smith@example.com': { phone }, 'bert@example.com': { phone }, alice: { phone } },
  });
});
test.afterEach.always(() => duo.close());

async function login(user: string, confdir = 'test/hosts/pam.d') {
  return pam.authenticate({ service: 'duo', user, confdir }, async (messages) =>
    messages.map(({ style }) => (style === PamStyle.promptEchoOn ? '1' : '')),
  );
}

const names = () =>
  duo.service.calls.flatMap(({ call, form }) => (call === 'auth' ? [form['username']] : []));

function useMap(text: string): void {
  writeFileSync(MAP, text, { mode: 0o644 });
  addConfig(`username_map = ${MAP}`);
}

test.serial('username_map names the Duo users, and denies accounts without one', async (t) => {
  useMap('alice = alice.smith@example.com\n* = {user}@example.com\nroot = !\n');
  for (const user of ['alice', 'bert']) t.is((await login(user)).code, PamCode.PAM_SUCCESS);
  t.deepEqual(names(), ['alice.smith@example.com', 'bert@example.com']);
  await log.line(/Successful Duo login for 'alice\.smith@example\.com' \(account 'alice'\)/);
  t.is((await login('root')).code, PamCode.PAM_ABORT);
  await log.line(/Aborted Duo login for 'root': \/etc\/duo\/users gives root no Duo name/);
});

for (const [what, break_, line] of [
  [
    'that others can change',
    () => run('chmod', '666', MAP),
    /username_map \/etc\/duo\/users can't be used \(others than root may write to it\)/,
  ],
  ['that does not exist', () => run('rm', MAP), /username_map \/etc\/duo\/users can't be used \(ENOENT\)/],
  [
    'with a wrong line',
    () => writeFileSync(MAP, 'alice = a\nbert\n'),
    /\/etc\/duo\/users, line 2: a line must be ACCOUNT = NAME/,
  ],
  [
    'with an account twice',
    () => writeFileSync(MAP, 'alice = a\nalice = b\n'),
    /\/etc\/duo\/users, line 2: alice has a name already/,
  ],
] as const) {
  test.serial(`a username_map ${what} denies, also with failmode = safe`, async (t) => {
    useMap('alice = alice.smith@example.com\n');
    break_();
    t.is((await login('alice')).code, PamCode.PAM_SERVICE_ERR);
    await log.line(line);
    t.deepEqual(duo.service.calls, []);
  });
}

/** Moves the key out of the configuration. */
function moveKey(path: string, option = path): void {
  const { ikey: _, skey } = duo.service.application;
  writeConfig(`${skey}\n`, path);
  const text = duo.config('/etc/duo/ca.pem').replace(/^skey = .*$/m, `skey_file = ${option}`);
  writeConfig(text);
}

test.serial('skey_file: a private engine reads the key, if its user can', async (t) => {
  moveKey('/etc/duo/skey');
  t.is((await login('alice')).code, PamCode.PAM_SERVICE_ERR);
  await log.line(
    /Couldn't open Duo API handle for 'alice': skey_file \/etc\/duo\/skey can't be used \(EACCES\)/,
  );
  run('chown', 'root:duo-private', '/etc/duo/skey');
  run('chmod', '640', '/etc/duo/skey');
  t.is((await login('alice')).code, PamCode.PAM_SUCCESS);
  run('chmod', '644', '/etc/duo/skey');
  t.is((await login('alice')).code, PamCode.PAM_SERVICE_ERR);
  await log.line(/skey_file \/etc\/duo\/skey can't be used \(others may read it\)/);
});

test.serial(
  'a credential of systemd: only the resident engine has the key, and conf=none sends no configuration',
  async (t) => {
    mkdirSync('/tmp/credentials', { mode: 0o711 });
    moveKey('/tmp/credentials/skey', '%d/skey');
    run('chown', 'duo', '/tmp/credentials/skey');
    t.is((await login('alice')).code, PamCode.PAM_SERVICE_ERR, 'a private engine');
    await log.line(/skey_file %d\/skey can't be used \(systemd gave this engine no credentials\)/);
    const resident = startResident({ CREDENTIALS_DIRECTORY: '/tmp/credentials' }, '--config', CONFIG);
    t.teardown(() => resident.process.kill('SIGKILL'));
    t.is((await login('alice')).code, PamCode.PAM_SUCCESS);
    run('rm', CONFIG);
    mkdirSync('/tmp/none');
    writeFileSync('/tmp/none/duo', 'auth required pam_duo_ts.so conf=none\n');
    t.is((await login('alice', '/tmp/none')).code, PamCode.PAM_SUCCESS);
    t.deepEqual(names(), ['alice', 'alice']);
    resident.process.kill('SIGKILL');
    t.is((await login('alice', '/tmp/none')).code, PamCode.PAM_SERVICE_ERR);
    await log.line(/Error in Duo login for 'alice': .*/);
  },
);

test.serial('duo-ts check lists the names and finds keys that engines cannot read', (t) => {
  useMap('alice = alice.smith@example.com\nroot = !\nnobody-at-all = x\n');
  const { stdout } = { stdout: runAnyway(ENGINE, 'check', '--user', 'alice') };
  t.regex(stdout, /\/etc\/duo\/users: alice: alice\.smith@example\.com, root: denied, nobody-at-all: x/);
  t.regex(stdout, /WARNING .*names nobody-at-all, which is no account/);
  moveKey('/etc/duo/skey');
  t.regex(
    runAnyway(ENGINE, 'check', '--user', 'alice'),
    /ERROR .*\/etc\/duo\/skey is not readable by the engine's user duo/i,
  );
});

function runAnyway(program: string, ...args: string[]): string {
  return run('sh', '-c', '"$@" || true', 'sh', program, ...args);
}
