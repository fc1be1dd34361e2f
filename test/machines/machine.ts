/** One virtual machine: qemu without hardware virtualisation, and the agent inside. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Image, makeImage, type System } from './image.ts';

export interface MachineOptions {
  /** Added to the kernel's command line. */
  readonly kernel?: string;
}

export interface Ended {
  readonly status: number;
  readonly output: string;
}

/** Both are emulated. */
const QEMU = {
  amd64: { program: 'qemu-system-x86_64', machine: 'q35', cpu: 'max', console: 'ttyS0' },
  arm64: { program: 'qemu-system-aarch64', machine: 'virt', cpu: 'cortex-a72', console: 'ttyAMA0' },
} as const;

export class Machine {
  readonly #directory: string;
  readonly #qemu: ChildProcess;
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;
  readonly #console: Socket;
  #seen = 0;

  private constructor(directory: string, qemu: ChildProcess, socket: Socket) {
    this.#directory = directory;
    this.#qemu = qemu;
    this.#socket = socket;
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]();
    this.#console = createConnection(join(directory, 'console')).resume();
  }

  /** Boots and waits for the agent. */
  static async start(system: System, { kernel = '' }: MachineOptions = {}): Promise<Machine> {
    const image: Image = makeImage(system);
    const directory = mkdtempSync(join(tmpdir(), 'machine-'));
    const at = (name: string) => join(directory, name);
    execFileSync('qemu-img', [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-F',
      'raw',
      '-b',
      image.disk,
      at('disk.qcow2'),
    ]);
    const { program, machine: board, cpu, console } = QEMU[image.architecture];
    const qemu = spawn(
      program,
      [
        ...['-machine', board, '-accel', 'tcg,thread=multi', '-cpu', cpu, '-smp', '2', '-m', '1536'],
        ...['-nographic', '-nodefaults', '-no-user-config', '-no-reboot'],
        ...['-kernel', image.kernel, '-initrd', image.initrd],
        ...['-append', `root=/dev/vda rw console=${console} loglevel=1 panic=5 net.ifnames=0 ${kernel}`],
        ...['-drive', `file=${at('disk.qcow2')},if=virtio,cache=unsafe`],
        ...[
          '-chardev',
          `socket,id=console,path=${at('console')},server=on,wait=off,logfile=${at('console.log')}`,
        ],
        ...['-serial', 'chardev:console'],
        ...['-device', 'virtio-serial', '-chardev', `socket,id=agent,path=${at('agent')},server=on,wait=off`],
        ...['-device', 'virtserialport,chardev=agent,name=agent', '-device', 'virtio-rng-pci'],
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
    while (!existsSync(at('agent'))) await new Promise((next) => setTimeout(next, 20));
    const socket = createConnection(at('agent'));
    await once(socket, 'connect');
    const machine = new Machine(directory, qemu, socket);
    const died = once(qemu, 'exit').then(() => undefined);
    const first = await Promise.race([machine.#lines.next(), died]);
    if (first?.value !== 'ready')
      throw new Error(
        `the machine did not start:\n${readFileSync(at('console.log'), 'latin1').slice(-2000)}`,
      );
    return machine;
  }

  /** Types on the console when it shows a text. @returns what it has shown since */
  async type(after: RegExp, keys: string): Promise<string> {
    const shown = await this.shows(after);
    this.#seen += shown.length;
    this.#console.write(keys);
    return shown;
  }

  /** Waits until the console shows a text. */
  async shows(text: RegExp): Promise<string> {
    const path = join(this.#directory, 'console.log');
    for (;;) {
      const shown = readFileSync(path, 'latin1').slice(this.#seen);
      if (text.test(shown)) return shown;
      await new Promise((next) => setTimeout(next, 200));
    }
  }

  /** Runs a bash script as root. */
  async attempt(script: string): Promise<Ended> {
    this.#socket.write(`${Buffer.from(script).toString('base64')}\n`);
    const { value } = await this.#lines.next();
    if (typeof value !== 'string') throw new Error('the machine has stopped');
    const [status = '', output = ''] = value.split(' ');
    return { status: Number(status), output: Buffer.from(output, 'base64').toString('utf8') };
  }

  /** @throws Error with the script's output when it fails */
  async run(script: string): Promise<string> {
    const { status, output } = await this.attempt(`set -e\n${script}`);
    if (status !== 0) throw new Error(`${script}\nended with ${status}:\n${output}`);
    return output;
  }

  /** Ends at once, and removes the disk. */
  kill(): void {
    this.#qemu.kill('SIGKILL');
    this.#socket.destroy();
    this.#console.destroy();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
