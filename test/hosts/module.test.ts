/** The module's arguments, its configuration as root reads it, and where its messages go. */
import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import test from 'ava';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { PamCode } from '../../src/unix/pam-client.ts';
import { addConfig, SystemLog, setUp, startDuo, writeConfig } from './machine.ts';

const STACKS = '/tmp/stacks';
const CONFIG = '/etc/duo/pam_duo.conf';
let log: SystemLog;
let duo: Simulator;

test.before(async () => {
  setUp();
  mkdirSync(STACKS);
  log = await SystemLog.start();
});
test.after.always(() => log.stop());
test.beforeEach(async () => {
  log.clear();
  duo = await startDuo({ users: { alice: { phone: 'approve' } } });
});
test.afterEach.always(() => duo.close());

/** Logs alice in through a stack of this one line, in a process of its own. */
async function login(line: string, service = 'duo') {
  writeFileSync(`${STACKS}/${service}`, `${line}\n`);
  const host = spawn(process.execPath, ['test/hosts/one-login.ts', service, STACKS], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  host.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => host.once('close', resolve));
  return { code, stderr };
}

test('every unknown argument is logged, and the login fails', async (t) => {
  const { code } = await login(
    'auth required pam_duo_ts.so foo conf=/etc/duo/pam_duo.conf bar=1 engine=relative',
  );
  t.is(code, PamCode.PAM_SERVICE_ERR);
  for (const argument of ['foo', 'bar=1', 'engine=relative']) {
    await log.line(new RegExp(`pam_duo_ts\\(duo:auth\\): Invalid pam_duo option: '${argument}'`));
  }
  t.deepEqual(duo.service.calls, []);
});

test('conf names the configuration, and debug copies the log with priorities to standard error', async (t) => {
  renameSync(CONFIG, '/etc/duo/elsewhere.conf');
  const { code, stderr } = await login('auth required pam_duo_ts.so debug conf=/etc/duo/elsewhere.conf');
  t.is(code, PamCode.PAM_SUCCESS);
  t.is(stderr, "[6] Successful Duo login for 'alice'\n");
  t.false(log.lines.some((line) => line.includes('Duo login')));
});

test('configuration errors appear on standard error, then in the log', async (t) => {
  addConfig('gecos_delim = ab\nfailmode = secure');
  const { code, stderr } = await login('auth required pam_duo_ts.so');
  t.is(code, PamCode.PAM_SERVICE_ERR);
  t.is(stderr, "Invalid character option length. Character fields must be 1 character long: 'ab'\n");
  await log.line(/Invalid pam_duo option: 'gecos_delim'/);
  await log.line(/Parse error in \/etc\/duo\/pam_duo\.conf, line 7/);
  await log.line(
    /Failsecure Duo login for 'alice': the configuration in \/etc\/duo\/pam_duo\.conf can't be used/,
  );
});

const STORE = '/etc/ssl/certs/ca-certificates.crt';

test("disable_ca_pinning trusts the system's authorities, which are refused without it", async (t) => {
  copyFileSync(STORE, `${STORE}.saved`);
  t.teardown(() => renameSync(`${STORE}.saved`, STORE));
  const text = readFileSync(CONFIG, 'utf8').replace(/^cafile.*\n/m, 'failmode = secure\n');
  const line = 'auth required pam_duo_ts.so debug';
  const untrusted = /Failsecure Duo login for 'alice': .*certificate verify failed\n$/;

  writeConfig(`${text}disable_ca_pinning = yes\n`);
  t.regex((await login(line)).stderr, untrusted);
  appendFileSync(STORE, duo.ca);
  t.deepEqual(await login(line), {
    code: PamCode.PAM_SUCCESS,
    stderr: "[6] Successful Duo login for 'alice'\n",
  });
  t.regex(duo.service.calls.at(-1)?.userAgent ?? '', / ca_bundle\/1\.0 \(ca_pinning=disabled\)$/);
  writeConfig(text);
  t.regex((await login(line)).stderr, untrusted);

  writeConfig(`${text}disable_ca_pinning = yes\n`);
  chownSync(STORE, 1, 0);
  const { code, stderr } = await login(line);
  t.is(code, PamCode.PAM_SERVICE_ERR);
  t.regex(stderr, /Couldn't open Duo API handle for 'alice': disable_ca_pinning found no certificates/);
});

test('an empty configuration denies with any failmode', async (t) => {
  for (const text of ['', '\n; nothing\n', '[duo]\nhost =\nikey =\nskey =\nfailmode = safe\n']) {
    writeConfig(text);
    const { code, stderr } = await login('auth required pam_duo_ts.so debug');
    t.is(code, PamCode.PAM_SERVICE_ERR);
    t.is(
      stderr,
      `[3] Missing host, ikey, or skey in ${CONFIG}; none of them is set, so every login is denied: restore the file or set them\n` +
        `[3] Error in Duo login for 'alice': the configuration in ${CONFIG} can't be used\n`,
    );
  }
  t.deepEqual(duo.service.calls, []);
});

test('a cafile relative to the working directory is not read', async (t) => {
  addConfig('cafile = etc/duo/ca.pem');
  const { code, stderr } = await login('auth required pam_duo_ts.so debug');
  t.is(code, PamCode.PAM_SERVICE_ERR);
  t.regex(stderr, /^\[3\] Invalid cafile: 'etc\/duo\/ca\.pem' \(must be an absolute path\)$/m);
  t.deepEqual(duo.service.calls, []);
});

const UNUSABLE: readonly [string, () => void, RegExp][] = [
  [
    'is not there',
    () => rmSync(CONFIG),
    /Couldn't open \/etc\/duo\/pam_duo\.conf: No such file or directory/,
  ],
  [
    'others may read',
    () => chmodSync(CONFIG, 0o644),
    /\/etc\/duo\/pam_duo\.conf must be readable only by user 'root'/,
  ],
  [
    'is somebody else’s',
    () => chownSync(CONFIG, 1000, 0),
    /\/etc\/duo\/pam_duo\.conf must be readable only by user 'root'/,
  ],
];
for (const [name, spoil, sentence] of UNUSABLE) {
  test(`a configuration that ${name} denies`, async (t) => {
    addConfig('failmode = safe');
    spoil();
    t.is((await login('auth required pam_duo_ts.so')).code, PamCode.PAM_SERVICE_ERR);
    await log.line(sentence);
    t.deepEqual(duo.service.calls, []);
  });
}

test('a group without a name does not exempt the user', async (t) => {
  addConfig('failmode = safe\ngroups = admins');
  t.is((await login('auth required pam_duo_ts.so')).code, PamCode.PAM_SUCCESS);
  await log.line(/User alice bypassed Duo 2FA/);
  log.clear();
  const passwd = readFileSync('/etc/passwd', 'utf8');
  t.teardown(() => writeFileSync('/etc/passwd', passwd));
  writeFileSync('/etc/passwd', passwd.replace(/^(alice:x:\d+):\d+:/m, '$1:54321:'));
  t.is((await login('auth required pam_duo_ts.so')).code, PamCode.PAM_SERVICE_ERR);
  await log.line(/Couldn't get groups for 'alice': a group of the user has no name that can be looked up/);
  t.deepEqual(duo.service.calls, []);
});

test('Duo gets the canonical name of the host', async (t) => {
  t.is(spawnSync('hostname').stdout.toString(), 'host\n');
  t.is((await login('auth required pam_duo_ts.so')).code, PamCode.PAM_SUCCESS);
  for (const call of ['preauth', 'auth']) {
    const seen = duo.service.calls.find((one) => one.call === call);
    t.is(seen?.form['hostname'], 'host.example.test');
  }
});
