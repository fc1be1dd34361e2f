/** What a private engine can do after it has dropped its permissions. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import test from 'ava';
import { PERMISSIONS } from '../../src/cli/permissions.ts';

/** Runs a script with the program's permissions, and returns the result of each attempt. */
function attempts(...giveUp: string[]): unknown {
  const script = `
    import { spawnSync } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    import { Worker } from 'node:worker_threads';
    import { giveUpPermissions, giveUpProcesses } from '${resolve('src/cli/permissions.ts')}';
    ${giveUp.map((name) => `${name}();`).join('')}
    const attempt = (what) => {
      try {
        what();
        return 'done';
      } catch (error) {
        return error.code;
      }
    };
    console.log(JSON.stringify({
      addon: attempt(() => process.dlopen({ exports: {} }, '${resolve('build/Release/unix.node')}')),
      child: attempt(() => spawnSync('true')),
      worker: attempt(() => new Worker('0', { eval: true })),
      write: attempt(() => writeFileSync('/dev/null', '')),
    }));`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...PERMISSIONS, '--input-type=module', '--eval', script],
    { encoding: 'utf8', env: {} },
  );
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

const denied = 'ERR_ACCESS_DENIED';

test('the command-line tool may load the addon, start programs and write files, but start no thread', (t) => {
  t.deepEqual(attempts(), { addon: 'done', child: 'done', worker: denied, write: 'done' });
});

test('an engine may start no program', (t) => {
  t.deepEqual(attempts('giveUpProcesses'), { addon: 'done', child: denied, worker: denied, write: 'done' });
});

test('a private engine may not load native code or write files either', (t) => {
  t.deepEqual(attempts('giveUpProcesses', 'giveUpPermissions'), {
    addon: denied,
    child: denied,
    worker: denied,
    write: denied,
  });
});
