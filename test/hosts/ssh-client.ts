/** ssh as a client of the tests: it gets its answers from a list. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';

export const ASK = '/tmp/ask';

/** Makes the program that records the prompts of ssh and answers them in order. */
export function makeAsk(): void {
  writeFileSync(
    ASK,
    `#!/bin/sh\nprintf '%s\\n' "$1" >>${ASK}.prompts\nhead -n 1 ${ASK}.answers\nsed -i 1d ${ASK}.answers\n`,
  );
  chmodSync(ASK, 0o755);
}

export interface Session {
  readonly status: number | null;
  readonly output: string;
  /** All prompts of ssh, joined. */
  readonly prompts: string;
}

/** Logs alice in and runs `id -un`. @param options of ssh, `NAME=VALUE` */
export async function ssh(
  port: number,
  methods: string,
  answers: readonly string[],
  ...options: string[]
): Promise<Session> {
  writeFileSync(`${ASK}.prompts`, '');
  writeFileSync(`${ASK}.answers`, answers.map((answer) => `${answer}\n`).join(''));
  const settings = [
    `PreferredAuthentications=${methods}`,
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'NumberOfPasswordPrompts=1',
    'ControlPath=none',
    ...options,
  ].flatMap((option) => ['-o', option]);
  const client = spawn(
    'ssh',
    ['-F', '/dev/null', '-p', String(port), ...settings, 'alice@127.0.0.1', 'id -un'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], SSH_ASKPASS: ASK, SSH_ASKPASS_REQUIRE: 'force', HOME: '/root' },
    },
  );
  let output = '';
  client.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  client.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [status]: unknown[] = await once(client, 'close');
  return {
    status: typeof status === 'number' ? status : null,
    output,
    prompts: readFileSync(`${ASK}.prompts`, 'utf8'),
  };
}
