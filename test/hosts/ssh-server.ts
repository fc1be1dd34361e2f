/** A real sshd in the foreground. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';

const CONFIG = '/tmp/sshd_config';

export class SshServer {
  readonly #process: ChildProcess;
  readonly #ended: Promise<string>;

  private constructor(child: ChildProcess) {
    this.#process = child;
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    this.#ended = once(child, 'exit').then(([code, signal]: unknown[]) => `${code ?? signal}: ${said}`);
  }

  /**
   * Starts one and waits until it takes connections at `port` of 127.0.0.1.
   * @param lines of its configuration, besides its address
   * @throws Error with its words when it ends instead
   */
  static async start(port: number, lines: readonly string[]): Promise<SshServer> {
    writeFileSync(CONFIG, [`Port ${port}`, 'ListenAddress 127.0.0.1', ...lines, ''].join('\n'));
    const child = spawn('/usr/sbin/sshd', ['-D', '-f', CONFIG], { stdio: ['ignore', 'ignore', 'pipe'] });
    const server = new SshServer(child);
    while (!(await takesConnections(port))) {
      const later = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 20));
      const end = await Promise.race([server.#ended, later]);
      if (end !== undefined) throw new Error(`sshd ended with ${end}`);
    }
    return server;
  }

  /** Ends it, where it has not ended by itself. */
  async stop(): Promise<void> {
    this.#process.kill();
    await this.#ended;
  }
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const open = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return open;
}
