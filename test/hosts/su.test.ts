/** Real su, setuid root, called by an unprivileged user: at a terminal, and with limits of that user's choice. */
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import {
  addConfig,
  PASSWORD,
  pending,
  SystemLog,
  setUp,
  startDuo,
  useStack,
  withoutEngine,
} from './machine.ts';
import { Terminal } from './terminal.ts';

let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  setUp();
  log = await SystemLog.start();
});
test.after.always(() => log.stop());
test.beforeEach(() => log.clear());
test.afterEach.always(() => duo.close());

const USERS = { alice: { passcodes: ['123456'] }, bert: { passcodes: ['654321'] } };

function su(target: string): Terminal {
  return new Terminal(`runuser -u alice -- su ${target} -c 'id -un'`);
}

async function passPassword(terminal: Terminal): Promise<void> {
  await terminal.shows(/Password: /);
  terminal.type(`${PASSWORD}\n`);
}

test('to root: the caller authenticates', async (t) => {
  duo = await startDuo({ users: USERS });
  const terminal = su('root');
  await passPassword(terminal);
  await terminal.shows(/Duo two-factor login for alice[\s\S]*Passcode or option \(1-3\): /);
  terminal.type('1\n');
  const push = await pending(duo);
  t.is(push.occasion.username, 'alice');
  push.approve();
  const { output, status } = await terminal.ended();
  t.regex(output, /Success\. Logging you in\.\.\.\nroot\n$/);
  t.is(status, 0);
  await log.line(/su.*Successful Duo login for 'alice'/);
});

test('to root with a login shell: the caller authenticates', async (t) => {
  duo = await startDuo({ users: USERS });
  useStack('su', 'su-l');
  const terminal = su('- root');
  await passPassword(terminal);
  await terminal.shows(/Duo two-factor login for alice[\s\S]*Passcode or option \(1-3\): /);
  terminal.type('123456\n');
  const { output, status } = await terminal.ended();
  t.regex(output, /\nroot\n$/);
  t.is(status, 0);
  await log.line(/pam_duo_ts\(su-l:auth\): Successful Duo login for 'alice'/);
});

test('to root: a caller denied by Duo is refused', async (t) => {
  duo = await startDuo({ users: { alice: { status: 'deny' }, root: { status: 'allow' } } });
  const terminal = su('root');
  await passPassword(terminal);
  const { output, status } = await terminal.ended();
  t.notRegex(output, /^root$/m);
  t.regex(output, /Your account is disabled and cannot access this application\./);
  t.not(status, 0);
  await log.line(/su.*Aborted Duo login for 'alice': Your account is disabled/);
});

test('to another user: that user authenticates', async (t) => {
  duo = await startDuo({ users: USERS });
  const terminal = su('bert');
  await passPassword(terminal);
  await terminal.shows(/Duo two-factor login for bert[\s\S]*Passcode or option \(1-3\): /);
  terminal.type('654321\n');
  const { output, status } = await terminal.ended();
  t.regex(output, /\nbert\n$/);
  t.is(status, 0);
});

test('to another user: three wrong passcodes are denied', async (t) => {
  duo = await startDuo({ users: USERS });
  const terminal = su('bert');
  await passPassword(terminal);
  for (let tries = 0; tries < 3; tries += 1) {
    await terminal.shows(/Passcode or option \(1-3\): /);
    terminal.type('111111\n');
  }
  const { output, status } = await terminal.ended();
  t.notRegex(output, /^bert$/m);
  t.not(status, 0);
});

test('without an engine su is denied', async (t) => {
  duo = await startDuo({ users: USERS }, 'failmode = safe');
  withoutEngine(t);
  for (const target of ['root', 'bert']) {
    const terminal = su(target);
    await passPassword(terminal);
    const { output, status } = await terminal.ended();
    t.notRegex(output, new RegExp(`^${target}$`, 'm'));
    t.not(status, 0);
  }
  await log.line(/Error in Duo login for 'root': the engine can't be started/);
});

/** Limits that a user may set before calling su, from nothing to plenty. */
const LIMITS: Readonly<Record<string, readonly (number | string)[]>> = {
  n: [0, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 24, 32, 48, 64, 256],
  v: [20_000, 50_000, 100_000, 300_000, 1_000_000, 5_000_000, 40_000_000],
  u: [0, 1, 2, 5, 10, 20, 50],
  f: [0, 1, 8],
  t: [0, 1, 2],
};
for (const [limit, values] of Object.entries(LIMITS)) {
  test(`no value of ulimit -${limit} lets in a user denied by Duo`, async (t) => {
    duo = await startDuo({ users: { bert: { status: 'deny' }, alice: { status: 'deny' } } });
    addConfig('failmode = safe');
    for (const value of values) {
      // bash, since dash has no ulimit -u. With few processes nothing may be forked before su either.
      const { output } = await new Terminal(
        `runuser -u alice -- bash -c 'ulimit -${limit} ${value} || echo not set; exec su bert -c "echo came in"'`,
      ).answering(/Password: /, `${PASSWORD}\n`);
      t.notRegex(output, /^came in$/m, `ulimit -${limit} ${value}`);
      t.notRegex(output, /not set/, `ulimit -${limit} ${value}`);
    }
  });
}

test('common limits do not lock out an approved user', async (t) => {
  duo = await startDuo({ users: { bert: { status: 'allow' } } }, 'failmode = secure');
  const { output } = await new Terminal(
    `runuser -u alice -- sh -c 'ulimit -n 64; ulimit -f 0; ulimit -t 30; su bert -c "echo came in"'`,
  ).answering(/Password: /, `${PASSWORD}\n`);
  t.regex(output, /^came in$/m);
});

test("the caller's environment has no effect", async (t) => {
  duo = await startDuo({ users: { bert: { status: 'deny' } } }, 'failmode = safe');
  const environment = [
    'NODE_OPTIONS=--require=/home/alice/evil.js',
    'LD_PRELOAD=/home/alice/evil.so',
    'SSL_CERT_FILE=/dev/null',
    'http_proxy=http://127.0.0.1:9',
    'https_proxy=http://127.0.0.1:9',
    'NODE_EXTRA_CA_CERTS=/dev/null',
    'OPENSSL_CONF=/dev/null',
    'RES_OPTIONS=attempts:0',
    'LOCALDOMAIN=evil.test',
    'HOSTALIASES=/home/alice/hosts',
  ];
  const { output } = await new Terminal(
    `runuser -u alice -- env ${environment.join(' ')} su bert -c 'echo came in'`,
  ).answering(/Password: /, `${PASSWORD}\n`);
  t.notRegex(output, /^came in$/m);
  t.deepEqual(
    duo.service.calls.map(({ call }) => call).filter((call) => call !== 'ping'),
    ['preauth'],
  );
});
