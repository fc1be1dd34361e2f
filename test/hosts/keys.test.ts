/** What sshd tells about keys and methods: trusted_keys, remember for keys, push_once. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { compile } from '../lib/compile.ts';
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
  useStack,
} from './machine.ts';
import { makeAsk, ssh as sshAt } from './ssh-client.ts';
import { SshServer } from './ssh-server.ts';

const PORT = 2222;
const PROVIDER = '/tmp/security_key.so';
const KEY = ['IdentitiesOnly=yes', `SecurityKeyProvider=${PROVIDER}`];
const METHODS = 'publickey,keyboard-interactive';
const SSHD = [
  'UsePAM yes',
  'PrintMotd no',
  'PrintLastLog no',
  'PasswordAuthentication no',
  'KbdInteractiveAuthentication yes',
  `AuthenticationMethods ${METHODS}`,
];
let log: SystemLog;
let duo: Simulator;
let sshd: SshServer | undefined;
let resident: Resident;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
  compile(
    'cc',
    '-shared',
    '-fPIC',
    '-Wall',
    '-Werror',
    '-o',
    PROVIDER,
    'test/hosts/security_key.c',
    '-l:libcrypto.so.3',
  );
  run('ssh-keygen', '-A');
  for (const name of ['one', 'two']) run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', `/tmp/${name}`);
  run('ssh-keygen', '-q', '-t', 'ed25519-sk', '-w', PROVIDER, '-N', '', '-f', '/tmp/touched');
  mkdirSync('/run/sshd', { recursive: true });
  mkdirSync('/home/alice/.ssh', { mode: 0o700 });
  writeAuthorizedKeys();
  makeAsk();
  resident = startResident();
});
test.after.always(() => {
  log.stop();
  resident.process.kill();
});
test.beforeEach(async () => {
  log.clear();
  useStack('sshd-key', 'sshd');
  const passcodes = ['111111', '222222', '333333', '444444'];
  duo = await startDuo({ users: { alice: { passcodes } } });
});
test.afterEach.always(async () => {
  await sshd?.stop();
  sshd = undefined;
  await duo.close();
});

/** @param options of the security key */
function writeAuthorizedKeys(options = ''): void {
  const [one = '', two = '', touched = ''] = ['one', 'two', 'touched'].map((name) =>
    readFileSync(`/tmp/${name}.pub`, 'utf8'),
  );
  writeFileSync('/home/alice/.ssh/authorized_keys', `${one}${two}${options}${touched}`, { mode: 0o600 });
  run('chown', '-R', 'alice:alice', '/home/alice/.ssh');
}

async function start(...options: string[]): Promise<void> {
  sshd = await SshServer.start(PORT, [...SSHD, ...options]);
}

const login = (key: string, answers: readonly string[] = [], ...options: string[]) =>
  sshAt(PORT, METHODS, answers, ...KEY, `IdentityFile=/tmp/${key}`, ...options);

test.serial('trusted_keys: a touched key is the second factor, another key is not', async (t) => {
  addConfig('trusted_keys = sk-ssh-ed25519@openssh.com');
  await start('PubkeyAuthOptions touch-required');
  const touched = await login('touched');
  t.like(touched, { status: 0, output: 'alice\n' });
  t.notRegex(touched.prompts, /Passcode or option/);
  const fingerprint = run('ssh-keygen', '-l', '-f', '/tmp/touched.pub').split(' ')[1] ?? '';
  const line = await log.line(/Trusted key instead of Duo login for 'alice' from 127\.0\.0\.1: /);
  t.true(line.endsWith(`sk-ssh-ed25519@openssh.com ${fingerprint}`), line);
  t.deepEqual(duo.service.calls, []);
  const other = await login('one', ['111111']);
  t.like(other, { status: 0, output: 'alice\n' });
  t.regex(other.prompts, /Passcode or option/);
});

test.serial('trusted_keys: sshd with touch-required refuses a key that its user exempts', async (t) => {
  addConfig('trusted_keys = sk-ssh-ed25519@openssh.com');
  writeAuthorizedKeys('no-touch-required ');
  t.teardown(() => writeAuthorizedKeys());
  writeFileSync('/tmp/no-touch', '');
  t.teardown(() => rmSync('/tmp/no-touch'));
  await start('PubkeyAuthOptions touch-required');
  t.is((await login('touched')).status, 255);
  await sshd?.stop();
  // This is what the option prevents.
  await start();
  t.is((await login('touched')).status, 0);
});

test.serial('without trusted_keys a touched key asks Duo', async (t) => {
  await start();
  t.like(await login('touched', ['000000', '000000', '000000']), { status: 255 });
  t.regex((await login('touched', ['111111'])).prompts, /Passcode or option/);
});

test.serial('remember: a key asks once for its network, and not another key or network', async (t) => {
  addConfig('remember = 30m\nremember_for = sshd');
  await start();
  t.regex((await login('one', ['111111'])).prompts, /Passcode or option/);
  for (let turn = 0; turn < 2; turn += 1) t.like(await login('one'), { output: 'alice\n', prompts: '' });
  await log.line(
    /Remembered Duo login for 'alice' from 127\.0\.0\.1: approved 0 min ago for this key and network/,
  );
  t.like(
    await login('one', [], 'BindAddress=127.0.0.99'),
    { output: 'alice\n', prompts: '' },
    'the same /24',
  );
  t.regex((await login('one', ['222222'], 'BindAddress=127.9.0.1')).prompts, /Passcode or option/);
  t.regex((await login('two', ['333333'])).prompts, /Passcode or option/);
  t.is(run(ENGINE, 'forget', 'bert'), 'duo-ts forget: forgot 0 approvals\n');
  t.is(run(ENGINE, 'forget', 'alice'), 'duo-ts forget: forgot 3 approvals\n');
  t.regex((await login('one', ['444444'])).prompts, /Passcode or option/);
});

test.serial('remember: another configuration, or none, asks', async (t) => {
  addConfig('remember = 30m\nremember_for = sshd');
  await start();
  await login('one', ['111111']);
  addConfig('prompts = 2');
  t.regex((await login('one', ['222222'])).prompts, /Passcode or option/);
  run(ENGINE, 'forget', '--all');
});

test.serial('remember: a denied login is not remembered', async (t) => {
  addConfig('remember = 30m\nremember_for = sshd\nprompts = 1');
  await start();
  t.is((await login('one', ['000000', '000000', '000000'])).status, 255);
  t.regex((await login('one', ['111111'])).prompts, /Passcode or option/);
  run(ENGINE, 'forget', '--all');
});

for (const once of [true, false]) {
  test.serial(
    `password,keyboard-interactive with autopush rings ${once ? 'once' : 'twice without push_once'}`,
    async (t) => {
      addConfig(`autopush = yes${once ? '\npush_once = yes' : ''}`);
      const { alice } = duo.service.users;
      if (alice !== undefined) alice.phone = 'approve';
      useStack('sshd');
      sshd = await SshServer.start(PORT, [
        ...SSHD.slice(0, 3),
        'PasswordAuthentication yes',
        'KbdInteractiveAuthentication yes',
        'AuthenticationMethods password,keyboard-interactive',
      ]);
      const { output } = await sshAt(PORT, 'password,keyboard-interactive', [PASSWORD, PASSWORD]);
      t.regex(output, /^alice$/m);
      t.is(duo.service.calls.filter(({ call }) => call === 'auth').length, once ? 1 : 2);
      if (once)
        await log.line(
          /Remembered Duo login for 'alice' from 127\.0\.0\.1: approved before in this connection/,
        );
    },
  );
}
