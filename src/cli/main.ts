/**
 * duo-ts: the engine and the command-line tool in one. The engine comes first and by itself, so that a login loads
 * nothing that it does not need.
 */

/** Behind each of these names stands all of undici, which a login has no use for and a small memory limit no room. */
const UNUSED_GLOBALS = ['fetch', 'FormData', 'Headers', 'Request', 'Response', 'WebSocket', 'EventSource'];

async function main(): Promise<void> {
  if (process.argv[2] === 'engine') {
    for (const name of UNUSED_GLOBALS) Reflect.deleteProperty(globalThis, name);
  }
  if (process.argv[2] === 'engine' && process.argv.length === 3) {
    const { runEngine } = await import('./engine.ts');
    await runEngine();
  } else if (process.argv[2] === 'engine') {
    const { engineCommand } = await import('./engine-command.ts');
    await engineCommand().parseAsync(process.argv.slice(3), { from: 'user' });
  } else {
    const { runCommands } = await import('./commands.ts');
    await runCommands(process.argv);
  }
}

void main();
