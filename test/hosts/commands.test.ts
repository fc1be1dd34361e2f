/** `duo-ts auth`, `conf`, `support` and `check --login` on a real machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { addConfig, CONFIG, PASSWORD, run, SystemLog, setUp, startDuo } from './machine.ts';
import { Terminal } from './terminal.ts';

let duo: Simulator;

/** The simulated Duo runs in this process, so nothing may block it. */
async function tool(args: readonly string[], input = '', user?: string) {
  const [program, ...rest] =
    user === undefined ? ['duo-ts', ...args] : ['su', user, '-c', `duo-ts ${args.join(' ')}`];
  const child = spawn(program ?? '', rest, { stdio: 'pipe' });
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  return { code, stdout, stderr, output: stdout + stderr };
}

test.before(async () => {
  setUp();
  mkdirSync('/run/sshd', { recursive: true });
  run('ssh-keygen', '-A');
  duo = await startDuo(
    {
      users: {
        alice: { status: 'auth', phone: 'approve', passcodes: ['123456'] },
        bert: { status: 'deny' },
      },
    },
    'prompts = 1',
  );
});

test.after.always(() => duo.close());

test('auth: a push, a passcode, the menu, and the exit status', async (t) => {
  const push = await tool(['auth', '--factor', 'push', 'alice']);
  t.is(push.code, 0, push.output);
  t.regex(push.stderr, /Successful Duo login for 'alice'/);
  t.is((await tool(['auth', '--factor', 'passcode', 'alice'], '123456\n')).code, 0);
  const wrong = await tool(['auth', '--factor', 'passcode', 'alice'], '999999\n');
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /Failed Duo login for 'alice'/);
  t.is((await tool(['auth', 'alice'], '1\n')).code, 0);
  t.is((await tool(['auth', 'alice'])).code, 1, 'nobody answers');
  t.is((await tool(['auth', 'bert'])).code, 1);
  t.is((await tool(['auth', '--quiet', '--factor', 'push', 'alice'])).output, '');
});

test('auth: an absent Duo is no approval, whatever failmode says', async (t) => {
  writeFileSync(
    '/tmp/away.conf',
    readFileSync(CONFIG, 'utf8').replace(/^host = .*$/m, 'host = 127.0.0.1:1'),
    {
      mode: 0o600,
    },
  );
  const { code, stderr } = await tool(['auth', '--factor', 'push', '--config', '/tmp/away.conf', 'alice']);
  t.is(code, 2);
  t.regex(stderr, /failmode would let the user in, but Duo has not decided/);
});

test('auth, support: only root', async (t) => {
  t.is((await tool(['auth', 'alice'], '', 'alice')).code, 2);
  t.is((await tool(['support'], '', 'alice')).code, 2);
});

test('conf show: each option with its place, and no secret', async (t) => {
  const { stdout, code } = await tool(['conf', 'show']);
  t.is(code, 0);
  t.regex(stdout, /^prompts = 1 {2}# \/etc\/duo\/pam_duo\.conf:\d+$/m);
  t.regex(stdout, /^failmode = safe {2}# default$/m);
  t.regex(stdout, /^autopush = no {2}# default$/m);
  t.regex(stdout, /^skey = \[not shown\] {2}# /m);
  t.false(stdout.includes(duo.service.application.skey));
});

test('conf set: changes one line, refuses what is invalid, and takes no secret from the command line', async (t) => {
  const before = readFileSync(CONFIG, 'utf8');
  const set = await tool(['conf', 'set', 'failmode', 'secure']);
  t.is(set.code, 0, set.output);
  t.regex(set.stdout, /^\+failmode = secure$/m);
  t.is(readFileSync(CONFIG, 'utf8'), `${before}failmode = secure\n`);
  t.is(statSync(CONFIG).mode & 0o7777, 0o600);
  t.is((await tool(['conf', 'set', 'failmode', 'safe'])).code, 0);
  t.is(readFileSync(CONFIG, 'utf8'), `${before}failmode = safe\n`);
  const invalid = await tool(['conf', 'set', 'failmode', 'open']);
  t.is(invalid.code, 1);
  t.regex(invalid.stderr, /Invalid failmode: 'open'/);
  t.regex((await tool(['conf', 'set', 'failmod', 'safe'])).stderr, /there is no option failmod/);
  t.regex((await tool(['conf', 'set', 'skey', 'x'])).stderr, /a command line is no place for skey/);
  const { skey } = duo.service.application;
  const secret = await tool(['conf', 'set', 'skey', '-'], `${skey}\n`);
  t.is(secret.code, 0);
  t.false(secret.output.includes(skey));
  t.is(readFileSync(CONFIG, 'utf8'), `${before}failmode = safe\n`);
});

test('support: what a ticket needs, and no secret', async (t) => {
  const { skey } = duo.service.application;
  mkdirSync('/var/log', { recursive: true });
  appendFileSync(
    '/var/log/auth.log',
    `Jan  1 00:00:00 host sshd: pam_duo_ts(sshd:auth): somebody wrote ${skey}\n`,
  );
  addConfig('http_proxy = http://user:hunter2@127.0.0.1:1');
  t.teardown(() => tool(['conf', 'set', 'http_proxy', '-']));
  const { code, stdout } = await tool(['support', '--output', '-']);
  t.is(code, 0);
  for (const section of ['release', 'system', 'programs', 'check', 'configuration', 'stacks', 'sshd', 'log'])
    t.true(stdout.includes(`===== ${section} =====\n`), section);
  t.regex(stdout, /^auth +required +pam_duo_ts\.so$/m);
  t.regex(stdout, /^usepam /m);
  t.regex(stdout, /somebody wrote \[not shown\]/);
  for (const secret of [skey, 'hunter2']) t.false(stdout.includes(secret));
  t.is((await tool(['support', '--output', '/tmp/ticket.txt'])).code, 0);
  t.is(statSync('/tmp/ticket.txt').mode & 0o777, 0o600);
});

test('check --login: one real login, step by step, and what would be logged', async (t) => {
  const log = await SystemLog.start();
  t.teardown(() => log.stop());
  const terminal = new Terminal('duo-ts check --login alice --service sshd --addr 192.0.2.7');
  await terminal.shows(/0\.0 s {2}sshd asks PAM to authenticate alice/);
  await terminal.shows(/asks: Password: /);
  terminal.type(`${PASSWORD}\n`);
  await terminal.shows(/Passcode or option/);
  terminal.type('1\n');
  const { status, output } = await terminal.ended();
  t.is(status, 0, output);
  t.regex(output, /\[6\] Successful Duo login for 'alice' from 192\.0\.2\.7/);
  t.regex(output, /PAM_SUCCESS: alice is in/);
  t.false(output.includes(PASSWORD));
  t.false(log.lines.some((line) => line.includes('Duo login')));
});

test('check --login: a denied user', async (t) => {
  const terminal = new Terminal('duo-ts check --login bert --service sudo');
  await terminal.shows(/asks: .*assword/);
  terminal.type(`${PASSWORD}\n`);
  const { status, output } = await terminal.ended();
  t.is(status, 2);
  t.regex(output, /PAM code \d+ \(.*\): bert is not in/);
});
