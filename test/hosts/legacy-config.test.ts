/**
 * The effect of configuration lines in Duo's own client as packaged by Debian: the other column of the
 * table.
 */
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import test from 'ava';
import { makeCertificates } from '../../src/simulator/certificates.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { PamStyle } from '../../src/unix/pam-client.ts';
import { BASE, GECOS, PROMPTS, ROWS, type Row } from '../lib/config-values.ts';
import { setUpPackagedClient } from '../lib/packaged-client.ts';
import { listenFor, type Teardown } from '../lib/raw-server.ts';
import { pam, run, unix } from './machine.ts';

const DIRECTORY = '/etc/packaged';
const CONFIG = join(DIRECTORY, 'login_duo.conf');
const AUTHORITY = join(DIRECTORY, 'ca.pem');

test.before(() => {
  run('usermod', '--comment', GECOS, 'root');
  run('useradd', '--create-home', '--shell', '/bin/sh', 'alice');
  mkdirSync(DIRECTORY);
});

/** A service that refuses everything and records each request as `IKEY as USER`. */
async function serviceFor(t: Teardown) {
  const { ca, cert, key } = await makeCertificates('good', ['localhost'], ['127.0.0.1'], Date.now());
  const asked: string[] = [];
  const server = createServer({ cert, key }, async (request, reply) => {
    const user = new URLSearchParams(await textOf(request)).get('user');
    const [, credentials = ''] = (request.headers.authorization ?? '').split(' ');
    const ikey = Buffer.from(credentials, 'base64').toString().replace(/:\w*$/, '');
    if (user !== null) asked.push(`${ikey} as ${user}`);
    reply.writeHead(404, { Connection: 'close' }).end();
  });
  writeFileSync(AUTHORITY, ca);
  return { asked, host: `localhost:${await listenFor(t, server)}` };
}

/** The result of root's login. */
async function outcome(t: Teardown, { lines, whole }: Row): Promise<string[]> {
  const { asked, host } = await serviceFor(t);
  const owner = unix.userByName('sshd');
  if (owner === undefined) throw new Error('the user sshd is not there');
  writeFileSync(CONFIG, (whole ? lines : BASE + lines).replaceAll('HOST', host).replaceAll('CA', AUTHORITY));
  chmodSync(CONFIG, 0o600);
  chownSync(CONFIG, owner.uid, 0);
  const login = spawn('/usr/sbin/login_duo', ['-d', '-c', CONFIG, 'echo', 'in'], {
    cwd: DIRECTORY,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = await Promise.all([textOf(login.stdout), textOf(login.stderr)]);
  // Without the lines about the result of the login, which is checked below.
  const said = stderr
    .replaceAll(CONFIG, 'F')
    .replaceAll(host, 'HOST')
    .replaceAll(AUTHORITY, 'CA')
    .split('\n')
    .filter((line) => line !== '' && !/^\[[467]\] (?!All configured)/.test(line));
  return [...said, asked[0] ?? (stdout === 'in\n' ? 'let in' : 'denied')];
}

for (const row of ROWS) {
  test(`${row.whole ? 'the whole file' : 'lines'} ${JSON.stringify(row.lines).slice(0, 100)}`, async (t) => {
    t.deepEqual(await outcome(t, row), [...(row.theirs ?? row.ours)]);
  });
}

for (const [value, times] of PROMPTS) {
  test(`prompts = ${value}`, async (t) => {
    const duo = await startSimulator({ users: { alice: {} } });
    t.teardown(() => duo.close());
    const directory = mkdtempSync(join(tmpdir(), 'packaged-'));
    const client = setUpPackagedClient(duo, directory, { more: `prompts = ${value}` });
    let asked = 0;
    await pam.authenticate(client.login('alice'), async (messages) =>
      messages.map(({ style }) => {
        if (style !== PamStyle.promptEchoOn) return '';
        asked += 1;
        return '000000';
      }),
    );
    t.is(asked, times);
  });
}
