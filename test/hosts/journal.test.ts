/** Results in the journal: real logins against a socket that stands in for journald. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { addConfig, pam, residentAlone, SystemLog, setUp, startDuo, until } from './machine.ts';

const SOCKET = '/run/systemd/journal/socket';
const RECEIVED = '/tmp/journal';

let duo: Simulator;
let log: SystemLog;
let journald: ChildProcess | undefined;

async function startJournald(): Promise<void> {
  mkdirSync('/run/systemd/journal', { recursive: true });
  writeFileSync(RECEIVED, '');
  journald = spawn(
    'socat',
    ['-u', `UNIX-RECVFROM:${SOCKET},mode=666,fork`, `SYSTEM:cat >>${RECEIVED}; echo >>${RECEIVED}`],
    { stdio: 'ignore' },
  );
  await until(() => existsSync(SOCKET));
}

function stopJournald(): void {
  journald?.kill();
  rmSync(SOCKET, { force: true });
}

const login = (answer: string) =>
  pam.authenticate(
    { service: 'duo', user: 'alice', confdir: '/tmp/pam.d', rhost: '192.0.2.7' },
    async (messages) => messages.map(() => answer),
  );

test.before(async () => {
  setUp();
  mkdirSync('/tmp/pam.d');
  writeFileSync('/tmp/pam.d/duo', 'auth required pam_duo_ts.so\n');
  duo = await startDuo({ users: { alice: { status: 'auth', phone: 'approve' } } }, 'prompts = 1');
  log = await SystemLog.start();
});

test.after.always(async () => {
  log.stop();
  stopJournald();
  await duo.close();
});

test('with journald a result has fields, and its sentence is the same', async (t) => {
  await startJournald();
  t.is((await login('1')).code, 0);
  await until(() => readFileSync(RECEIVED, 'utf8').includes('DUO_PREAUTH_MS'));
  const text = readFileSync(RECEIVED, 'utf8');
  t.regex(text, /^MESSAGE=pam_duo_ts\(duo:auth\): Successful Duo login for 'alice' from 192\.0\.2\.7$/m);
  t.regex(text, /^PRIORITY=6$/m);
  t.regex(text, /^SYSLOG_FACILITY=10$/m);
  t.regex(text, /^SYSLOG_IDENTIFIER=node$/m);
  t.regex(text, /^DUO_RESULT=approved$/m);
  t.regex(text, /^DUO_USER=alice$/m);
  t.regex(text, /^DUO_FACTOR=push$/m);
  t.regex(text, /^DUO_PREAUTH_MS=\d+$/m);
  t.regex(text, residentAlone ? /^DUO_ENGINE=resident$/m : /^DUO_ENGINE=private$/m);
  t.false(log.lines.some((line) => line.includes('Successful Duo login')));
  writeFileSync(RECEIVED, '');
  t.not((await login('000000')).code, 0);
  await until(() => /^DUO_RESULT=failed$/m.test(readFileSync(RECEIVED, 'utf8')));
  t.false(readFileSync(RECEIVED, 'utf8').includes('000000'));
  stopJournald();
});

test('without journald the same sentence goes to syslog', async (t) => {
  log.clear();
  t.is((await login('1')).code, 0);
  t.regex(
    await log.line(/Successful/),
    /pam_duo_ts\(duo:auth\): Successful Duo login for 'alice' from 192\.0\.2\.7/,
  );
});

test('audit = json adds a line for programs', async (t) => {
  addConfig('audit = json');
  log.clear();
  t.is((await login('1')).code, 0);
  const line = await log.line(/duo_login/);
  const { duo_login: record } = JSON.parse(line.slice(line.indexOf('{')));
  t.is(record.result, 'approved');
  t.is(record.service, 'duo');
  t.is(record.rhost, '192.0.2.7');
});

test('a full journal loses no line', async (t) => {
  mkdirSync('/run/systemd/journal', { recursive: true });
  // A socket that nobody reads.
  const held = spawn('socat', ['-u', `UNIX-RECVFROM:${SOCKET},mode=666`, 'SYSTEM:sleep 1000'], {
    stdio: 'ignore',
  });
  await until(() => existsSync(SOCKET));
  held.kill('SIGSTOP');
  spawnSync('sh', [
    '-c',
    `for i in $(seq 1 600); do echo x; done | timeout 5 socat -u - UNIX-SENDTO:${SOCKET}`,
  ]);
  log.clear();
  for (let logins = 0; logins < 30 && !log.lines.some((line) => line.includes('Successful')); logins += 1)
    t.is((await login('1')).code, 0);
  await log.line(/Successful Duo login/);
  held.kill('SIGKILL');
  rmSync(SOCKET, { force: true });
  t.pass();
});
