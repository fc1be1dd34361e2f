/** A process of its own that a test stops: says when it has begun, and at the end of its input how long it stood still. */
import { once } from 'node:events';
import { Awake } from '../../src/lib/awake.ts';
import { systemClock } from '../../src/lib/clock.ts';

const awake = new Awake(systemClock);
process.stdout.write('begun\n');
await once(process.stdin.resume(), 'end');
process.stdout.write(`${awake.lost}\n`);
awake.stop();
