/** The first login after an idle time: systemd holds the socket and starts the engine on a connection. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Stacks } from './clients.ts';
import { percentile } from './measure.ts';
import { proportionalMiB } from './memory.ts';

export interface Cold {
  /** Milliseconds of the whole login, the engine's start included: the median. */
  readonly wall: number;
  /** Memory (PSS, MiB) of an idle engine that has served one login. */
  readonly idle: number;
}

/** Time after which an engine has freed the memory that its start needed, in milliseconds. */
const SETTLED_MS = 4000;

/** `systemd-socket-activate` takes the place of systemd, without the restrictions of the service unit. */
export async function measureCold(stacks: Stacks, rounds: number): Promise<Cold> {
  const walls: number[] = [];
  let idle = Number.NaN;
  for (let round = 0; round < rounds; round += 1) {
    rmSync(stacks.coldSocket, { force: true });
    const engine = spawn(
      'systemd-socket-activate',
      ['--listen', stacks.coldSocket, resolve('build/duo-ts'), 'engine', '--resident'],
      { stdio: 'ignore' },
    );
    const ended = once(engine, 'exit');
    while (!existsSync(stacks.coldSocket)) {
      if (engine.exitCode !== null) throw new Error(`systemd-socket-activate ended with ${engine.exitCode}`);
      await setTimeout(10);
    }
    const [login] = stacks.run('cold', 'sshd');
    if (login?.code !== 0) throw new Error(`a cold login ended with PAM code ${login?.code}`);
    walls.push(login.wall);
    if (round === rounds - 1) {
      await setTimeout(SETTLED_MS);
      idle = proportionalMiB([engine.pid ?? 0]);
    }
    engine.kill('SIGKILL');
    await ended;
  }
  return { wall: percentile(walls, 0.5), idle };
}
