/**
 * A process that a test stops: prints a line when it has started, and at the end of its input how long it
 * was stopped.
 */
import { once } from 'node:events';
import { systemClock } from '../../src/lib/clock.ts';
import { StallDetector } from '../../src/lib/stall-detector.ts';

const watch = StallDetector.of(systemClock).watch();
process.stdout.write('begun\n');
await once(process.stdin.resume(), 'end');
process.stdout.write(`${watch.lost}\n`);
watch.end();
