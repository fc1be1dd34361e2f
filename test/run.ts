/**
 * `npm test -- [FILTER]`: every test, or the test files whose path contains FILTER; `checks` stands for
 * types, lint and format. Ends with one line: `N passed, N failed, N skipped`. Failures are shown at once;
 * tests that cannot run here are listed with the reason.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pLimit from 'p-limit';

/** A part of the tests, run in its own processes. */
interface Job {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** The slowest files start first, so that none runs alone at the end. */
const LONGEST = ['starved', 'su', 'resident', 'name-servers'].map((name) => `test/hosts/${name}.test.ts`);

/** More than two cores can run: tests of real hosts wait most of their time. */
const AT_ONCE = 4;

/** Test files that run with a resident engine as well. */
const ALSO_RESIDENT = ['login', 'login-duo', 'login-duo-sshd', 'module', 'sshd', 'stacks', 'su', 'sudo'];

const NAMESPACES = '--mount --net --pid --uts --ipc --fork --kill-child --propagation private'.split(' ');

const totals = { passed: 0, failed: 0 };
const skipped: string[] = [];
const running = new Set<string>();
const terminal = process.stdout.isTTY;

/** On a terminal: one line with the progress. */
function showProgress(): void {
  if (!terminal) return;
  const { passed, failed } = totals;
  const line = `${passed} passed, ${failed} failed; running ${[...running].join(', ')}`;
  process.stdout.write(`\r\x1b[K${line.slice(0, process.stdout.columns - 1)}`);
}

function say(text: string): void {
  process.stdout.write(`${terminal ? '\r\x1b[K' : ''}${text}\n`);
  showProgress();
}

/** A program that must succeed. */
function check(name: string, program: string, ...args: string[]): Job {
  const run = () =>
    new Promise<void>((resolve) => {
      execFile(
        program,
        args,
        { maxBuffer: Infinity, env: { ...process.env, NO_COLOR: '1' } },
        (error, stdout, stderr) => {
          totals[error === null ? 'passed' : 'failed'] += 1;
          if (error !== null) say(`FAILED: ${name}: ${error.message}\n${stdout}${stderr}`);
          resolve();
        },
      );
    });
  return { name, run };
}

function checks(): Job[] {
  const sources = globSync(['native/**/*.{c,h,cc}', 'test/native/**/*.{c,h}', 'examples/*.c']);
  return [
    check('types', 'tsc', '-p', '.'),
    check('format and lint of TypeScript, JSON and Markdown', 'biome', 'ci', '--error-on-warnings', '.'),
    check('format of C and C++', 'clang-format', '--dry-run', '-Werror', ...sources),
    check('manual pages', 'mandoc', '-T', 'lint', '-W', 'warning', ...globSync('man/*.[1358]')),
  ];
}

/** Counts the tests of one ava process by its TAP output, and shows failures. */
async function count(ava: ChildProcess, what: string): Promise<void> {
  if (ava.stdout === null) throw new Error('ava has no output');
  const exit = once(ava, 'exit');
  let failed = 0;
  let telling = false;
  for await (const line of createInterface({ input: ava.stdout })) {
    const [result, not, title = ''] = /^(not )?ok \d+ - (.*)$/.exec(line) ?? [];
    if (result !== undefined || line.startsWith('#')) telling = false;
    const skip = title.indexOf(' # SKIP');
    if (skip >= 0) {
      skipped.push(`${what}: ${title.slice(0, skip)}`);
    } else if (not !== undefined) {
      failed += 1;
      telling = true;
    } else if (result !== undefined) {
      totals.passed += 1;
      showProgress();
    }
    if (telling) say(`${what}: ${line}`);
  }
  const [status]: unknown[] = await exit;
  if (status !== 0 && failed === 0) {
    failed = 1;
    say(`FAILED: ${what} ended with ${String(status)}`);
  }
  totals.failed += failed;
}

/** The files of `test` without real hosts, in one ava process. */
function unit(files: readonly string[]): Job[] {
  if (files.length === 0) return [];
  const name = 'unit tests';
  return [
    {
      name,
      run: () => count(spawn('ava', ['--tap', ...files], { stdio: ['ignore', 'pipe', 'inherit'] }), name),
    },
  ];
}

const base = mkdtempSync(join(tmpdir(), 'pam-duo-ts-hosts-'));
process.on('exit', () => rmSync(base, { recursive: true, force: true }));

/** Runs a command in a private copy of this machine. */
function privately(command: readonly string[], environment: NodeJS.ProcessEnv) {
  const place = mkdtempSync(join(base, 'machine-'));
  return {
    args: [...NAMESPACES, 'test/hosts/enter.sh', ...command],
    env: { ...process.env, ...environment, AVA_SUITE: 'hosts', DUO_TS_BASE: place },
  };
}

/** One file with real hosts, in a private copy of this machine. */
function host(file: string, resident: boolean): Job {
  const name = resident ? `${file} (resident engine)` : file;
  const run = () => {
    const { args, env } = privately(['ava', '--tap', file], resident ? { DUO_TS_RESIDENT: '1' } : {});
    return count(spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'], env }), name);
  };
  return { name, run };
}

function hosts(files: readonly string[]): Job[] {
  if (files.length === 0) return [];
  const { args, env } = privately(['true'], {});
  const trial = spawnSync('unshare', args, { encoding: 'utf8', env });
  if (trial.status !== 0) {
    const reason = process.getuid?.() === 0 ? trial.stderr.trim() : 'it takes root';
    skipped.push(...files.map((file) => `${file}: no private copy of this machine can be made: ${reason}`));
    return [];
  }
  const again = ALSO_RESIDENT.map((name) => `test/hosts/${name}.test.ts`).filter((file) =>
    files.includes(file),
  );
  return [...files.map((file) => host(file, false)), ...again.map((file) => host(file, true))];
}

const [filter = ''] = process.argv.slice(2);
const files = new Set([
  ...LONGEST,
  ...globSync('test/**/*.test.ts', { exclude: ['test/packages', 'test/browser', 'test/machines'] }).sort(),
]);
const chosen = [...files].filter((file) => file.includes(filter));
const isHost = (file: string) => file.startsWith('test/hosts/');
const jobs = [
  ...('checks'.includes(filter) ? checks() : []),
  ...unit(chosen.filter((file) => !isHost(file))),
  ...hosts(chosen.filter(isHost)),
];
if (jobs.length === 0 && skipped.length === 0) {
  process.stderr.write(`no test file has '${filter}' in its path\n`);
  process.exit(2);
}
const limit = pLimit(AT_ONCE);
await limit.map(jobs, async ({ name, run }) => {
  running.add(name);
  showProgress();
  const started = performance.now();
  await run();
  running.delete(name);
  say(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
});
for (const reason of skipped) say(`skipped: ${reason}`);
const { passed, failed } = totals;
say(`${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`);
process.exit(failed === 0 ? 0 : 1);
