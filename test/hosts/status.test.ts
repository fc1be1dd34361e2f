/** `duo-ts status`: what a resident engine has counted, while it runs and after it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { pam, type Resident, run, setUp, startDuo, startResident, until } from './machine.ts';

const STATE = '/var/lib/duo-ts';

let duo: Simulator;
let engine: Resident;

const login = (user: string, answer: string) =>
  pam.authenticate({ service: 'duo', user, confdir: '/tmp/pam.d' }, async (messages) =>
    messages.map(() => answer),
  );

function status(...options: string[]) {
  const { status: code, stdout, stderr } = spawnSync('duo-ts', ['status', ...options], { encoding: 'utf8' });
  return { code, stdout, stderr };
}

function numbers(): { up: boolean; logins: Record<string, number>; failsafe: { user: string }[] } {
  const { stdout } = status('--json');
  // The engine writes half a second after a change.
  return stdout === '' ? { up: false, logins: {}, failsafe: [] } : JSON.parse(stdout);
}

test.before(async () => {
  setUp();
  mkdirSync('/tmp/pam.d');
  run('sh', '-c', 'echo "auth required pam_duo_ts.so" >/tmp/pam.d/duo');
  mkdirSync(STATE, { recursive: true, mode: 0o700 });
  run('chown', 'duo:', STATE);
});

test.after.always(() => duo?.close());

test('without an engine it says so', (t) => {
  const { code, stderr } = status();
  t.is(code, 1);
  t.regex(stderr, /no resident engine has run/);
});

test('counts logins of a running engine', async (t) => {
  duo = await startDuo(
    { users: { alice: { status: 'auth', phone: 'approve' } } },
    'failmode = safe\nprompts = 1',
  );
  engine = startResident('--state', STATE);
  t.is((await login('alice', '1')).code, 0);
  t.not((await login('alice', '000000')).code, 0);
  await duo.close();
  t.is((await login('alice', '1')).code, 0, 'failsafe');
  await until(() => numbers().logins['failsafe'] === 1);
  t.true(numbers().up);
  t.deepEqual(numbers().logins, { approved: 1, failed: 1, failsafe: 1 });
  t.deepEqual(
    numbers().failsafe.map(({ user }) => user),
    ['alice'],
  );
  const { code, stdout } = status();
  t.is(code, 0);
  t.regex(stdout, /^The resident engine \(release \S+, process \d+\) runs for under 1 min with \d+ MiB\.$/m);
  t.regex(stdout, /^Let in without Duo in the last 24 hours \(failsafe\): 1\n {2}\S+ alice by duo$/m);
});

test("writes numbers for Prometheus' node exporter", (t) => {
  t.is(status('--textfile', '/tmp/duo_ts.prom').code, 0);
  const text = readFileSync('/tmp/duo_ts.prom', 'utf8');
  t.regex(text, /^duo_ts_up 1$/m);
  t.regex(text, /^duo_ts_failsafe_last_day 1$/m);
  t.is(
    status('--prometheus').stdout.replace(/^duo_ts_memory_bytes.*$/m, ''),
    text.replace(/^duo_ts_memory_bytes.*$/m, ''),
  );
});

test('the numbers outlast the engine', async (t) => {
  engine.process.kill('SIGKILL');
  await until(() => !numbers().up);
  t.regex(status().stdout, /^No resident engine runs; the last one wrote at /);
  engine = startResident('--state', STATE);
  await until(() => numbers().up);
  t.is(numbers().logins['failsafe'], 1);
});

test('only root can read them', (t) => {
  const { status: code, stderr } = spawnSync('su', ['alice', '-c', 'duo-ts status'], { encoding: 'utf8' });
  t.is(code, 1);
  t.regex(stderr, /EACCES/);
});
