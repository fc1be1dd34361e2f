/** A Debian in a directory, with real sshd and sudo, in which packages are installed and used. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { Terminal } from '../hosts/terminal.ts';
import { aptOptions, debianSources } from './apt.ts';

export const PASSWORD = 'correct horse';
/** Duo's question. */
export const CHOOSE = /Passcode or option \(1-\d\): /;
const CONFIG = '/etc/duo/pam_duo.conf';

/** Real applications, and what the packages depend on, so that apt needs no network in the tree. */
const INCLUDED = [
  'openssh-server',
  'sudo',
  'libpam-duo',
  'login-duo',
  'libatomic1',
  'systemd-standalone-sysusers',
  'ca-certificates',
];

/** Paths that differ between two runs of apt, or that packages rightly leave: logs, caches and users. */
const VOLATILE = [
  /^\/(dev|proc|run|sys|tmp|home|root|srv)\//,
  /^\/var\/(cache|log|tmp|lib\/(apt|dpkg|pam|systemd))\//,
  /^\/etc\/(g?shadow|passwd|group|subuid|subgid)-?$/,
  /^\/etc\/(ld\.so\.cache|\.pwd\.lock|ssh\/ssh_host_.*)$/,
];

/** The archive of a new system, made once for each recipe. */
function archive(suite: string, architecture: string, more: readonly string[]): string {
  const included = [...INCLUDED, ...more];
  const recipe = JSON.stringify([suite, architecture, included]);
  const digest = createHash('sha256').update(recipe).digest('hex').slice(0, 16);
  const path = resolve(`build/trees/${suite}-${architecture}-${digest}.tar`);
  if (existsSync(path)) return path;
  mkdirSync('build/trees', { recursive: true });
  execFileSync(
    'mmdebstrap',
    [
      '--quiet',
      '--mode=root',
      '--format=tar',
      '--variant=minbase',
      `--architectures=${architecture}`,
      `--include=${included.join(',')}`,
      `--aptopt=${aptOptions()}`,
      suite,
      `${path}.new`,
      '-',
    ],
    { input: debianSources(suite), stdio: ['pipe', 'ignore', 'inherit'] },
  );
  execFileSync('mv', [`${path}.new`, path]);
  return path;
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

export class Tree {
  readonly root: string;
  readonly port: number;
  readonly duo: Simulator;
  #sshd: ChildProcess | undefined;

  private constructor(root: string, port: number, duo: Simulator) {
    this.root = root;
    this.port = port;
    this.duo = duo;
  }

  /** A new system with the users alice and root, a running sshd, and a simulated Duo that approves alice's and root's pushes. */
  static async make(suite: string, architecture = 'amd64', more: readonly string[] = []): Promise<Tree> {
    const root = mkdtempSync(join(tmpdir(), `${suite}-`));
    chmodSync(root, 0o755);
    execFileSync('tar', ['--extract', '--file', archive(suite, architecture, more), '--directory', root]);
    const push = { status: 'auth', phone: 'approve' } as const;
    const duo = await startSimulator({ users: { alice: { ...push, passcodes: ['123456'] }, root: push } });
    const tree = new Tree(root, await freePort(), duo);
    tree.#mount();
    tree.run('useradd', '--create-home', '--shell', '/bin/bash', 'alice');
    for (const user of ['alice', 'root']) tree.run('sh', '-c', `echo '${user}:${PASSWORD}' | chpasswd`);
    tree.write('/etc/sudoers.d/alice', 'alice ALL=(ALL) ALL\nDefaults:alice timestamp_timeout=0\n', 0o440);
    tree.write('/etc/motd', '');
    tree.run('ssh-keygen', '-A');
    await tree.#startSshd();
    return tree;
  }

  #mount(): void {
    const mount = (...args: string[]) => execFileSync('mount', args);
    const at = (path: string) => join(this.root, path);
    mount('-t', 'proc', 'proc', at('proc'));
    mount('--rbind', '/sys', at('sys'));
    mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', at('dev'));
    for (const name of ['pts', 'shm']) mkdirSync(at(`dev/${name}`), { mode: 0o777 });
    chmodSync(at('dev/shm'), 0o1777);
    for (const node of ['null', 'zero', 'full', 'random', 'urandom', 'tty']) {
      writeFileSync(at(`dev/${node}`), '');
      mount('--bind', `/dev/${node}`, at(`dev/${node}`));
    }
    mount('-t', 'devpts', '-o', 'newinstance,ptmxmode=0666,mode=620,gid=5', 'devpts', at('dev/pts'));
    execFileSync('ln', ['-s', 'pts/ptmx', at('dev/ptmx')]);
    execFileSync('ln', ['-s', '/proc/self/fd', at('dev/fd')]);
    this.write('/etc/hosts', '127.0.0.1 localhost\n::1 localhost\n');
    this.write('/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', 0o755);
  }

  async #startSshd(): Promise<void> {
    mkdirSync(join(this.root, 'run/sshd'), { recursive: true });
    const options = {
      Port: String(this.port),
      ListenAddress: '127.0.0.1',
      UsePAM: 'yes',
      PermitRootLogin: 'yes',
      PasswordAuthentication: 'no',
      KbdInteractiveAuthentication: 'yes',
    };
    const args = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    this.#sshd = spawn('chroot', [this.root, '/usr/sbin/sshd', '-D', '-e', '-f', '/dev/null', ...args], {
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    for (;;) {
      const socket = connect(this.port, '127.0.0.1');
      const open = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      socket.destroy();
      if (open) return;
      if (this.#sshd.exitCode !== null) throw new Error(`sshd ended with ${this.#sshd.exitCode}`);
      await new Promise((next) => setTimeout(next, 50));
    }
  }

  /** Starts the installed resident engine and waits until it listens. */
  async startResident(): Promise<ChildProcess> {
    const engine = spawn('chroot', [this.root, '/usr/libexec/duo-ts/duo-ts', 'engine', '--resident'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    while (!this.has('/run/duo-ts/engine.sock')) {
      if (engine.exitCode !== null) throw new Error(`the engine ended with ${engine.exitCode}`);
      await new Promise((next) => setTimeout(next, 50));
    }
    return engine;
  }

  /** Runs a program in the tree without a terminal. */
  attempt(program: string, ...args: string[]) {
    const { status, stdout, stderr } = spawnSync('chroot', [this.root, program, ...args], {
      encoding: 'utf8',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' },
    });
    return { status, output: stdout + stderr };
  }

  /** @throws Error with the program's output when it fails */
  run(program: string, ...args: string[]): string {
    const { status, output } = this.attempt(program, ...args);
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status}\n${output}`);
    return output;
  }

  /** A shell command of a user over ssh, at a terminal. */
  ssh(user: string, command: string): Terminal {
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
    const args = options.map((option) => `-o ${option}`).join(' ');
    return new Terminal(`ssh -tt ${args} -p ${this.port} ${user}@127.0.0.1 '${command}'`);
  }

  /** A login over ssh: with Duo the user answers with a push. */
  async login(t: ExecutionContext, user: string, duo: boolean): Promise<void> {
    const terminal = this.ssh(user, 'echo welcome $((1+1))');
    await terminal.shows(/assword: /);
    terminal.type(`${PASSWORD}\n`);
    if (duo) {
      await terminal.shows(CHOOSE);
      terminal.type('1\n');
    }
    const { output } = await terminal.ended();
    t.regex(output, /welcome 2/);
    t.is(CHOOSE.test(output), duo, output);
  }

  /** sudo in alice's login over ssh; with Duo both ask. */
  async sudo(t: ExecutionContext, duo: boolean): Promise<void> {
    const terminal = this.ssh('alice', 'sudo id');
    for (let logins = 0; logins < 2; logins += 1) {
      await terminal.shows(/assword[^\n]*: /);
      terminal.type(`${PASSWORD}\n`);
      if (!duo) continue;
      await terminal.shows(CHOOSE);
      terminal.type('1\n');
    }
    t.regex((await terminal.ended()).output, /uid=0\(root\)/);
  }

  /** A shell command of a user at a terminal in the tree. */
  as(user: string, command: string): Terminal {
    return new Terminal(`chroot ${this.root} su - ${user} -c '${command}'`);
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  mode(path: string): string {
    const { mode, uid, gid } = lstatSync(join(this.root, path));
    return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  write(path: string, text: string, mode = 0o644): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    rmSync(join(this.root, path), { force: true });
    writeFileSync(join(this.root, path), text, { mode });
  }

  append(path: string, text: string): void {
    appendFileSync(join(this.root, path), text);
  }

  /** Installs package files. */
  install(paths: readonly string[]): void {
    const to = paths.map((path) => join('/srv', basename(path)));
    paths.forEach((path, at) => {
      copyFileSync(path, join(this.root, to[at] ?? ''));
    });
    this.run('dpkg', '--install', ...to);
  }

  /** Lets apt install from a signed repository in a directory of this machine. */
  addRepository(directory: string): void {
    const to = join(this.root, 'srv/repository');
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(directory)) copyFileSync(join(directory, name), join(to, name));
    this.write(
      '/etc/apt/sources.list',
      'deb [signed-by=/srv/repository/pam-duo-ts.asc] file:/srv/repository ./\n',
    );
    this.run('apt-get', 'update');
  }

  /** Writes the simulated Duo's values into the installed configuration, as an administrator would. */
  configure(path = CONFIG): void {
    this.write('/etc/duo/ca.pem', this.duo.ca);
    this.write(path, this.duo.config('/etc/duo/ca.pem'), 0o600);
  }

  /** Every path in the tree, but those that change anyway. */
  files(): string[] {
    const list = execFileSync('find', [this.root, '-xdev', '-printf', '/%P\\n'], { encoding: 'utf8' });
    return list
      .split('\n')
      .filter((path) => !VOLATILE.some((pattern) => pattern.test(`${path}/`) || pattern.test(path)))
      .sort();
  }

  async close(): Promise<void> {
    this.#sshd?.kill();
    await this.duo.close();
    execFileSync('sh', [
      '-c',
      'for m in dev/pts dev sys proc; do umount -R -l "$1/$m" || true; done',
      'sh',
      this.root,
    ]);
    rmSync(this.root, { recursive: true, force: true });
  }
}
