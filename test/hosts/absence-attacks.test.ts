/**
 * Ways of a local user to make Duo seem unreachable. None lets that user in, or anybody else on the same
 * host.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { openUdp } from '../../src/duo/udp.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { ALICE, forgetLoginUid, nobodyComesIn, startDenyingDuo } from './attempts.ts';
import { run, SystemLog, setUp } from './machine.ts';
import { nameServer, REMOTE, setUpNetwork, useNameServers } from './network.ts';

const DENIED = /Aborted Duo login for '\w+'.*: Your account is disabled/;

let log: SystemLog;
let duo: Simulator;
const ends: (() => unknown)[] = [];

test.before(async () => {
  forgetLoginUid();
  setUp('--setuid');
  log = await SystemLog.start();
  await setUpNetwork();
  useNameServers(REMOTE);
  await nameServer({ teardown: (end) => ends.push(end) }, REMOTE, ['127.0.0.1']);
});
test.after.always(async () => {
  log.stop();
  for (const end of ends) await end();
});
test.beforeEach(async () => {
  duo = await startDenyingDuo();
});
test.afterEach.always(() => duo.close());

/**
 * A range of local ports, small enough to be bound quickly and too large for one process with the limit
 * below.
 */
const LOW = 40_000;
const HIGH = 40_299;
const DESCRIPTORS = 128;

/** Runs a program of test/hosts as alice; resolves to its first line. It ends with the test. */
async function asAlice(t: ExecutionContext, before: string, ...args: readonly unknown[]) {
  const command = `${before} exec ${ALICE} ${process.execPath} test/hosts/${args.join(' ')}`;
  const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  t.teardown(end);
  const [line]: unknown[] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  return { said: String(line).trim(), end };
}

/**
 * Binds all local ports as alice, with as many processes as needed. @returns a function that releases them
 */
async function takePorts(t: ExecutionContext, what: string, address: string, port?: number) {
  const range = 'net.ipv4.ip_local_port_range';
  const before = run('sysctl', '--values', range).trim();
  run('sysctl', '--quiet', '--write', `${range}=${LOW} ${HIGH}`);
  t.teardown(() => run('sysctl', '--quiet', '--write', `${range}=${before}`));
  const processes: Awaited<ReturnType<typeof asAlice>>[] = [];
  do {
    const limit = `ulimit -n ${DESCRIPTORS};`;
    processes.push(await asAlice(t, limit, 'ports.ts', what, address, LOW, HIGH, port ?? ''));
  } while (processes.at(-1)?.said === 'more');
  t.is(processes.at(-1)?.said, 'all');
  t.true(processes.length > 2);
  return async () => {
    for (const { end } of processes) await end();
  };
}

const NO_UDP = /Error in Duo login for '\w+': this host can't look up \S+: .*EADDRINUSE$/;

for (const address of ['127.0.0.2', '0.0.0.0', '::']) {
  test(`all UDP ports are bound at ${address}`, async (t) => {
    await takePorts(t, 'udp', address);
    await t.throwsAsync(openUdp('udp4'), { code: 'EADDRINUSE' });
    await nobodyComesIn(t, log, NO_UDP);
  });

  test(`all UDP ports are bound at ${address} and released a second later`, async (t) => {
    const letGo = await takePorts(t, 'udp', address);
    const timer = setTimeout(letGo, 1000);
    await nobodyComesIn(t, log, new RegExp(`${NO_UDP.source}|${DENIED.source}`));
    clearTimeout(timer);
  });
}

for (const what of ['listening', 'connected']) {
  test(`all TCP ports towards Duo are bound: ${what}`, async (t) => {
    await takePorts(t, what, what === 'connected' ? '127.0.0.1' : '127.0.0.2', duo.port);
    await t.throwsAsync(once(connect(duo.port, '127.0.0.1'), 'connect'), { code: 'EADDRNOTAVAIL' });
    await nobodyComesIn(
      t,
      log,
      /Error in Duo login for '\w+': this host can't open a connection: EADDRNOTAVAIL$/,
    );
  });
}
