/**
 * duo-ts: the engine and the command-line tool in one. The engine comes first and by itself, so that a login loads
 * nothing that it does not need.
 */

/** Behind each of these names stands all of undici, which a login has no use for and a small memory limit no room. */
const UNUSED_GLOBALS = ['fetch', 'FormData', 'Headers', 'Request', 'Response', 'WebSocket', 'EventSource'];

async function main(): Promise<void> {
  if (process.argv[2] === 'engine' && process.argv.length === 3) {
    for (const name of UNUSED_GLOBALS) Reflect.deleteProperty(globalThis, name);
    const { runEngine } = await import('./engine.ts');
    await runEngine();
  } else {
    const { runCommands } = await import('./commands.ts');
    await runCommands(process.argv);
  }
}

void main();
