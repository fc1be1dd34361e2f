/**
 * Draws the picture in README from a real login. `node scripts/picture.ts [FILE]` (docs/login.svg) makes a
 * private copy of this machine (test/hosts/enter.sh, as root), installs the project there, and logs in with
 * ssh and becomes root with sudo. The picture shows the terminal and the system log, and beside them what
 * the phone showed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { PASSWORD, pending, run, SystemLog, setUp, startDuo } from '../test/hosts/machine.ts';
import { Terminal } from '../test/hosts/terminal.ts';
import { type Line, terminalSvg } from './terminal-svg.ts';

const INSIDE = 'DUO_TS_PICTURE';
const SERVER = 'web1';
const SERVER_ADDRESS = '192.0.2.10';
const CLIENT_ADDRESS = '198.51.100.7';
const NAMESPACES = ['--mount', '--net', '--pid', '--uts', '--ipc', '--fork', '--kill-child'];

interface Recording {
  readonly transcript: string;
  readonly log: readonly string[];
  /** The push as the phone showed it. */
  readonly phone: Readonly<Record<string, string>>;
}

/** Runs this script again in a private machine; it writes the picture to standard output. */
function inPrivateMachine(): string {
  const args = [...NAMESPACES, '--propagation', 'private', 'test/hosts/enter.sh'];
  const { status, stdout, stderr, error } = spawnSync(
    'unshare',
    [...args, process.execPath, 'scripts/picture.ts'],
    { cwd: join(import.meta.dirname, '..'), encoding: 'utf8', env: { ...process.env, [INSIDE]: 'yes' } },
  );
  const end = stdout?.indexOf('<svg') ?? -1;
  if (error !== undefined || status !== 0 || end < 0) {
    const hint = process.getuid?.() === 0 ? '' : 'A private copy of this machine takes root. ';
    throw new Error(`${hint}${error?.message ?? stderr}`);
  }
  return stdout.slice(end);
}

/** A server address and a client address on the loopback, with host names as in a network. */
function network(): void {
  for (const address of [SERVER_ADDRESS, CLIENT_ADDRESS])
    run('ip', 'addr', 'add', `${address}/32`, 'dev', 'lo');
  run('hostname', SERVER);
  appendFileSync('/etc/hosts', `${SERVER_ADDRESS} ${SERVER}.example.test ${SERVER}\n`);
}

async function startSshd() {
  run('ssh-keygen', '-A');
  mkdirSync('/run/sshd', { recursive: true });
  mkdirSync('/etc/ssh/ssh_config.d', { recursive: true });
  writeFileSync(
    '/etc/ssh/sshd_config',
    `UsePAM yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication no\nPrintMotd no\nPrintLastLog no\nListenAddress ${SERVER_ADDRESS}\n`,
  );
  writeFileSync(
    '/etc/ssh/ssh_config.d/picture.conf',
    `Host *\n  BindAddress ${CLIENT_ADDRESS}\n  StrictHostKeyChecking no\n  LogLevel ERROR\n`,
  );
  const sshd = spawn('/usr/sbin/sshd', ['-D'], { stdio: 'ignore' });
  for (;;) {
    const socket = connect(22, SERVER_ADDRESS);
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return sshd;
    if (sshd.exitCode !== null) throw new Error(`sshd ended with ${sshd.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** alice logs in with a passcode, becomes root with a push, and leaves. */
async function record(): Promise<Recording> {
  setUp();
  network();
  // Hides the kernel version of this machine.
  rmSync('/etc/update-motd.d', { recursive: true, force: true });
  const log = await SystemLog.start();
  const duo = await startDuo({ users: { alice: { passcodes: ['628731'] } } }, 'pushinfo = yes');
  const sshd = await startSshd();
  try {
    const terminal = new Terminal("runuser -u bert -- env PS1='laptop$ ' bash --norc --noprofile -i");
    await terminal.shows(/laptop\$ $/);
    terminal.type(`ssh alice@${SERVER}\n`);
    await terminal.shows(/Password: $/);
    terminal.type(`${PASSWORD}\n`);
    await terminal.shows(/Passcode or option \(1-3\): $/);
    terminal.type('628731\n');
    await terminal.shows(/alice@web1:~\$ $/);
    terminal.type('sudo id -un\n');
    await terminal.shows(/password for alice: $/);
    terminal.type(`${PASSWORD}\n`);
    await terminal.shows(/Passcode or option \(1-3\): $/);
    terminal.type('1\n');
    const push = await pending(duo);
    await terminal.shows(/Pushed a login request/);
    push.approve();
    await terminal.shows(/root\n[\s\S]*\$ $/);
    await log.line(/sudo.*Successful Duo login/);
    const transcript = terminal.output;
    await terminal.hangUp();
    const { username, pushinfo } = push.occasion;
    return {
      transcript,
      log: log.lines.filter((line) => line.includes('Duo login')),
      phone: { user: username, ...pushinfo },
    };
  } finally {
    sshd.kill();
    log.stop();
    await duo.close();
  }
}

const PROMPT = /^(laptop\$ |alice@web1:~\$ )(.*)$/;
const QUESTION = /^(.*(?:Passcode or option \(1-3\): |[Pp]assword.*: ))(.*)$/;

function terminalLines({ transcript, phone }: Recording): Line[] {
  const shown = transcript.trimEnd().split('\n');
  // The shell waits for input; the picture is complete.
  if (PROMPT.exec(`${shown.at(-1)} `)?.[2] === '') shown.pop();
  return shown.map((line) => {
    const [, place, command] = PROMPT.exec(line) ?? [];
    if (place !== undefined)
      return [
        { text: place, ink: 'place' },
        { text: command ?? '', ink: 'typed' },
      ];
    const [, question, answer] = QUESTION.exec(line) ?? [];
    if (question !== undefined)
      return [
        { text: question, ink: 'plain' },
        { text: answer ?? '', ink: 'typed' },
      ];
    if (/^Pushed /.test(line))
      return [
        { text: line, ink: 'plain' },
        { text: `  ← on the phone: ${phone['Command']}, approved`, ink: 'aside' },
      ];
    return [{ text: line, ink: /^Success/.test(line) ? 'good' : 'plain' }];
  });
}

function logLines({ log }: Recording): Line[] {
  return log.map((line) => {
    const [, head = '', text = line] =
      /^(?:<\d+>)?(?:\w{3} [ \d]\d [\d:]{8} )?(.*?\]?: )(.*)$/.exec(line) ?? [];
    return [
      { text: head.replace(/\[\d+\]/, ''), ink: 'dim' },
      { text, ink: 'plain' },
    ];
  });
}

if (process.env[INSIDE] === 'yes') {
  const recording = await record();
  const svg = terminalSvg(
    [
      { title: `ssh alice@${SERVER}`, lines: terminalLines(recording) },
      { title: `the log of ${SERVER}`, lines: logLines(recording) },
    ],
    'A login with ssh: password, then a passcode of Duo. Then sudo: password, then a push that is approved on the phone. ' +
      'Below, the two lines that the log has of it.',
  );
  process.stdout.write(svg, () => process.exit(0));
} else {
  const file = process.argv[2] ?? 'docs/login.svg';
  try {
    writeFileSync(file, inPrivateMachine());
    process.stdout.write(`wrote ${file}\n`);
  } catch (error) {
    process.stderr.write(`picture: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}
