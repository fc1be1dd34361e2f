/** `duo-ts check --login USER`: one real login through the real stack, with each step as it happens. */
import { cpSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { loadInstalledPamClient } from '../unix/installed.ts';
import { PamStyle } from '../unix/pam-client.ts';
import { readText, replaceFile } from './replace-file.ts';

const ENGINE = '/usr/libexec/duo-ts/duo-ts';

/** A copy of the stacks in which the module prints its log instead of writing it. */
function copyStacks(): string {
  const directory = mkdtempSync(join(tmpdir(), 'duo-ts-login-'));
  cpSync('/etc/pam.d', directory, { recursive: true, dereference: true });
  for (const path of globSync(join(directory, '*'))) {
    const text = readText(path) ?? '';
    replaceFile(path, text.replace(/^(?!\s*#)(.*\bpam_duo_ts\.so\b)(?!.*\bdebug\b)/gm, '$1 debug'));
  }
  return directory;
}

/** Reads one line from the terminal, or from a pipe; passwords are not shown. */
class Answers {
  readonly #lines: AsyncIterator<string>;
  readonly #close: () => void;
  #hidden = false;

  constructor() {
    const echo = new Writable({
      write: (chunk, _, done) => {
        if (!this.#hidden) process.stdout.write(chunk);
        done();
      },
    });
    const terminal = process.stdin.isTTY === true;
    const reader = createInterface({ input: process.stdin, ...(terminal ? { output: echo, terminal } : {}) });
    this.#lines = reader[Symbol.asyncIterator]();
    this.#close = () => reader.close();
  }

  async next(hidden: boolean): Promise<string | undefined> {
    this.#hidden = hidden;
    const { value, done } = await this.#lines.next();
    if (hidden) process.stdout.write('\n');
    return done ? undefined : String(value);
  }

  close(): void {
    this.#close();
  }
}

/** @returns whether the user would be in */
export async function tryLogin(user: string, service: string, rhost: string): Promise<boolean> {
  const pam = loadInstalledPamClient(ENGINE);
  const confdir = copyStacks();
  const answers = new Answers();
  const begin = performance.now();
  const say = (text: string) =>
    process.stdout.write(`${((performance.now() - begin) / 1000).toFixed(1).padStart(5)} s  ${text}\n`);
  say(`${service} asks PAM to authenticate ${user}`);
  try {
    const { code, message } = await pam.authenticate({ service, user, confdir, rhost }, async (messages) => {
      const given: string[] = [];
      for (const { style, text } of messages) {
        if (style === PamStyle.info || style === PamStyle.error) {
          if (text !== '') say(`says: ${text}`);
          given.push('');
          continue;
        }
        say(`asks: ${text}`);
        const answer = await answers.next(style === PamStyle.promptEchoOff);
        if (answer === undefined) return null;
        given.push(answer);
      }
      return given;
    });
    say(code === 0 ? `PAM_SUCCESS: ${user} is in` : `PAM code ${code} (${message}): ${user} is not in`);
    return code === 0;
  } finally {
    answers.close();
    rmSync(confdir, { recursive: true });
  }
}
