/** `duo-ts check`: a clean machine has no finding, and each kind of mistake has its own. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import type { Finding } from '../../src/check/finding.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { RELEASE } from '../../src/lib/release.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import {
  addConfig,
  CONFIG,
  ENGINE,
  LOGIN_DUO_CONFIG,
  run,
  SOCKET,
  setUp,
  startDuo,
  startResident,
  until,
  useStack,
  writeConfig,
} from './machine.ts';

const SSHD = '/etc/ssh/sshd_config';
const SUDOERS = '/etc/sudoers.d/alice';
const MODULE = run('sh', '-c', 'ls /usr/lib/*/security/pam_unix.so').trim().replace('pam_unix', 'pam_duo_ts');
const SAVED = [
  '/etc/pam.d',
  '/etc/duo',
  SSHD,
  '/etc/sudoers.d',
  '/etc/sudo.conf',
  '/etc/login.defs',
  '/etc/hosts',
  '/etc/passwd',
];
const STORE = '/tmp/saved';
const PROGRAM = '/tmp/duo-ts';

let duo: Simulator;

/** Runs a copy of the program, which is there when the installed one is not. The simulated Duo runs in this process. */
async function check(...options: string[]) {
  const child = spawn(PROGRAM, ['check', ...options]);
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  return { status, stdout, stderr };
}

async function findings(): Promise<Finding[]> {
  const { stdout, stderr } = await check('--json');
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

const problems = (list: readonly Finding[]) => list.filter(({ level }) => level !== 'ok');

function edit(path: string, what: RegExp | string, by: string): void {
  const text = readFileSync(path, 'utf8');
  const changed = text.replace(what, by);
  if (changed === text) throw new Error(`${path} has no ${what}`);
  writeFileSync(path, changed);
}

const line = (service: string, by: string) => () =>
  edit(`/etc/pam.d/${service}`, /^auth.*pam_duo_ts\.so.*$/m, by);
const sshd = (text: string) => () => edit(SSHD, /^/, `${text}\n`);

test.before(async () => {
  setUp();
  for (const name of ['sudo', 'sudo-i', 'su', 'login', 'sshd']) useStack(name);
  rmSync('/etc/ssh/sshd_config.d', { recursive: true, force: true });
  mkdirSync('/run/sshd', { recursive: true });
  run('ssh-keygen', '-A');
  writeFileSync(
    SSHD,
    [
      'UsePAM yes',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication yes',
      'AuthenticationMethods keyboard-interactive publickey,keyboard-interactive',
      '',
    ].join('\n'),
  );
  copyFileSync(ENGINE, PROGRAM);
  chmodSync(PROGRAM, 0o755);
  // The simulated Duo listens at 127.0.0.1 only.
  edit('/etc/hosts', '::1 localhost\n', '');
  duo = await startDuo();
  for (const path of SAVED) cpSync(path, `${STORE}${path}`, { recursive: true, preserveTimestamps: true });
});

function restore(): void {
  for (const path of SAVED) {
    rmSync(path, { recursive: true, force: true });
    run('cp', '--archive', `${STORE}${path}`, path);
  }
}

test.after.always(() => duo.close());

test('a clean machine has no finding', async (t) => {
  const list = await findings();
  t.deepEqual(problems(list), []);
  for (const area of ['configuration', 'duo', 'engine', 'pam', 'sshd', 'sudo'])
    t.true(
      list.some((finding) => finding.area === area),
      area,
    );
  const { status, stdout, stderr } = await check();
  t.is(status, 0);
  t.is(stderr, '');
  t.regex(stdout, /ok {6}duo: Duo accepts ikey and skey\n/);
  t.regex(stdout, /\n0 errors, 0 warnings\.\n$/);
});

/** What breaks the machine, by the finding. A function that is returned repairs what `restore` does not. */
const MISTAKES: Readonly<Record<string, () => undefined | (() => void) | Promise<() => void>>> = {};
/** Names the finding; `id#2` is another way to the same finding. */
function mistake(name: string, damage: () => unknown, repair?: () => void): void {
  Object.assign(MISTAKES, {
    [name]: async () => {
      await damage();
      return repair;
    },
  });
}

mistake('no-configuration', () => rmSync(CONFIG));
mistake('not-a-file', () => {
  renameSync(CONFIG, `${CONFIG}.real`);
  symlinkSync(`${CONFIG}.real`, CONFIG);
});
mistake('wrong-owner', () => chownSync(CONFIG, 1, 0));
mistake('wrong-mode', () => chmodSync(CONFIG, 0o644));
mistake('unknown-option', () => addConfig('pushinfoo = yes'));
mistake('invalid-configuration', () => addConfig('failmode = open'));
mistake('invalid-configuration#2', () => writeConfig('[duo]\nhost = x\n'));
mistake('noverify', () => addConfig('noverify = yes'));
mistake('no-cafile', () => rmSync('/etc/duo/ca.pem'));
mistake('empty-cafile', () => writeFileSync('/etc/duo/ca.pem', ''));
mistake('writable-cafile', () => chmodSync('/etc/duo/ca.pem', 0o666));
mistake('unreadable-cafile', () => chmodSync('/etc/duo/ca.pem', 0o600));
mistake('groups-all-negated', () => addConfig('groups = !backup'));
mistake('group-unknown', () => addConfig('groups = *,!bakcup'));
mistake('gecos-editable', () => addConfig('send_gecos = yes'));
mistake('remember-nothing', () => addConfig('remember = 30m'));
const map = (text: string, mode = 0o644) => {
  writeFileSync('/etc/duo/users', text, { mode });
  addConfig('username_map = /etc/duo/users');
};
mistake('username-map', () => map('alice\n'));
mistake('username-map-unknown', () => map('nobody-at-all = x\n'));
mistake('username-map-unreadable', () => map('alice = alice\n', 0o600));
const keyFile = (text: string, mode: number) => {
  writeFileSync('/etc/duo/skey', text, { mode });
  edit(CONFIG, /^skey = .*$/m, 'skey_file = /etc/duo/skey');
};
mistake('skey-file', () => keyFile('two words\n', 0o600));
mistake('skey-file-unreadable', () => keyFile(`${duo.service.application.skey}\n`, 0o600));

const other = (what: RegExp, by: string) => () => edit(CONFIG, what, by);
mistake('dns', other(/^host = .*$/m, 'host = api-00000000.invalid'));
mistake('connection', other(/^host = .*$/m, 'host = 127.0.0.1:1'));
mistake('proxy', () => addConfig('http_proxy = http://127.0.0.1:1'));
mistake('duo-settings', () => addConfig('http_proxy = ftp://x'));
mistake('certificate', () =>
  writeFileSync('/etc/duo/ca.pem', readFileSync('/etc/ssl/certs/ca-certificates.crt')),
);
mistake('address', () =>
  edit('/etc/hosts', '127.0.0.1 localhost', '127.0.0.1 localhost\n127.0.0.9 localhost'),
);
mistake('keys', other(/^skey = .*$/m, `skey = ${'0'.repeat(40)}`));

mistake(
  'engine-missing',
  () => renameSync(ENGINE, `${ENGINE}.away`),
  () => renameSync(`${ENGINE}.away`, ENGINE),
);
mistake(
  'engine-writable',
  () => chmodSync('/usr/libexec/duo-ts', 0o777),
  () => chmodSync('/usr/libexec/duo-ts', 0o755),
);
mistake(
  'engine-readable',
  () => chmodSync(ENGINE, 0o755),
  () => chmodSync(ENGINE, 0o711),
);
mistake(
  'selinux-policy',
  () =>
    run(
      'sh',
      '-c',
      'mount -t tmpfs none /sys/fs && mkdir /sys/fs/selinux && echo 1 >/sys/fs/selinux/enforce',
    ),
  () => run('umount', '/sys/fs'),
);
mistake('no-user', () => edit('/etc/passwd', /^duo-private:.*\n/m, ''));
mistake(
  'engine-start',
  () => {
    renameSync(ENGINE, `${ENGINE}.away`);
    writeFileSync(ENGINE, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
  },
  () => renameSync(`${ENGINE}.away`, ENGINE),
);
const fake = (script: string) => () => {
  mkdirSync('/run/duo-ts', { recursive: true });
  spawnSync('sh', [
    '-c',
    `socat UNIX-LISTEN:${SOCKET},fork,mode=600 SYSTEM:'${script}' >/dev/null 2>&1 & echo $! >/tmp/socat`,
  ]);
  return until(() => existsSync(SOCKET));
};
const endFake = () => {
  run('sh', '-c', 'kill $(cat /tmp/socat)');
  rmSync('/run/duo-ts', { recursive: true, force: true });
};
mistake('resident-silent', fake('true'), endFake);
mistake(
  'resident-mode',
  () => {
    startResident();
    chmodSync(SOCKET, 0o666);
  },
  () => {
    run('pkill', '-f', 'engine --resident');
    rmSync('/run/duo-ts', { recursive: true, force: true });
  },
);
mistake(
  'resident-not-a-socket',
  () => {
    mkdirSync('/run/duo-ts', { recursive: true });
    writeFileSync(SOCKET, '');
  },
  () => rmSync('/run/duo-ts', { recursive: true }),
);
mistake(
  'resident-directory',
  () => {
    mkdirSync('/run/duo-ts', { recursive: true });
    writeFileSync(SOCKET, '');
    chmodSync('/run/duo-ts', 0o777);
  },
  () => rmSync('/run/duo-ts', { recursive: true }),
);

mistake('no-service', () => {
  for (const name of ['sudo', 'sudo-i', 'su', 'login', 'sshd']) line(name, '')();
});
mistake('companion', line('sudo-i', ''));
mistake('bypass', line('sudo', 'auth optional pam_duo_ts.so'));
mistake('bypass#2', line('sshd', 'auth [success=ok default=ignore] pam_duo_ts.so'));
mistake('bypass#3', line('login', 'auth sufficient pam_permit.so\nauth required pam_duo_ts.so'));
mistake('nobody-passes', line('sudo', 'auth required pam_duo_ts.so\nauth required pam_deny.so'));
mistake('asked-in-vain', () =>
  writeFileSync('/etc/pam.d/login', 'auth required pam_unix.so\nauth required pam_duo_ts.so\n'),
);
mistake('asked-twice', line('sudo', 'auth required pam_duo_ts.so\nauth required pam_duo_ts.so'));
mistake('missing-include', () => appendFileSync('/etc/pam.d/sudo', '@include common-duo\n'));
mistake('invalid-line', () => appendFileSync('/etc/pam.d/sudo', 'auht required pam_unix.so\n'));
mistake('duo-unix-too', line('sudo', 'auth required pam_duo_ts.so\nauth required pam_duo.so'));
mistake('wrong-type', () => appendFileSync('/etc/pam.d/sudo', 'account required pam_duo_ts.so\n'));
mistake(
  'module-missing',
  () => renameSync(MODULE, `${MODULE}.away`),
  () => renameSync(`${MODULE}.away`, MODULE),
);
mistake(
  'module-writable',
  () => chmodSync(MODULE, 0o666),
  () => chmodSync(MODULE, 0o644),
);
const patched = (what: string, by: string) => () => {
  copyFileSync(MODULE, `${MODULE}.saved`);
  writeFileSync(MODULE, readFileSync(MODULE, 'latin1').replaceAll(what, by), 'latin1');
};
const unpatch = () => renameSync(`${MODULE}.saved`, MODULE);
mistake('module-version', patched(`\0${RELEASE}\0`, `\0${RELEASE.replace(/\d$/, 'x')}\0`), unpatch);
mistake('missing-library', patched('libpam.so.0', 'libpax.so.0'), unpatch);
mistake('unknown-argument', line('sudo', 'auth required pam_duo_ts.so config=/etc/duo/x.conf'));
mistake('stack-writable', () => chmodSync('/etc/pam.d/sudo', 0o666));
mistake('no-configuration#2', line('sudo', 'auth required pam_duo_ts.so conf=/etc/duo/sudo.conf'));
mistake('engine-missing#2', line('sudo', 'auth required pam_duo_ts.so engine=/opt/duo-ts'));

mistake('sshd-invalid', sshd('Nonsense yes'));
mistake('usepam', sshd('UsePAM no'));
mistake('methods', sshd('AuthenticationMethods publickey keyboard-interactive'));
mistake('touch-not-required', () => addConfig('trusted_keys = sk-ssh-ed25519@openssh.com'));
mistake('sshd-invalid#2', sshd('KbdInteractiveAuthentication no'));
mistake('pubkeyauthentication', sshd('AuthenticationMethods any'));
mistake('never-asked', sshd('AuthenticationMethods any\nKbdInteractiveAuthentication no'));
mistake('password-method', sshd('AuthenticationMethods password\nPasswordAuthentication yes'));
mistake('grace-time', sshd('LoginGraceTime 30'));
mistake('force-command-missing', sshd('ForceCommand /usr/sbin/login_duo_ts'));
mistake('forwarding', sshd('ForceCommand /usr/sbin/login_duo'));
mistake('no-configuration#3', () => {
  sshd('ForceCommand /usr/sbin/login_duo\nDisableForwarding yes')();
  rmSync(LOGIN_DUO_CONFIG);
});
mistake('tunnel', sshd('ForceCommand /usr/sbin/login_duo\nDisableForwarding yes\nPermitTunnel yes'));
mistake(
  'login-duo-not-setuid',
  () => {
    copyFileSync('/usr/sbin/login_duo', '/usr/sbin/login_duo_ts');
    chmodSync('/usr/sbin/login_duo_ts', 0o755);
    sshd('ForceCommand /usr/sbin/login_duo_ts\nDisableForwarding yes')();
  },
  () => rmSync('/usr/sbin/login_duo_ts'),
);

const sudoers = (text: string) => () => appendFileSync(SUDOERS, `${text}\n`);
mistake('sudoers-invalid', sudoers('alice ALL=('));
mistake('nopasswd', sudoers('bert ALL=(ALL) NOPASSWD: /bin/ls'));
mistake('not-authenticate', sudoers('Defaults !authenticate'));
mistake('timestamp-timeout', sudoers('Defaults timestamp_timeout=-1'));
mistake('timestamp-global', sudoers('Defaults timestamp_type=global'));
mistake('pam-service', sudoers('Defaults pam_service=login'));
const sudoConf = (text: string) => () => writeFileSync('/etc/sudo.conf', `${text}\n`);
mistake('plugin-and-stack', sudoConf('Plugin duo_ts_approval duo_ts_approval.so'));
mistake('plugin-missing', sudoConf('Plugin duo_ts_approval /opt/duo_ts_approval.so'));

for (const [name, damage] of Object.entries(MISTAKES)) {
  test(`finds ${name.replace('#', ', way ')}`, async (t) => {
    const repair = await damage();
    try {
      const { status, stdout } = await check('--json');
      const found = problems(JSON.parse(stdout) as Finding[]);
      const [id] = name.split('#');
      t.true(
        found.some((finding) => finding.id === id),
        JSON.stringify(found, null, 1),
      );
      for (const { fix, text: what } of found) {
        t.true((fix ?? '') !== '', what);
        t.false(what.includes(duo.service.application.skey));
      }
      t.is(status, found.some(({ level }) => level === 'error') ? 2 : 1);
    } finally {
      repair?.();
      restore();
    }
  });
}

test('afterwards the machine is clean again', async (t) => t.deepEqual(problems(await findings()), []));

async function withDuo(
  t: ExecutionContext,
  options: Parameters<typeof startSimulator>[0],
): Promise<Finding[]> {
  const simulator = await startSimulator(options);
  writeFileSync('/etc/duo/ca.pem', simulator.ca);
  writeConfig(simulator.config('/etc/duo/ca.pem'));
  t.teardown(async () => {
    await simulator.close();
    restore();
  });
  return problems(await findings());
}

test('finds an expired certificate', async (t) => {
  const found = await withDuo(t, { certificate: 'expired' });
  t.deepEqual(
    found.map(({ id }) => id),
    ['certificate'],
  );
});

for (const [seconds, level] of [
  [20, 'warning'],
  [120, 'error'],
] as const) {
  test(`finds a clock that is ${seconds} seconds behind`, async (t) => {
    const clock = { ...systemClock, now: () => Date.now() + seconds * 1000 };
    const found = await withDuo(t, { clock });
    t.deepEqual(
      found.map(({ id, level: of }) => [id, of]),
      [['clock', level]],
    );
    t.regex(found[0]?.text ?? '', /clock is \d+ seconds behind Duo's/);
  });
}

test('only root can check', (t) => {
  const { status, stderr } = spawnSync('su', ['alice', '-c', `${PROGRAM} check`], { encoding: 'utf8' });
  t.is(status, 2);
  t.regex(stderr, /only root can read the configuration: sudo duo-ts check/);
});
