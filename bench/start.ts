/** Time from the start of a private engine to its first request, beside a Node that does nothing. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import { factsToFrame } from '../src/bridge/facts.ts';
import { encodeFrame, FrameType, PROTOCOL_VERSION } from '../src/bridge/frame.ts';
import { percentile } from './measure.ts';

/** Medians in milliseconds. */
export interface Start {
  readonly nothing: number;
  readonly request: number;
}

/** Milliseconds since 1970, the same in every process of this machine. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * @param config a pam_duo.conf of the simulated Duo
 * @param firstCall resolves to the time (wallClock()) of the first request since the last call
 */
export async function measureStart(
  config: string,
  user: string,
  firstCall: () => Promise<number>,
  rounds: number,
): Promise<Start> {
  const nothing: number[] = [];
  const request: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const idle = performance.now();
    spawnSync(process.execPath, ['-e', '0']);
    nothing.push(performance.now() - idle);

    await firstCall();
    const begin = wallClock();
    const engine = spawn(resolve('build/duo-ts'), ['engine'], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      env: {},
    });
    const ended = once(engine, 'exit');
    const socket = engine.stdio[3] as Duplex;
    socket.resume().on('error', () => {});
    socket.write(encodeFrame(FrameType.hostHello, [['version', PROTOCOL_VERSION]]));
    socket.write(facts(config, user));
    await ended;
    request.push((await firstCall()) - begin);
  }
  return { nothing: percentile(nothing, 0.5), request: percentile(request, 0.5) };
}

function facts(text: string, user: string): Buffer {
  return factsToFrame({
    program: 'pam',
    service: 'sshd',
    user,
    rhost: '192.0.2.10',
    silent: false,
    noConversation: false,
    callerUid: 0,
    account: { name: user, uid: 0, gecos: '' },
    config: { path: '/etc/duo/pam_duo.conf', text },
    hostName: 'host.example.test',
    deadline: 100_000,
  });
}
