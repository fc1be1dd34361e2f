/** The example program, compiled against the library as it was built or installed. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** @throws Error with the compiler's output */
export function compile(compiler: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${compiler} ${args.join(' ')}\n${stderr}`);
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program without a terminal: answers come from its standard input. */
export async function runWithout(
  terminal: { readonly input: string },
  program: string,
  args: readonly string[],
): Promise<Ran> {
  const child = spawn(program, args, { detached: true, stdio: 'pipe' });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    said.stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.stderr += chunk.toString();
  });
  // A program without prompts may have ended before it could read.
  child.stdin.on('error', () => {});
  child.stdin.end(terminal.input);
  const [status]: unknown[] = await once(child, 'close');
  return { status: typeof status === 'number' ? status : null, ...said };
}
