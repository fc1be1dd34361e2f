/**
 * duo-ts: the engine and the command-line tool in one program. The parts are loaded on demand, so that a login loads
 * only what it needs.
 */
import { isSea } from 'node:sea';
import { loadPart } from './parts.ts';
import { giveUpProcesses } from './permissions.ts';

/** Each of these globals loads undici, which a login does not use and a small memory limit cannot hold. */
const UNUSED_GLOBALS = ['fetch', 'FormData', 'Headers', 'Request', 'Response', 'WebSocket', 'EventSource'];

async function main(): Promise<void> {
  const [, , command, ...more] = process.argv;
  if (command === 'engine') {
    giveUpProcesses();
    for (const name of UNUSED_GLOBALS) Reflect.deleteProperty(globalThis, name);
  }
  if (command === 'engine' && more.length === 0) {
    const part = isSea() ? loadPart<typeof import('./engine.ts')>('engine') : await import('./engine.ts');
    await part.runEngine();
  } else if (command === 'engine') {
    const part = isSea()
      ? loadPart<typeof import('./engine-command.ts')>('engine-command')
      : await import('./engine-command.ts');
    await part.engineCommand().parseAsync(more, { from: 'user' });
  } else {
    const part = isSea()
      ? loadPart<typeof import('./commands.ts')>('commands')
      : await import('./commands.ts');
    await part.runCommands(process.argv);
  }
}

void main();
