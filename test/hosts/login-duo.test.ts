/** login_duo, setuid root, at a terminal and without one. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { atTerminal, INSIDE, LOGIN_DUO, launch, processes, SAY_INSIDE, start, status } from './launcher.ts';
import {
  addConfig as addConfigTo,
  ENGINE,
  engines,
  LOGIN_DUO_CONFIG,
  pending,
  residentAlone,
  run,
  SystemLog,
  setUp,
  startDuo,
  unix,
  until,
  withoutEngine,
  writeConfig,
} from './machine.ts';
import { CTRL_C } from './terminal.ts';
import { withPrivate } from './with-private.ts';

const ASKS = /Passcode or option \(1-3\): /;
const PROMPT = /\$ $/;
/** failmode=safe applies with the resident engine only, since alice could tamper with a private one. */
const FAILSAFE = residentAlone ? { status: 0, stdout: `${INSIDE}\n` } : { status: 1, stdout: '' };
const FAILSAFE_LINE = residentAlone
  ? /Failsafe Duo login for 'alice'/
  : /Error in Duo login for .alice.{1,200}failmode=safe does not hold for local callers/;
let log: SystemLog;
let duo: Simulator;

function addConfig(line: string): void {
  addConfigTo(line, LOGIN_DUO_CONFIG);
}

test.before(async () => {
  setUp('--setuid');
  log = await SystemLog.start();
  writeFileSync('/home/alice/.hushlogin', '');
  writeFileSync('/home/alice/.bash_profile', "PS1='$ '\nbind 'set enable-bracketed-paste off'\n");
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  duo = await startDuo({ users: { alice: { passcodes: ['123456', '123457'] }, ally: { phone: 'approve' } } });
});
test.afterEach.always(async (t) => {
  await duo.close();
  t.deepEqual(engines(), []);
  t.deepEqual(processes('login_duo'), []);
  t.deepEqual(processes('duo-ts-keeper'), []);
});

function phone(does: 'approve' | 'deny' | 'ask'): void {
  const { alice } = duo.service.users;
  if (alice !== undefined) alice.phone = does;
}

test.serial('a passcode opens a login shell', async (t) => {
  const terminal = atTerminal([]);
  await terminal.shows(ASKS);
  terminal.type('123456\n');
  await terminal.shows(/Success\. Logging you in\.\.\./);
  await terminal.shows(PROMPT);
  terminal.type('echo "$0 $-"; id -un; exit 3\n');
  const { output } = await terminal.ended();
  t.regex(output, /^-bash \w*i\w*$/m);
  t.regex(output, /^alice$/m);
  t.regex(output, /^left 3$/m);
  await log.line(/login_duo\[\d+\]: Successful Duo login for 'alice'$/);
});

test.serial('status messages appear while the phone is asked', async (t) => {
  const terminal = atTerminal([]);
  await terminal.shows(ASKS);
  terminal.type('1\n');
  await terminal.shows(/Pushed a login request to your device\.\.\./);
  (await pending(duo)).approve();
  await terminal.shows(PROMPT);
  terminal.type('exit\n');
  t.regex((await terminal.ended()).output, /^left 0$/m);
});

test.serial('input typed ahead after the answer goes to the shell', async (t) => {
  const terminal = atTerminal([]);
  await terminal.shows(ASKS);
  terminal.type(`123456\n${SAY_INSIDE}; exit\n`);
  const { output } = await terminal.ended();
  t.regex(output, new RegExp(`^${INSIDE}$`, 'm'));
});

test.serial('three wrong passcodes are denied, and the log names the Duo user', async (t) => {
  const terminal = atTerminal([]);
  for (const passcode of ['000001', '000002', '000003']) {
    await terminal.shows(ASKS);
    terminal.type(`${passcode}\n`);
  }
  const { output } = await terminal.ended();
  t.regex(output, /^left 1$/m);
  await until(() => log.lines.filter((line) => /Failed Duo login for 'alice'/.test(line)).length === 3);
});

test.serial('an answer longer than a factor is not a try and does not reach the shell', async (t) => {
  const terminal = atTerminal([]);
  await terminal.shows(ASKS);
  terminal.type(`${'1'.repeat(300)}\n`);
  t.regex((await terminal.ended()).output, /^left 1$/m);
  await log.line(/Error in Duo login for 'alice': Error gathering user response/);
});

test.serial('^C at the prompt denies and restores the terminal', async (t) => {
  const terminal = atTerminal([]);
  await terminal.shows(ASKS);
  terminal.type(CTRL_C);
  const { output } = await terminal.ended();
  t.regex(output, /^left 1$/m);
  t.regex(output, /[^-]icanon/);
  t.regex(output, /[^-]echo /);
  await log.line(/Aborted Duo login for 'alice': cancelled by SIGINT/);
});

test.serial('^C while the phone is asked denies', async (t) => {
  const terminal = atTerminal([]);
  await terminal.shows(ASKS);
  terminal.type('1\n');
  await pending(duo);
  terminal.type(CTRL_C);
  t.regex((await terminal.ended()).output, /^left 1$/m);
});

test.serial('^D at the prompt denies', async (t) => {
  const terminal = atTerminal([]);
  await terminal.shows(ASKS);
  terminal.type('\x04');
  t.regex((await terminal.ended()).output, /^left 1$/m);
  await log.line(/Error in Duo login for 'alice': Error gathering user response/);
});

test.serial('autopush: after a denied push the menu is shown', async (t) => {
  addConfig('autopush = yes');
  const terminal = atTerminal([]);
  await terminal.shows(/Autopushing login request to phone\.\.\./);
  (await pending(duo)).deny();
  await terminal.shows(ASKS);
  terminal.type('123456\n');
  await terminal.shows(PROMPT);
  terminal.type('exit\n');
  t.regex((await terminal.ended()).output, /^left 0$/m);
});

test.serial('autopush with prompts = 1 shows no menu', async (t) => {
  addConfig('autopush = yes\nprompts = 1');
  const terminal = atTerminal([]);
  (await pending(duo)).deny();
  t.regex((await terminal.ended()).output, /^left 1$/m);
});

test.serial('without a terminal: one silent push, then the command', async (t) => {
  const { finished } = start(['echo', 'a', "'b  c'", '$0']);
  const push = await pending(duo);
  push.approve();
  t.like(await finished, { status: 0, stdout: 'a b  c bash\n', stderr: '' });
});

test.serial('without a terminal: a denied push ends the login', async (t) => {
  phone('deny');
  t.like(await launch([SAY_INSIDE]), { status: 1, stdout: '', stderr: '' });
  t.is(duo.service.calls.filter(({ call }) => call === 'auth').length, 1);
});

test.serial('SSH_ORIGINAL_COMMAND at a terminal: no prompt', async (t) => {
  const terminal = atTerminal([], { env: { SSH_ORIGINAL_COMMAND: SAY_INSIDE } });
  (await pending(duo)).approve();
  const { output } = await terminal.ended();
  t.regex(output, /^got in\nleft 0$/m);
  t.notRegex(output, ASKS);
});

test.serial('the administrator’s command takes precedence over the client’s', async (t) => {
  phone('approve');
  const env = { SSH_ORIGINAL_COMMAND: 'echo mine' };
  t.is((await launch(['echo yours'], { env })).stdout, 'yours\n');
});

test.serial('the shell gets its user’s environment unchanged', async (t) => {
  phone('approve');
  const about = [
    'umask',
    'pwd',
    'ulimit -n',
    'grep -E "^(Sig(Ign|Blk)|NoNewPrivs|Groups|Uid|Gid)" /proc/self/status',
    // Listed by the shell itself: a pipe would appear among them.
    'echo /proc/self/fd/*',
    'echo "$MINE"; ! env | grep DUO_PASSCODE',
  ].join('; ');
  const before = `umask 027; ulimit -n 99; trap '' USR1 PIPE; exec 7</etc/hostname; cd /var`;
  const settings = { before, env: { MINE: 'kept', DUO_PASSCODE: '000000' } };
  const plain = await launch([about], {
    ...settings,
    program: '/bin/bash',
    before: `${before}; set -- /bin/bash -c "$2"; unset DUO_PASSCODE`,
  });
  const behind = await launch([about], settings);
  t.is(behind.stdout, plain.stdout);
  t.regex(behind.stdout, /^0027\n\/var\n99\n/);
  t.is(behind.status, 0);
});

test.serial('DUO_PASSCODE is used only with accept_env_factor', async (t) => {
  const env = { DUO_PASSCODE: '123456' };
  phone('deny');
  t.is((await launch([SAY_INSIDE], { env })).status, 1);
  addConfig('accept_env_factor = yes');
  t.like(await launch([`${SAY_INSIDE}; echo "\${DUO_PASSCODE-unset}"`], { env }), {
    status: 0,
    stdout: `${INSIDE}\nunset\n`,
  });
  t.like(await launch([SAY_INSIDE], { env: { DUO_PASSCODE: '999999' } }), { status: 1, stdout: '' });
});

test.serial('after a wrong DUO_PASSCODE the menu is shown', async (t) => {
  addConfig('accept_env_factor = yes');
  const terminal = atTerminal([], { env: { DUO_PASSCODE: '999999' } });
  await terminal.shows(/Reading \$DUO_PASSCODE\.\.\./);
  await terminal.shows(ASKS);
  terminal.type('123456\n');
  await terminal.shows(PROMPT);
  terminal.type('exit\n');
  t.regex((await terminal.ended()).output, /^left 0$/m);
});

test.serial('the message of the day, where it is configured and a terminal shows it', async (t) => {
  writeFileSync('/etc/motd', 'today is the day\n');
  phone('approve');
  addConfig('autopush = yes');
  const shown = async (args: string[]) => {
    const terminal = atTerminal(args);
    if (args.length === 0) {
      await terminal.shows(PROMPT);
      terminal.type('exit\n');
    }
    return /^today is the day$/m.test((await terminal.ended()).output);
  };
  t.false(await shown([]));
  addConfig('motd = yes');
  t.true(await shown([]));
  t.true(await shown(['true']));
  const original = atTerminal([], { env: { SSH_ORIGINAL_COMMAND: 'true' } });
  t.notRegex((await original.ended()).output, /today/);
  t.is((await launch(['true'])).stdout, '');
  writeFileSync('/etc/motd', '');
});

test.serial('the client address comes from SSH_CONNECTION, else from -h', async (t) => {
  phone('approve');
  addConfig('pushinfo = yes');
  await launch(['-h', '192.0.2.7', 'true']);
  await launch(['-h', '192.0.2.7', 'true'], { env: { SSH_CONNECTION: '192.0.2.9 4711 192.0.2.1 22' } });
  const auths = duo.service.calls.filter(({ call }) => call === 'auth');
  t.deepEqual(
    auths.map(({ form }) => form['ipaddr']),
    ['192.0.2.7', '192.0.2.9'],
  );
  t.regex(auths[0]?.form['pushinfo'] ?? '', /Command=true/);
  await log.line(/Successful Duo login for 'alice' from 192\.0\.2\.9$/);
});

test.serial('options end at the program', async (t) => {
  phone('approve');
  t.like(await launch(['echo', '-c', 'x', '-f', 'ally', '-v']), { status: 0, stdout: '-c x -f ally -v\n' });
  t.is(duo.service.calls.find(({ call }) => call === 'preauth')?.form['username'], 'alice');
});

test.serial('-v, and unknown options', async (t) => {
  t.like(await launch(['-v']), { status: 1, stdout: '', stderr: 'login_duo 0.1.0\n' });
  const usage = 'Usage: login_duo [-v] [-c config] [-d] [-f duouser] [-h host] [prog [args...]]\n';
  const { status, stderr } = await launch(['-x', 'true']);
  t.is(status, 1);
  t.true(stderr.endsWith(usage));
});

for (const args of [
  ['-c', LOGIN_DUO_CONFIG],
  ['-f', 'ally'],
  ['-d', '-f', 'alice'],
  ['-c', '/tmp/mine'],
]) {
  test.serial(`only root may specify ${args.join(' ')}`, async (t) => {
    t.like(await launch([...args, SAY_INSIDE]), {
      status: 1,
      stdout: '',
      stderr: 'Only root may specify -c or -f\n',
    });
    t.is(duo.service.calls.length, 0);
  });
}

test.serial('-f without a name', async (t) => {
  t.like(await launch(['-f', '', SAY_INSIDE], { user: 'root' }), {
    status: 1,
    stdout: '',
    stderr: 'need username to authenticate\n',
  });
});

test.serial('root may specify both', async (t) => {
  writeConfig(duo.config('/etc/duo/ca.pem'), '/root/other.conf');
  rmSync(LOGIN_DUO_CONFIG);
  t.like(await launch(['-c', '/root/other.conf', '-f', 'ally', SAY_INSIDE], { user: 'root' }), {
    status: 0,
    stdout: `${INSIDE}\n`,
  });
  await log.line(/Successful Duo login for 'ally' \(account 'root'\)$/);
});

test.serial('-d shows the log, and syslog still gets it', async (t) => {
  phone('approve');
  t.is(
    (await launch(['-d', 'true'])).stderr,
    `[6] Loading config file ${LOGIN_DUO_CONFIG}\n[6] Successful Duo login for 'alice'\n`,
  );
  await log.line(/login_duo\[\d+\]: Successful Duo login for 'alice'$/);
});

test.serial('a user without an account', async (t) => {
  t.like(await launch([SAY_INSIDE], { user: '4711' }), { status: 1, stdout: '', stderr: 'Who are you?\n' });
});

test.serial('the user duo-private is missing', async (t) => {
  const passwd = '/etc/passwd';
  copyFileSync(passwd, '/tmp/passwd');
  t.teardown(() => copyFileSync('/tmp/passwd', passwd));
  run('sed', '-i', '/^duo-private:/d', passwd);
  addConfig('failmode = safe');
  t.like(await launch([SAY_INSIDE]), { status: 1, stdout: '', stderr: "User 'duo-private' not found\n" });
});

test.serial('configurations that are refused with any failmode', async (t) => {
  rmSync(LOGIN_DUO_CONFIG);
  const refused = (stderr: string) => ({ status: 1, stdout: '', stderr: `${stderr}\n` });
  t.like(await launch([SAY_INSIDE]), refused(`Couldn't open ${LOGIN_DUO_CONFIG}: No such file or directory`));
  writeConfig(duo.config('/etc/duo/ca.pem', 'failmode = safe'), LOGIN_DUO_CONFIG);
  chmodSync(LOGIN_DUO_CONFIG, 0o640);
  t.like(await launch([SAY_INSIDE]), refused(`${LOGIN_DUO_CONFIG} must be readable only by user 'root'`));
  chmodSync(LOGIN_DUO_CONFIG, 0o600);
  chownSync(LOGIN_DUO_CONFIG, unix.userByName('alice')?.uid ?? -1, 0);
  t.like(await launch([SAY_INSIDE]), refused(`${LOGIN_DUO_CONFIG} must be readable only by user 'root'`));
});

test.serial(
  'configurations that are wrong: failmode decides, and standard error says what it is',
  async (t) => {
    const wrong = async (text: string) => {
      writeConfig(text, LOGIN_DUO_CONFIG);
      return launch([SAY_INSIDE]);
    };
    t.like(await wrong('[duo]\nhost = h\nfailmode = secure\n'), {
      status: 1,
      stdout: '',
      stderr: `Missing host, ikey, or skey in ${LOGIN_DUO_CONFIG}\n`,
    });
    t.like(await wrong('[duo]\nfailmode = safe\n'), {
      status: 1,
      stdout: '',
      stderr: `Missing host, ikey, or skey in ${LOGIN_DUO_CONFIG}; none of them is set, so every login is denied: restore the file or set them\n`,
    });
    const { status, stdout, stderr } = await wrong('[duo]\nhost = h\nfailmode = safe\nhots\n');
    t.like({ status, stdout }, FAILSAFE);
    t.regex(stderr, new RegExp(`^Parse error in ${LOGIN_DUO_CONFIG}, line 4\n`));
    await log.line(FAILSAFE_LINE);
  },
);

test.serial('Duo unreachable: failmode decides', async (t) => {
  duo.service.faults.add('*', { kind: 'status', status: 503 });
  t.like(await launch([SAY_INSIDE]), FAILSAFE);
  await log.line(FAILSAFE_LINE);
  addConfig('failmode = secure');
  t.like(await launch([SAY_INSIDE]), { status: 1, stdout: '' });
  await log.line(/Failsecure Duo login for 'alice': HTTP 503/);
});

test.serial('groups, and a Duo user name from GECOS', async (t) => {
  addConfig('groups = *,!alice');
  t.is((await launch([SAY_INSIDE])).stdout, `${INSIDE}\n`);
  await log.line(/User alice bypassed Duo 2FA due to user's UNIX group/);
  writeConfig(duo.config('/etc/duo/ca.pem', 'send_gecos = yes\ngecos_username_pos = 1'), LOGIN_DUO_CONFIG);
  run('usermod', '--comment', 'ally,room 5', 'alice');
  t.teardown(() => run('usermod', '--comment', '', 'alice'));
  t.is((await launch([SAY_INSIDE])).stdout, `${INSIDE}\n`);
  t.is(duo.service.calls.at(-1)?.form['username'], 'ally');
});

test.serial('without an engine every login is denied', async (t) => {
  addConfig('failmode = safe');
  withoutEngine(t);
  const { status, stdout, stderr } = await launch([SAY_INSIDE]);
  t.like({ status, stdout }, { status: 1, stdout: '' });
  t.regex(stderr, /Error in Duo login for 'alice': the engine can't be started/);
  await log.line(/Error in Duo login for 'alice': the engine can't be started/);
});

withPrivate('an engine that dies by a signal', async (t) => {
  const { finished } = start([SAY_INSIDE]);
  await pending(duo);
  for (const pid of engines()) process.kill(pid, 'SIGKILL');
  t.like(await finished, {
    status: 1,
    stdout: '',
    stderr: 'unprivileged process terminated by signal: 9\n',
  });
  await log.line(
    /Error in Duo login for 'alice': the engine ended without a verdict: it was killed by signal 9/,
  );
});

withPrivate('while the login waits, this process is its user’s for good', async (t) => {
  const { child, finished } = start([SAY_INSIDE]);
  const push = await pending(duo);
  const uid = String(unix.userByName('alice')?.uid);
  t.is(status(child.pid, 'Uid'), Array(4).fill(uid).join('\t'));
  t.is(status(child.pid, 'Gid'), Array(4).fill(uid).join('\t'));
  t.regex(status(child.pid, 'CapPrm'), /^0+$/);
  const keeper = processes('duo-ts-keeper')[0];
  const engineUser = String(unix.userByName('duo-private')?.uid);
  await until(() => status(keeper, 'Uid') === Array(4).fill(engineUser).join('\t'));
  push.approve();
  t.is((await finished).status, 0);
});

test.serial('the login ends when its terminal or pipe closes', async (t) => {
  const { child, finished } = start([SAY_INSIDE]);
  await pending(duo);
  child.stdin?.destroy();
  child.stdout?.destroy();
  t.is((await finished).status, 1);
  await log.line(/Aborted Duo login for 'alice': the connection is gone/);
});

withPrivate('not setuid: a user’s own account with a configuration of one’s own', async (t) => {
  const own = '/home/alice/login_duo';
  const config = '/home/alice/login_duo.conf';
  copyFileSync(LOGIN_DUO, own);
  chmodSync(own, 0o755);
  writeConfig(duo.config('/etc/duo/ca.pem', 'failmode = secure'), config);
  const { uid = -1, gid = -1 } = unix.userByName('alice') ?? {};
  const settings = { program: own };
  t.like(await launch(['-c', config, '-f', 'ally', SAY_INSIDE], settings), {
    status: 1,
    stderr: `Couldn't open ${config}: Permission denied\n`,
  });
  chownSync(config, uid, gid);
  t.is((await launch(['-c', config, '-f', 'ally', SAY_INSIDE], settings)).stdout, `${INSIDE}\n`);
  chmodSync(config, 0o644);
  t.like(await launch(['-c', config, '-f', 'ally', SAY_INSIDE], settings), {
    status: 1,
    stderr: `${config} must be readable only by user 'alice'\n`,
  });
  t.like(await launch([SAY_INSIDE], settings), {
    status: 1,
    stderr: `Couldn't open ${LOGIN_DUO_CONFIG}: Permission denied\n`,
  });
});

test.serial('setuid to a user other than root', async (t) => {
  const odd = '/tmp/odd';
  copyFileSync(LOGIN_DUO, odd);
  chownSync(odd, unix.userByName('bert')?.uid ?? -1, 0);
  chmodSync(odd, 0o4755);
  t.like(await launch([SAY_INSIDE], { program: odd }), {
    status: 1,
    stdout: '',
    stderr: 'login_duo may be setuid to root only\n',
  });
});

// Errors begin with ==; what valgrind has to say of system calls that it does not know begins with --.
test.serial('no memory error, in allowed and denied logins', async (t) => {
  // valgrind does not run setuid programs, and refuses to execute files that it cannot read.
  if (existsSync(ENGINE)) {
    chmodSync(ENGINE, 0o755);
    t.teardown(() => chmodSync(ENGINE, 0o711));
  }
  copyFileSync(LOGIN_DUO, '/root/login_duo');
  chmodSync('/root/login_duo', 0o755);
  const report = '/tmp/valgrind.log';
  const options = [
    '--quiet',
    '--leak-check=full',
    '--show-leak-kinds=definite',
    '--child-silent-after-fork=yes',
  ];
  const valgrind = (...args: string[]) =>
    launch([...options, `--log-file=${report}`, '/root/login_duo', ...args], {
      user: 'root',
      program: '/usr/bin/valgrind',
    });
  t.like(await valgrind('-f', 'ally', SAY_INSIDE), { status: 0, stdout: `${INSIDE}\n` });
  t.notRegex(readFileSync(report, 'utf8'), /^==/m);
  phone('deny');
  t.is((await valgrind('-f', 'alice', SAY_INSIDE)).status, 1);
  t.notRegex(readFileSync(report, 'utf8'), /^==/m);
});

withPrivate('installation: a login_duo that belongs to a package stays, unless it is to be replaced', (t) => {
  const packaged = 'the one of the package';
  const before = readFileSync(LOGIN_DUO);
  t.teardown(() => {
    writeFileSync(LOGIN_DUO, before);
    chmodSync(LOGIN_DUO, 0o4755);
  });
  const install = (...options: string[]) =>
    run('flock', 'build/install.lock', process.execPath, 'scripts/install-system.ts', 'install', ...options);
  rmSync(LOGIN_DUO);
  writeFileSync(LOGIN_DUO, packaged);
  t.regex(install(), /^kept \/usr\/sbin\/login_duo, which belongs to the package login-duo: /m);
  t.is(readFileSync(LOGIN_DUO, 'utf8'), packaged);
  install('--replace');
  t.deepEqual(readFileSync(LOGIN_DUO), before);
});

test.serial('installation: setuid only when requested, and kept by later ones', async (t) => {
  const DESTDIR = '/tmp/destination';
  const path = `${DESTDIR}${LOGIN_DUO}`;
  const script = (...args: string[]) =>
    run(
      'env',
      `DESTDIR=${DESTDIR}`,
      'flock',
      'build/install.lock',
      process.execPath,
      'scripts/install-system.ts',
      ...args,
    );
  const mode = () => statSync(path).mode & 0o7777;
  script('install');
  t.is(mode(), 0o755);
  script('install', '--setuid');
  t.is(mode(), 0o4755);
  script('install');
  t.is(mode(), 0o4755, 'an upgrade');
  mkdirSync(`${DESTDIR}/etc/ssh/sshd_config.d`, { recursive: true });
  writeFileSync(
    `${DESTDIR}/etc/ssh/sshd_config.d/duo.conf`,
    `Match Group staff\n  ForceCommand ${LOGIN_DUO}\n`,
  );
  t.throws(() => script('uninstall'), {
    message: /sshd_config\.d\/duo\.conf: login_duo is still in use there/,
  });
  t.is(mode(), 0o4755);
  script('uninstall', '--force');
  t.false(existsSync(path));
  rmSync(DESTDIR, { recursive: true });
});
