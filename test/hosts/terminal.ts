/** A program in a pseudo-terminal, and its user. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export const CTRL_C = '\x03';

export interface Ended {
  readonly status: number | null;
  readonly output: string;
}

export class Terminal {
  output = '';
  readonly #script: ChildProcess;
  readonly #ended: Promise<Ended>;
  #seen = 0;

  /** @param command a shell command line */
  constructor(command: string, env: NodeJS.ProcessEnv = {}) {
    const { PATH, LANG = 'C.UTF-8' } = process.env;
    this.#script = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH, LANG, TERM: 'dumb', SHELL: '/bin/sh', ...env },
    });
    this.#script.stdout?.on('data', (chunk: Buffer) => {
      this.output += chunk.toString('utf8').replaceAll('\r', '');
    });
    this.#ended = once(this.#script, 'close').then(([status]: unknown[]) => ({
      status: typeof status === 'number' ? status : null,
      output: this.output,
    }));
  }

  get pid(): number | undefined {
    return this.#script.pid;
  }

  /** Resolves when new output matches. @throws Error when the program ends before */
  async shows(pattern: RegExp): Promise<string> {
    const over = this.#ended.then(({ status }) => {
      throw new Error(`the program ended with ${status} and never showed ${pattern}:\n${this.output}`);
    });
    over.catch(() => {});
    for (;;) {
      const match = pattern.exec(this.output.slice(this.#seen));
      if (match !== null) {
        this.#seen += match.index + match[0].length;
        return match[0];
      }
      const { stdout } = this.#script;
      if (stdout === null) throw new Error('the terminal has no output');
      await Promise.race([once(stdout, 'data'), over]);
    }
  }

  type(text: string): void {
    this.#script.stdin?.write(text);
  }

  /** Types an answer if there is a prompt, and waits for the program's end. */
  async answering(question: RegExp, answer: string): Promise<Ended> {
    await this.shows(question).then(
      () => this.type(answer),
      () => {},
    );
    return this.#ended;
  }

  /**
   * Types ^C until the output shows `over`, and waits for the program's end: input typed before a prompt is
   * read gets lost where the reader flushes the terminal first, as sudo does.
   */
  async interrupted(over: RegExp): Promise<Ended> {
    const again = setInterval(() => this.type(CTRL_C), 500);
    this.type(CTRL_C);
    try {
      await this.shows(over);
    } finally {
      clearInterval(again);
    }
    return this.#ended;
  }

  /** Hangs up the terminal. */
  hangUp(): Promise<Ended> {
    this.#script.kill('SIGKILL');
    return this.#ended;
  }

  /** Waits for the program's end. */
  ended(): Promise<Ended> {
    return this.#ended;
  }
}
