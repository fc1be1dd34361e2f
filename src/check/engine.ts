/** The engine: its files and users, whether it starts, and whether the resident one answers. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createConnection, Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { encodeFrame, type Frame, FrameReader, FrameType, PROTOCOL_VERSION } from '../bridge/frame.ts';
import { RELEASE } from '../lib/release.ts';
import { Findings } from './finding.ts';
import { hasUser, readText, runProgram, statusOf } from './machine.ts';

const SOCKET = '/run/duo-ts/engine.sock';
const PRIVATE_USER = 'duo-private';
const RESIDENT_USER = 'duo';
const HELLO_MS = 8000;
const REINSTALL = 'Install the package again.';

/** @param program the engine, as the module starts it */
export async function checkEngine(program: string): Promise<Findings> {
  const findings = new Findings('engine');
  checkFiles(program, findings);
  for (const user of [PRIVATE_USER, RESIDENT_USER]) {
    if (!hasUser(user))
      findings.error(
        'no-user',
        `The system user ${user} does not exist`,
        'systemd-sysusers pam-duo-ts.conf, or install the package again.',
      );
  }
  const startable = !findings.list.some(({ level }) => level === 'error');
  checkPolicy(program, findings);
  if (startable) await checkPrivate(program, findings);
  await checkResident(findings);
  return findings;
}

function checkFiles(program: string, findings: Findings): void {
  const addon = join(dirname(program), 'unix.node');
  for (const path of [dirname(program), program, addon]) {
    const status = statusOf(path);
    if (status === undefined) {
      findings.error('engine-missing', `${path} does not exist`, REINSTALL);
    } else if (status.uid !== 0 || (status.mode & 0o022) !== 0) {
      findings.error(
        'engine-writable',
        `${path} can be changed by others than root, so the module does not start it`,
        `chown root ${path} && chmod go-w ${path}`,
      );
    }
  }
  const status = statusOf(program);
  if (status?.isFile() && (status.mode & 0o444) !== 0 && (status.mode & 0o044) !== 0)
    findings.warn(
      'engine-readable',
      `${program} is readable, so an engine can be traced by a process of its own user`,
      `chmod 711 ${program}`,
    );
}

/** Without the policy module an enforcing SELinux refuses the resident engine's socket. */
function checkPolicy(program: string, findings: Findings): void {
  if (readText('/sys/fs/selinux/enforce')?.trim() !== '1') return;
  const label = runProgram('stat', '--format=%C', program)?.stdout.trim() ?? '';
  if (label.includes(':duo_ts_exec_t:'))
    findings.ok('selinux-policy', 'SELinux is enforcing, with the policy module of the engine');
  else
    findings.error(
      'selinux-policy',
      `SELinux is enforcing, and ${program} has the label ${label} instead of duo_ts_exec_t`,
      '/usr/libexec/duo-ts/load-selinux',
    );
}

/** Starts an engine as the module does, and ends it after its greeting. */
async function checkPrivate(program: string, findings: Findings): Promise<void> {
  const id = (option: string) => Number(runProgram('id', option, PRIVATE_USER)?.stdout);
  const begin = performance.now();
  const child = spawn(program, ['engine'], {
    uid: id('-u'),
    gid: id('-g'),
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    words += chunk.toString('utf8');
  });
  const ended = Promise.withResolvers<string>();
  child.once('error', (error) => ended.resolve(error.message));
  child.once('exit', (code, signal) => ended.resolve(`it ends with ${signal ?? `status ${code}`}`));
  const socket = child.stdio[3];
  const answer = await Promise.race([
    socket instanceof Socket ? greet(socket) : Promise.resolve('it has no socket'),
    ended.promise.then(async (how) => {
      await new Promise((next) => setImmediate(next));
      return `${how}${words === '' ? '' : `: ${words.trim().split('\n')[0]}`}`;
    }),
  ]);
  child.kill('SIGKILL');
  if (typeof answer === 'string') {
    findings.error(
      'engine-start',
      `A private engine does not start: ${answer}`,
      'Something may forbid it, such as SELinux or AppArmor: see docs/troubleshooting.md.',
    );
    return;
  }
  judgeVersion(answer, 'The private engine', findings);
  findings.ok('private-engine', `A private engine answers after ${Math.round(performance.now() - begin)} ms`);
}

async function checkResident(findings: Findings): Promise<void> {
  const status = statusOf(SOCKET);
  const wanted = runProgram('systemctl', 'is-enabled', 'duo-ts.socket')?.stdout.trim() === 'enabled';
  if (status === undefined) {
    if (wanted && existsSync('/run/systemd/system'))
      findings.warn(
        'resident-down',
        `duo-ts.socket is enabled, but ${SOCKET} does not exist: each login starts a private engine`,
        'systemctl start duo-ts.socket; journalctl -u duo-ts.socket',
      );
    else findings.ok('resident-engine', 'There is no resident engine: each login starts a private one');
    return;
  }
  const directory = statusOf(dirname(SOCKET));
  if (directory === undefined || directory.uid !== 0 || (directory.mode & 0o022) !== 0) {
    findings.error(
      'resident-directory',
      `${dirname(SOCKET)} can be changed by others than root, so no login uses the resident engine`,
      `chown root ${dirname(SOCKET)} && chmod 755 ${dirname(SOCKET)}`,
    );
    return;
  }
  if (!status.isSocket()) {
    findings.error(
      'resident-not-a-socket',
      `${SOCKET} is not a socket`,
      `rm ${SOCKET} && systemctl restart duo-ts.socket`,
    );
    return;
  }
  if ((status.mode & 0o077) !== 0)
    findings.warn(
      'resident-mode',
      `${SOCKET} can be used by others than root`,
      'systemctl restart duo-ts.socket',
    );
  const begin = performance.now();
  const answer = await greet(createConnection(SOCKET));
  if (typeof answer === 'string') {
    findings.error(
      'resident-silent',
      `The resident engine does not answer: ${answer}`,
      'systemctl restart duo-ts.service; journalctl -u duo-ts',
    );
    return;
  }
  judgeVersion(answer, 'The resident engine', findings);
  findings.ok(
    'resident-engine',
    `The resident engine answers after ${Math.round(performance.now() - begin)} ms`,
  );
}

function judgeVersion(hello: Frame, who: string, findings: Findings): void {
  const version = hello.number('version');
  const release = hello.optionalText('release') ?? 'unknown';
  if (version !== PROTOCOL_VERSION || release !== RELEASE)
    findings.warn(
      'engine-version',
      `${who} is of release ${release}, this program of release ${RELEASE}`,
      'systemctl restart duo-ts.service, or install the package again.',
    );
}

/** Greets an engine. @returns its HELLO, or why there is none */
async function greet(socket: Socket): Promise<Frame | string> {
  const { promise, resolve } = Promise.withResolvers<Frame | string>();
  const reader = new FrameReader(65_536);
  const timer = setTimeout(() => resolve('no answer in time'), HELLO_MS);
  socket.once('error', (error) => resolve(error.message));
  socket.once('close', () => resolve('it closed the connection'));
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const frame of reader.push(chunk)) {
        if (frame.type === FrameType.engineHello) resolve(frame);
      }
    } catch (error) {
      resolve(error instanceof Error ? error.message : String(error));
    }
  });
  socket.write(
    encodeFrame(FrameType.hostHello, [
      ['version', PROTOCOL_VERSION],
      ['release', RELEASE],
    ]),
  );
  const answer = await promise;
  clearTimeout(timer);
  socket.destroy();
  return answer;
}
