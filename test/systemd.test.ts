/** The units are valid for systemd and restrict the engine no less than before. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import test from 'ava';

const analyze = existsSync('/usr/bin/systemd-analyze');

/** The greatest exposure level of `systemd-analyze security`, in tenths. It may become smaller. */
const MAX_EXPOSURE = 13;

function systemdAnalyze(...args: string[]) {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

(analyze ? test : test.skip)('the service is exposed no more than it was (needs systemd-analyze)', (t) => {
  const { status, output } = systemdAnalyze(
    'security',
    '--no-pager',
    '--offline=yes',
    `--threshold=${MAX_EXPOSURE}`,
    'systemd/duo-ts.service',
  );
  t.is(status, 0, output);
});

(analyze ? test : test.skip)('systemd understands the units (needs systemd-analyze)', (t) => {
  const units = readdirSync('systemd').map((name) => `systemd/${name}`);
  const complaints = systemdAnalyze('verify', ...units)
    .output.split('\n')
    // The program and the manual pages are not installed here.
    .filter((line) => line !== '' && !/duo-ts is not executable|Command 'man duo-ts\(1\)' failed/.test(line));
  t.deepEqual(complaints, []);
});

test('neither failures nor many logins make systemd stop a socket', (t) => {
  for (const name of ['duo-ts', 'duo-ts-users']) {
    const service = readFileSync(`systemd/${name}.service`, 'utf8');
    t.regex(service, /^\[Unit\]\n(?:[^[\n].*\n)*StartLimitIntervalSec=0$/m);
    t.regex(readFileSync(`systemd/${name}.socket`, 'utf8'), /^TriggerLimitIntervalSec=0$/m);
  }
});

test('the units name installed documentation', (t) => {
  for (const name of readdirSync('systemd')) {
    const named = readFileSync(`systemd/${name}`, 'utf8').match(/(?<=^Documentation=).*$/gm) ?? [];
    t.true(named.length > 0, name);
    for (const page of named) {
      const [, title, section] = /^man:([\w.-]+)\((\d)\)$/.exec(page) ?? [];
      t.true(existsSync(`man/${title}.${section}`), `${name}: ${page}`);
    }
  }
});

test('the units do not hide the ids of callers from the engine', (t) => {
  t.notRegex(readFileSync('systemd/duo-ts.service', 'utf8'), /^PrivateUsers=/m);
});

test('the user engine has root’s engine’s permissions and sees less of the machine', (t) => {
  const lines = (name: string) => {
    const [, service = ''] = readFileSync(`systemd/${name}.service`, 'utf8').split('[Service]\n');
    return service.split('\n');
  };
  const [root, users] = [lines('duo-ts'), lines('duo-ts-users')];
  const others = (of: string[], than: string[]) => of.filter((line) => !than.includes(line));
  t.deepEqual(others(users, root), ['LimitNOFILE=1024', 'MemoryMax=384M', 'CPUWeight=20']);
  t.deepEqual(others(root, users), ['LimitNOFILE=16384', 'MemoryMax=1G']);
});

test('an engine that ended because it was idle is not restarted before the next connection', (t) => {
  for (const name of ['duo-ts', 'duo-ts-users']) {
    t.regex(readFileSync(`systemd/${name}.service`, 'utf8'), /^Restart=on-failure$/m);
  }
});
