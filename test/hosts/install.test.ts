/** Installation on a machine that lacks a library: nothing is installed that cannot be loaded. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import test from 'ava';
import { ENGINE, run } from './machine.ts';

const ELSEWHERE = '/tmp/elsewhere';
const LIBRARY = /libatomic\.so\.1 => (\S+)/.exec(run('ldd', 'build/duo-ts'))?.[1] ?? '';

test.before(() => {
  mkdirSync(ELSEWHERE);
  copyFileSync(LIBRARY, `${ELSEWHERE}/${basename(LIBRARY)}`);
  rmSync(LIBRARY);
});

test('a missing library is named with its package, and nothing is installed', (t) => {
  // The script itself still runs.
  const { status, stderr } = spawnSync(
    'flock',
    ['build/install.lock', process.execPath, 'scripts/install-system.ts', 'install'],
    { encoding: 'utf8', env: { ...process.env, LD_LIBRARY_PATH: ELSEWHERE } },
  );
  t.is(status, 1);
  t.regex(
    stderr,
    /nothing was installed: libatomic\.so\.1 \(Debian and Ubuntu: libatomic1; Fedora and RHEL: libatomic\), which \S+\/build\/duo-ts needs, is not installed/,
  );
  for (const path of [ENGINE, '/etc/duo/pam_duo.conf', '/usr/bin/duo-ts']) t.false(existsSync(path), path);
  t.not(spawnSync('getent', ['passwd', 'duo']).status, 0);
});

test("without libatomic the project's Node says what to install", (t) => {
  const { status, stderr } = spawnSync('scripts/with-node.sh', ['node', '--version'], { encoding: 'utf8' });
  t.is(status, 1);
  t.regex(stderr, /libatomic\.so\.1: cannot open shared object file/);
  t.regex(stderr, /is in the package libatomic1 \(Debian, Ubuntu\) or libatomic \(Fedora, RHEL\)/);
});
