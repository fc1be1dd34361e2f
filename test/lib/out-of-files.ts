/**
 * A process that looks for Duo at a name that does not exist: once without free descriptors, once with
 * some.
 */
import { closeSync, openSync } from 'node:fs';
import { createClient } from '../../src/duo/client.ts';
import { DuoError } from '../../src/duo/errors.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { Secret } from '../../src/lib/secret.ts';

async function ask(when: string): Promise<void> {
  const client = createClient({
    host: 'nowhere.invalid',
    port: 443,
    ikey: 'DI',
    skey: new Secret('x'),
    trust: { kind: 'none' },
    timeout: 0,
    userAgent: 'x',
    clock: systemClock,
    notify: () => {},
  });
  const error: unknown = await client.ping(new AbortController().signal).catch((reason: unknown) => reason);
  const said = error instanceof DuoError ? `${error.code} ${error.message}` : String(error);
  process.stdout.write(`${when}: ${said}\n`);
}

const taken: number[] = [];
// What is written once is there from now on.
process.stdout.write('\n');
try {
  for (;;) taken.push(openSync('/dev/null', 'r'));
} catch {
  await ask('without files');
}
for (const fd of taken) closeSync(fd);
await ask('with files');
