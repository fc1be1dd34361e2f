/**
 * Every test, and one closing line: `N passed, N failed, N skipped`. `--only SUITE` runs one suite.
 * Details of what failed come at once; what can't run here is said with its reason.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const totals = { passed: 0, failed: 0 };
const skipped: string[] = [];

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One program that must succeed. */
function check(name: string, program: string, ...args: string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) {
    totals.passed += 1;
    say(`ok: ${name}`);
    return;
  }
  totals.failed += 1;
  say(`FAILED: ${name} (${program} ${args.join(' ')})`);
  say(error === undefined ? `${stdout}${stderr}` : error.message);
}

function checks(): void {
  check('types', 'tsc', '-p', '.');
  check('format and lint of TypeScript, JSON and Markdown', 'biome', 'ci', '--error-on-warnings', '.');
  check(
    'format of C and C++',
    'clang-format',
    '--dry-run',
    '-Werror',
    ...globSync(['native/**/*.{c,h,cc}', 'test/native/**/*.{c,h}', 'examples/*.c']),
  );
  for (const page of globSync('man/*.[1358]'))
    check(`manual page ${page}`, 'mandoc', '-T', 'lint', '-W', 'warning', page);
}

/** Reads what ava says (TAP) and counts. */
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
    }
    if (telling) say(line);
  }
  const [status]: unknown[] = await exit;
  if (status !== 0 && failed === 0) {
    failed = 1;
    say(`FAILED: ${what} ended with ${String(status)}`);
  }
  totals.failed += failed;
}

async function unit(): Promise<void> {
  say('unit tests');
  await count(spawn('ava', ['--tap'], { stdio: ['ignore', 'pipe', 'inherit'] }), 'unit tests');
}

const NAMESPACES = [
  '--mount',
  '--net',
  '--pid',
  '--uts',
  '--ipc',
  '--fork',
  '--kill-child',
  '--propagation',
  'private',
];

/** Those of the real hosts that a resident engine must serve as a private one does. */
const ALSO_RESIDENT = ['login', 'login-duo', 'login-duo-sshd', 'module', 'sshd', 'stacks', 'su', 'sudo'];

/** Real hosts: a private copy of this machine for each file, two at a time. */
async function hosts(what: string, files: string[], more: NodeJS.ProcessEnv): Promise<void> {
  say(what);
  const base = mkdtempSync(join(tmpdir(), 'pam-duo-ts-hosts-'));
  const enter = (place: string, ...command: string[]) => ({
    args: [...NAMESPACES, 'test/hosts/enter.sh', ...command],
    env: { ...process.env, ...more, AVA_SUITE: 'hosts', DUO_TS_BASE: place },
  });
  try {
    const { args, env } = enter(base, 'true');
    const trial = spawnSync('unshare', args, { encoding: 'utf8', env });
    if (trial.status !== 0) {
      const reason = process.getuid?.() === 0 ? trial.stderr.trim() : 'it takes root';
      for (const file of files)
        skipped.push(`${file}, ${what}: no private copy of this machine can be made: ${reason}`);
      return;
    }
    const next = async (): Promise<void> => {
      const file = files.shift();
      if (file === undefined) return;
      const place = mkdtempSync(join(base, 'machine-'));
      const { args, env } = enter(place, 'ava', '--tap', file);
      await count(spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'], env }), file);
      return next();
    };
    await Promise.all([next(), next()]);
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

const SUITES: Readonly<Record<string, () => void | Promise<void>>> = {
  check: checks,
  unit,
  hosts: () => hosts('real hosts', globSync('test/hosts/*.test.ts').sort(), {}),
  // Once more, where no private engine can be started.
  resident: () =>
    hosts(
      'real hosts through a resident engine',
      ALSO_RESIDENT.map((name) => `test/hosts/${name}.test.ts`),
      { DUO_TS_RESIDENT: '1' },
    ),
};
const [flag, only] = process.argv.slice(2);
if (flag !== undefined && (flag !== '--only' || only === undefined || SUITES[only] === undefined)) {
  process.stderr.write(`usage: node test/run.ts [--only ${Object.keys(SUITES).join('|')}]\n`);
  process.exit(2);
}
for (const [name, suite] of Object.entries(SUITES)) {
  if (only === undefined || only === name) await suite();
}
for (const reason of skipped) say(`skipped: ${reason}`);
const { passed, failed } = totals;
say(`${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`);
process.exit(failed === 0 ? 0 : 1);
