/** `duo-ts migrate`: from duo_unix to this project, with a rollback unless a new login confirms. */
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import * as v from 'valibot';
import { parseConfig } from '../config/config.ts';
import { guardOf } from '../pam/guard.ts';
import { type Change, isGenerated, keysWithLoginDuo, migrateSshd, migrateStack } from '../pam/migrate.ts';
import { readStack } from '../pam/stack.ts';
import { printDiff, RefusedError, readText, refusing, replaceFile } from './replace-file.ts';

const BACKUPS = '/var/backups/duo-ts';
const STATE = `${BACKUPS}/migration.json`;
const LOGIN_DUO = ['/usr/sbin/login_duo_ts', '/usr/local/sbin/login_duo'];
const MODULES = ['/{usr/,}lib/*/security/pam_duo_ts.so', '/{usr/,}lib{,64}/security/pam_duo_ts.so'];

const File = v.object({
  path: v.string(),
  /** Null: the file was new. */
  before: v.nullable(v.string()),
});
/** A migration that was applied. */
const Migration = v.object({
  id: v.string(),
  session: v.string(),
  confirmed: v.boolean(),
  files: v.array(File),
});
type Migration = v.InferOutput<typeof Migration>;

interface Plan {
  readonly changes: readonly Change[];
  /** What the administrator has to do or to know. */
  readonly notes: readonly string[];
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function plan(): Plan {
  const notes: string[] = [];
  const stacks = globSync('/etc/pam.d/*').flatMap((path) => {
    if (!statSync(path).isFile()) return [];
    const before = readText(path) ?? '';
    const after = migrateStack(before);
    if (after === before) return [];
    if (!isGenerated(before)) return [{ path, before, after }];
    notes.push(
      `${path} was written by pam-auth-update. Let it replace the module: pam-auth-update --disable duo-unix --enable duo-ts`,
    );
    return [];
  });
  const forced = sshd(notes);
  const lines = stacks.flatMap(({ after }) => after.split('\n'));
  const changes = [
    ...stacks,
    ...forced,
    ...(lines.some((line) => /^[^#]*pam_duo_ts\.so(?!.*\bconf=)/.test(line))
      ? configuration('pam', notes)
      : []),
    ...(forced.length > 0 ? configuration('login_duo', notes) : []),
  ];
  checkStacks(stacks, notes);
  notes.push(...keys());
  return { changes, notes };
}

/** The changes of sshd's configuration. */
function sshd(notes: string[]): Change[] {
  const program = LOGIN_DUO.find((path) => existsSync(path));
  return globSync(['/etc/ssh/sshd_config', '/etc/ssh/sshd_config.d/*.conf']).flatMap((path) => {
    const before = readText(path) ?? '';
    const after = migrateSshd(before, program ?? '');
    if (after === before) return [];
    if (program !== undefined) return [{ path, before, after }];
    notes.push(
      `${path} runs login_duo: install the package login-duo-ts first, or it stays with Duo's own program.`,
    );
    return [];
  });
}

/**
 * A copy of Debian's configuration, where our program looks for it, unless there is one.
 * @throws RefusedError when neither is usable
 */
function configuration(program: 'pam' | 'login_duo', notes: string[]): Change[] {
  const name = program === 'pam' ? 'pam_duo.conf' : 'login_duo.conf';
  const path = `/etc/duo/${name}`;
  const old = `/etc/security/${name}`;
  const usable = (text: string | undefined) => text !== undefined && parseConfig(text, { path, program }).ok;
  const before = readText(path);
  if (usable(before)) return [];
  const after = readText(old);
  if (after === undefined || !usable(after))
    throw new RefusedError(`neither ${path} nor ${old} is a configuration with ikey, skey and host`);
  notes.push(`${path} becomes a copy of ${old}.`);
  return [{ path, before, after }];
}

/** @throws RefusedError when the new stacks would deny everybody */
function checkStacks(stacks: readonly Change[], notes: string[]): void {
  if (stacks.length > 0 && globSync(MODULES).length === 0)
    throw new RefusedError('pam_duo_ts.so is not installed');
  for (const { path } of stacks) {
    const stack = readStack(
      basename(path),
      'auth',
      (name) => stacks.find((change) => change.path === name)?.after ?? readText(name),
    );
    const guard = stack && guardOf(stack);
    if (guard === undefined || !guard.passable) throw new RefusedError(`${path} would deny every login`);
    if (guard.bypass !== undefined)
      notes.push(`${path} lets users in without Duo, and did so before: see duo-ts pam status.`);
    if (guard.askedInVain !== undefined)
      notes.push(
        `${path} asks Duo even after a wrong password, so strangers can send pushes. It did so before.`,
      );
  }
}

/** Keys that run login_duo. They belong to their users and are not changed. */
function keys(): string[] {
  const homes = (readText('/etc/passwd') ?? '').split('\n').flatMap((line) => line.split(':')[5] ?? []);
  return [...new Set(homes)].flatMap((home) => {
    const path = `${home}/.ssh/authorized_keys`;
    const lines = keysWithLoginDuo(readText(path) ?? '');
    return lines.map((line) => `${path}:${line} runs login_duo: change it to login_duo_ts by hand.`);
  });
}

function show({ changes, notes }: Plan): void {
  for (const { path, before, after } of changes) {
    // The secret key of a configuration is not printed.
    if (path.startsWith('/etc/duo/')) say(`${path}: ${before === undefined ? 'new' : 'replaced'}`);
    else printDiff(path, before ?? '', after);
  }
  for (const note of notes) say(`Note: ${note}`);
  if (changes.length === 0) say('Nothing to migrate: no stack and no configuration of sshd uses duo_unix.');
}

/** What names the login of this process: the kernel's audit session, or else the session's leader. */
function session(): string {
  const audit = readText('/proc/self/sessionid')?.trim();
  if (audit !== undefined && audit !== '4294967295') return `audit ${audit}`;
  const stat = readFileSync('/proc/self/stat', 'latin1');
  return `leader ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3] ?? ''}`;
}

function load(): Migration | undefined {
  const text = readText(STATE);
  return text === undefined ? undefined : v.parse(Migration, JSON.parse(text));
}

function save(migration: Migration): void {
  mkdirSync(BACKUPS, { recursive: true, mode: 0o700 });
  replaceFile(STATE, JSON.stringify(migration));
}

/** Lets sshd read its configuration again. @throws RefusedError when sshd refuses it */
function reloadSshd(): void {
  const { status, stderr } = spawnSync('sshd', ['-t'], { encoding: 'utf8' });
  if (status !== 0) throw new RefusedError(`sshd refuses its configuration: ${stderr.trim()}`);
  if (existsSync('/run/systemd/system')) {
    for (const unit of ['ssh.service', 'sshd.service'])
      spawnSync('systemctl', ['try-reload-or-restart', unit], { stdio: 'ignore' });
    return;
  }
  const pid = Number(readText('/run/sshd.pid'));
  if (pid > 0) process.kill(pid, 'SIGHUP');
}

function changesSshd(files: readonly { readonly path: string }[]): boolean {
  return files.some(({ path }) => path.startsWith('/etc/ssh/'));
}

/** Starts the rollback's timer, which outlives this login. */
function startTimer(id: string, seconds: number): void {
  const undo = [process.execPath, 'migrate', 'undo', '--if', id];
  if (!existsSync('/run/systemd/system')) {
    const script = 'sleep "$1"; shift; exec "$@"';
    spawn('sh', ['-c', script, 'sh', String(seconds), ...undo], { detached: true, stdio: 'ignore' }).unref();
    return;
  }
  const args = ['--quiet', '--collect', `--on-active=${seconds}`, '--', ...undo];
  const { status, stderr } = spawnSync('systemd-run', args, { encoding: 'utf8' });
  if (status !== 0) throw new RefusedError(`the rollback's timer does not start: ${stderr}`);
}

function apply(seconds: number): void {
  const last = load();
  if (last !== undefined && !last.confirmed)
    throw new RefusedError('a migration waits for its confirmation: confirm it, or undo it');
  const wanted = plan();
  show(wanted);
  if (wanted.changes.length === 0) return;
  const id = randomUUID();
  const files = wanted.changes.map(({ path, before }) => ({ path, before: before ?? null }));
  save({ id, session: session(), confirmed: false, files });
  startTimer(id, seconds);
  try {
    for (const { path, after } of wanted.changes) replaceFile(path, after);
    if (changesSshd(files)) reloadSshd();
  } catch (error) {
    restore(files);
    rmSync(STATE);
    throw error;
  }
  say(
    `Changed. In ${seconds} seconds everything is undone, unless you log in again and say there: duo-ts migrate confirm`,
  );
}

function confirm(): void {
  const migration = load();
  if (migration === undefined) throw new RefusedError('there is no migration to confirm');
  if (migration.session === session())
    throw new RefusedError('this is the login that changed the stacks: log in again, and confirm there');
  save({ ...migration, confirmed: true });
  say('Confirmed. `duo-ts migrate undo` still restores the files before.');
}

function restore(files: Migration['files']): void {
  for (const { path, before } of files) {
    if (before === null) rmSync(path, { force: true });
    else replaceFile(path, before);
  }
}

function undo(timer?: string): void {
  const migration = load();
  if (timer !== undefined && (migration?.id !== timer || migration.confirmed)) return;
  if (migration === undefined) throw new RefusedError('there is no migration to undo');
  restore(migration.files);
  if (changesSshd(migration.files)) reloadSshd();
  rmSync(STATE);
  say('The files are as they were before the migration.');
}

function seconds(text: string): number {
  const [, count, unit = 's'] = /^(\d{1,5})([smh]?)$/.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError('Give a time such as 10m.');
  return Number(count) * ({ s: 1, m: 60, h: 3600 }[unit] ?? 1);
}

export function migrateCommand(): Command {
  const action = (name: string, description: string) => new Command(name).description(description);
  return new Command('migrate')
    .description("Replace Duo's own pam_duo and login_duo in stacks and in sshd's configuration.")
    .addHelpText('after', '\nExample: duo-ts migrate apply --within 5m')
    .addCommand(
      action('show', 'Show every change, and change nothing.').action(
        refusing('migrate', () => show(plan())),
      ),
      { isDefault: true },
    )
    .addCommand(
      action('apply', 'Change the files. They are restored unless a new login confirms.')
        .option('--within <time>', 'the time to confirm', seconds, 600)
        .action(refusing('migrate', (options: { within: number }) => apply(options.within))),
    )
    .addCommand(action('confirm', 'Keep the changes; from a new login.').action(refusing('migrate', confirm)))
    .addCommand(
      action('undo', 'Restore the files before.')
        .addOption(new Option('--if <id>', 'only this migration, if nobody has confirmed it').hideHelp())
        .action(refusing('migrate', (options: { if?: string }) => undo(options.if))),
    );
}
