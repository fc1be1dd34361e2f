/** `duo-ts pam enable|disable|status`: the block that asks Duo, in the PAM stacks of single services. */
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Argument, Command } from 'commander';
import { parseConfig } from '../config/config.ts';
import { addBlock, removeBlocks, usesOf } from '../pam/edit.ts';
import type { Step } from '../pam/evaluate.ts';
import { guardOf } from '../pam/guard.ts';
import { type ReadFile, readStack } from '../pam/stack.ts';
import { printDiff, RefusedError, readText, refusing, replaceFile } from './replace-file.ts';

const DIRECTORY = '/etc/pam.d';
const BACKUPS = '/var/backups/duo-ts';
const CONFIG = '/etc/duo/pam_duo.conf';

/** The files of each service. */
const SERVICES: Readonly<Record<string, readonly string[]>> = {
  sshd: ['sshd'],
  sudo: ['sudo', 'sudo-i'],
  su: ['su', 'su-l'],
  login: ['login'],
};
const NAMES = [...Object.keys(SERVICES), 'all'];

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The files of a service that are on this machine. */
function filesOf(service: string): string[] {
  const names = service === 'all' ? Object.values(SERVICES).flat() : (SERVICES[service] ?? []);
  return names.map((name) => join(DIRECTORY, name)).filter((path) => existsSync(path));
}

/** A change of one file. */
interface Change {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

function describe(steps: readonly Step[]): string {
  return steps
    .map(({ line, code }) => `  ${line.path}:${line.number}: ${line.module} returns ${code}`)
    .join('\n');
}

/** @throws RefusedError when the stack would deny everybody, or let users pass without Duo */
function checkStack(path: string, changed: ReadFile): void {
  const stack = readStack(basename(path), 'auth', changed);
  if (stack === undefined) throw new RefusedError(`${path} cannot be read`);
  const [problem] = stack.problems;
  if (problem !== undefined) throw new RefusedError(`${problem.path}:${problem.number} ${problem.text}`);
  const { bypass, passable, askedInVain } = guardOf(stack);
  if (!passable) throw new RefusedError(`with Duo behind the password, ${path} would deny every login`);
  if (bypass !== undefined) {
    throw new RefusedError(
      `${path} would let users in without Duo:\n${describe(bypass)}\nPlace the line by hand: see pam_duo_ts(8).`,
    );
  }
  if (askedInVain !== undefined) {
    throw new RefusedError(
      `${path} would ask Duo after a wrong password, so that strangers could send pushes:\n${describe(askedInVain)}\n` +
        'Place the line by hand: see pam_duo_ts(8).',
    );
  }
}

/** @throws RefusedError when logins would be denied, or let in, because of the configuration */
function checkConfig(): void {
  const text = readText(CONFIG);
  if (text === undefined) throw new RefusedError(`${CONFIG} does not exist`);
  const parsed = parseConfig(text, { path: CONFIG, program: 'pam' });
  if (parsed.ok) return;
  const notices = parsed.notices.map(({ text }) => text);
  throw new RefusedError(
    [`${CONFIG} is not usable: fill in ikey, skey and host first`, ...notices].join('\n'),
  );
}

/** The changes that enable Duo for a service. */
function planEnable(service: string): Change[] {
  const paths = filesOf(service);
  if (paths.length === 0) throw new RefusedError(`${DIRECTORY} has no stack for ${service}`);
  const changes = new Map<string, Change>();
  const changed: ReadFile = (path) => changes.get(path)?.after ?? readText(path);
  for (const path of paths) {
    const before = readText(path) ?? '';
    const { marked, other } = usesOf(before);
    if (other.length > 0) {
      throw new RefusedError(
        `${path}:${other.join(', ')} names pam_duo_ts.so already, in a line that duo-ts did not write`,
      );
    }
    const reached = readStack(basename(path), 'auth', changed);
    // su-l includes su, for example.
    const asksAlready = reached?.lines.some(
      (line) => line.kind === 'call' && line.module.endsWith('pam_duo_ts.so'),
    );
    if (marked.length === 0 && !asksAlready) {
      const after = addBlock(before);
      if (after === undefined) {
        throw new RefusedError(`${path} has no line that checks a password, after which Duo could be asked`);
      }
      changes.set(path, { path, before, after });
    }
    checkStack(path, changed);
  }
  return [...changes.values()];
}

/** The changes that remove every block of a service; `all` is every file. */
function planDisable(service: string): Change[] {
  const paths =
    service === 'all' ? readdirSync(DIRECTORY).map((name) => join(DIRECTORY, name)) : filesOf(service);
  return paths.flatMap((path) => {
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return [];
    const before = readText(path) ?? '';
    const after = removeBlocks(before);
    return after === before ? [] : [{ path, before, after }];
  });
}

/** Changes the file. The content before goes to a backup. */
function apply({ path, before, after }: Change): void {
  const time = new Date().toISOString().replace(/[-:]|\..*/g, '');
  mkdirSync(BACKUPS, { recursive: true, mode: 0o700 });
  const backup = join(BACKUPS, `${basename(path)}.${time}`);
  replaceFile(backup, before);
  replaceFile(path, after);
  say(`${path}: changed; the file before is ${backup}`);
}

function change(changes: readonly Change[], dryRun: boolean, none: string): void {
  if (changes.length === 0) say(none);
  for (const each of changes) {
    if (dryRun) printDiff(each.path, each.before, each.after);
    else apply(each);
  }
}

function status(): void {
  for (const path of filesOf('all')) {
    const { marked, other } = usesOf(readText(path) ?? '');
    const stack = readStack(basename(path), 'auth', readText);
    const guard = stack === undefined ? undefined : guardOf(stack);
    const asks = stack?.lines.some((line) => line.kind === 'call' && line.module.endsWith('pam_duo_ts.so'));
    const where = [
      ...marked.map((line) => `enabled in line ${line}`),
      ...other.map((line) => `named by hand in line ${line}`),
    ];
    if (!asks) say(`${path}: does not ask Duo`);
    else if (guard?.bypass !== undefined) {
      say(`${path}: can be passed without Duo:\n${describe(guard.bypass)}`);
    } else
      say(
        `${path}: asks Duo${where.length > 0 ? ` (${where.join(', ')})` : ' through a file that it includes'}`,
      );
  }
}

export function pamCommand(): Command {
  const service = () => new Argument('<service>', 'the login service').choices(NAMES);
  return new Command('pam')
    .description('Ask Duo behind the password, in the PAM stacks of single services.')
    .addHelpText('after', '\nExample: duo-ts pam enable --dry-run sudo')
    .addCommand(
      new Command('enable')
        .description(
          `Add the line to the service's stacks, if that locks nobody out and nobody gets around it.`,
        )
        .addArgument(service())
        .option('--dry-run', 'show the change, and change nothing')
        .action(
          refusing('pam', (name: string, { dryRun = false }: { dryRun?: boolean }) => {
            checkConfig();
            change(planEnable(name), dryRun, `${name} asks Duo already`);
            if (!dryRun) say('Keep a root shell open and test a login in another one.');
          }),
        ),
    )
    .addCommand(
      new Command('disable')
        .description('Remove the lines that `enable` added, from one service or from every file.')
        .addArgument(service())
        .option('--dry-run', 'show the change, and change nothing')
        .action(
          refusing('pam', (name: string, { dryRun = false }: { dryRun?: boolean }) => {
            change(planDisable(name), dryRun, `${name}: nothing to remove`);
          }),
        ),
    )
    .addCommand(
      new Command('status').description('Show which stacks ask Duo.').action(refusing('pam', status)),
    );
}
