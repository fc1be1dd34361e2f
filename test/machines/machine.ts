/** One virtual machine: qemu without hardware virtualisation, and the agent inside. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Image, makeImage } from './image.ts';

export interface MachineOptions {
  /** Added to the kernel's command line. */
  readonly kernel?: string;
  /** A disk to start from; default: the image's. It is not changed. */
  readonly disk?: { readonly path: string; readonly format: 'raw' | 'qcow2' };
  /** An archive or other file that the machine sees as /dev/vdb. */
  readonly data?: string;
  /** The hardware clock, such as `1970-01-01`. */
  readonly clock?: string;
}

export interface Ended {
  readonly status: number;
  readonly output: string;
}

export class Machine {
  readonly #directory: string;
  readonly #qemu: ChildProcess;
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;

  private constructor(directory: string, qemu: ChildProcess, socket: Socket) {
    this.#directory = directory;
    this.#qemu = qemu;
    this.#socket = socket;
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  /** Boots and waits for the agent. */
  static async start(options: MachineOptions = {}): Promise<Machine> {
    const image: Image = makeImage();
    const directory = mkdtempSync(join(tmpdir(), 'machine-'));
    const at = (name: string) => join(directory, name);
    const { path = image.disk, format = 'raw' } = options.disk ?? {};
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', format, '-b', path, at('disk.qcow2')]);
    const qemu = spawn(
      'qemu-system-x86_64',
      [
        ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1536'],
        ...['-nographic', '-nodefaults', '-no-user-config', '-no-reboot'],
        ...['-kernel', image.kernel, '-initrd', image.initrd],
        ...['-append', `root=/dev/vda rw console=ttyS0 panic=5 net.ifnames=0 ${options.kernel ?? ''}`],
        ...['-drive', `file=${at('disk.qcow2')},if=virtio,cache=unsafe`],
        ...(options.data === undefined
          ? []
          : ['-drive', `file=${options.data},if=virtio,format=raw,readonly=on`]),
        ...['-serial', `file:${at('console.log')}`],
        ...['-device', 'virtio-serial', '-chardev', `socket,id=agent,path=${at('agent')},server=on,wait=off`],
        ...['-device', 'virtserialport,chardev=agent,name=agent', '-device', 'virtio-rng-pci'],
        ...(options.clock === undefined ? [] : ['-rtc', `base=${options.clock}`]),
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

  /** Powers off. @returns the disk, if it is to be kept */
  async stop(): Promise<string> {
    const ended = once(this.#qemu, 'exit');
    this.#socket.write(`${Buffer.from('systemctl poweroff --no-block').toString('base64')}\n`);
    await ended;
    this.#socket.destroy();
    return join(this.#directory, 'disk.qcow2');
  }

  /** Ends at once, and removes the disk. */
  kill(): void {
    this.#qemu.kill('SIGKILL');
    this.#socket.destroy();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
