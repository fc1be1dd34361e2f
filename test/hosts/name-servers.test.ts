/**
 * Replies and failures of name servers for the API host. A remote name server is evidence of an unreachable
 * Duo. One on this host is not, since a user who takes all local ports keeps it from asking further.
 */
import test, { type ExecutionContext } from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { type Behaviour, startNameServer } from '../lib/name-server.ts';
import { duoIsAbsent, forgetLoginUid, nobodyComesIn, startDenyingDuo } from './attempts.ts';
import { residentAlone, SystemLog, setUp } from './machine.ts';
import { elsewhere, nameServer, OWN, REMOTE, setUpNetwork, useNameServers } from './network.ts';

const LOOPBACK = '127.0.0.53';
const DUO: Behaviour = ['127.0.0.1'];
const NXDOMAIN = 3;
const SERVFAIL = 2;
const DENIED = /Aborted Duo login for '\w+'.*: Your account is disabled/;

let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  forgetLoginUid();
  setUp('--setuid');
  log = await SystemLog.start();
  await setUpNetwork();
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  duo = await startDenyingDuo();
});
test.afterEach.always(() => duo.close());

/** No login succeeds, and the log says why the name cannot be looked up. */
function notLookedUp(t: ExecutionContext, reason: string): Promise<void> {
  const sentence = RegExp.escape(`: this host can't look up ${duo.host}: ${reason}`);
  return nobodyComesIn(t, log, new RegExp(`Error in Duo login for '\\w+'${sentence}$`));
}

function absent(t: ExecutionContext, reason: string): Promise<void> {
  return duoIsAbsent(t, log, `Couldn't connect to ${duo.host}:${duo.port}: ${reason}`);
}

for (const address of [REMOTE, OWN, LOOPBACK]) {
  test(`${address} resolves the name: Duo decides`, async (t) => {
    useNameServers(address);
    await nameServer(t, address, DUO);
    await nobodyComesIn(t, log, DENIED);
  });

  test(`${address} says that the name does not exist: Duo is unreachable`, async (t) => {
    useNameServers(address);
    await nameServer(t, address, NXDOMAIN);
    await absent(t, 'Name or service not known');
  });
}

test(`${LOOPBACK} accepts a connection and stays silent: denied`, async (t) => {
  useNameServers(LOOPBACK);
  await nameServer(t, LOOPBACK, 'silent', 'silent');
  await notLookedUp(t, `the name server ${LOOPBACK} does not answer`);
});

/** Replies that are evidence from a remote name server, and not from a local one. */
const FAILURES: readonly [string, (t: ExecutionContext, address: string) => Promise<void>, string][] = [
  ['says SERVFAIL', (t, address) => nameServer(t, address, SERVFAIL), 'says SERVFAIL'],
  ['does not run', async () => {}, "can't be reached: ECONNREFUSED"],
];
for (const [what, begin, words] of FAILURES) {
  test(`${REMOTE} ${what}: Duo is unreachable`, async (t) => {
    useNameServers(REMOTE);
    await begin(t, REMOTE);
    await absent(t, `the name server ${REMOTE} ${words}`);
  });

  for (const address of [OWN, LOOPBACK]) {
    test(`${address} ${what}: denied`, async (t) => {
      useNameServers(address);
      await begin(t, address);
      await notLookedUp(t, `the name server ${address} ${words}`);
    });
  }
}

test(`${REMOTE} is cut off: Duo is unreachable`, async (t) => {
  useNameServers(REMOTE);
  elsewhere('ip', 'route', 'add', 'blackhole', OWN);
  t.teardown(() => elsewhere('ip', 'route', 'del', 'blackhole', OWN));
  await absent(t, `the name server ${REMOTE} does not answer`);
});

test('no name server is configured: denied', async (t) => {
  useNameServers();
  await notLookedUp(t, "the name server 127.0.0.1 can't be reached: ECONNREFUSED");
});

if (residentAlone) {
  test('a resident engine uses its saved addresses when no name server answers', async (t) => {
    useNameServers(LOOPBACK);
    const here = { host: LOOPBACK, port: 53 };
    const server = await startNameServer({ ...here, udp: DUO });
    await nobodyComesIn(t, log, DENIED);
    server.close();
    // The next login looks up addresses again that did not lead to Duo.
    await duo.close();
    await absent(t, 'Failed to connect');
    const silent = await startNameServer({ ...here, udp: 'silent' });
    t.teardown(() => silent.close());
    duo = await startDenyingDuo(duo);
    await nobodyComesIn(t, log, DENIED);
    t.true(silent.asked() > 0);
  });
}
