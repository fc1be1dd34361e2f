/** `duo-ts break-glass`: makes one-time codes for when Duo is unreachable, and shows which are left. */
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { canRead, ENGINE_USERS, hasUser, runProgram } from '../check/machine.ts';
import { CODE_DIRECTORY, formatCodeFile, hashOf, readCodes } from '../login/break-glass.ts';
import { RefusedError, refusing, replaceFile } from './replace-file.ts';

/** Without letters and digits that look alike. Four characters name the code, twenty are its secret of 99 bits. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
const NAME = 4;
const SECRET = 20;
const MOST = 100;

interface Options {
  readonly count: number;
  readonly directory: string;
}

function random(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

function grouped(text: string): string {
  return text.replace(/.{5}(?=.)/g, '$&-');
}

async function make(user: string, { count, directory }: Options): Promise<void> {
  if (!hasUser(user)) throw new RefusedError(`there is no account ${user}`);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const taken = new Set(readdirSync(directory));
  const codes: string[] = [];
  while (codes.length < count) {
    const name = random(NAME);
    if (taken.has(name)) continue;
    taken.add(name);
    const secret = random(SECRET);
    const salt = randomBytes(16).toString('hex');
    const hash = (await hashOf(secret, salt)).toString('hex');
    // The engine's users read it. A hash of 99 random bits tells nothing.
    replaceFile(join(directory, name), formatCodeFile({ name, user, salt, hash }), 0o644);
    codes.push(`${name}-${grouped(secret)}`);
  }
  // A new directory gets its SELinux type.
  runProgram('restorecon', '-R', directory);
  process.stdout.write(`${codes.join('\n')}\n`);
  for (const { name } of readCodes(directory).slice(0, 1))
    for (const engine of ENGINE_USERS)
      if (!canRead(engine, join(directory, name)))
        process.stderr.write(
          `The engine's user ${engine} cannot read ${directory}, so these codes do not work yet.\n`,
        );
  process.stderr.write(
    `These codes for ${user} are not shown again. Keep them on paper. Each works once, while Duo is unreachable.\n`,
  );
}

function list({ directory }: Options): void {
  const users = new Map<string, string[]>();
  for (const { user, name } of readCodes(directory)) users.set(user, [...(users.get(user) ?? []), name]);
  if (users.size === 0) process.stdout.write('There are no break-glass codes.\n');
  for (const [user, names] of users)
    process.stdout.write(`${user}: ${names.length} left (${names.sort().join(', ')})\n`);
}

function revoke(user: string, { directory }: Options): void {
  const codes = readCodes(directory).filter((code) => code.user === user);
  if (codes.length === 0) throw new RefusedError(`${user} has no break-glass codes`);
  for (const { name } of codes) rmSync(join(directory, name));
  process.stdout.write(`Removed ${codes.length} codes of ${user}.\n`);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MOST)
    throw new InvalidArgumentError(`must be between 1 and ${MOST}`);
  return count;
}

export function breakGlassCommand(): Command {
  const command = new Command('break-glass')
    .description('One-time codes that replace Duo while it is unreachable and failmode is secure.')
    .addHelpText('after', '\nExample: duo-ts break-glass make root --count 5');
  const sub = (name: string) =>
    command.command(name).option('--directory <path>', 'where the codes are', CODE_DIRECTORY);
  sub('make')
    .description('Make codes for an account, and print them once.')
    .argument('<user>')
    .option('--count <number>', 'how many', parseCount, 5)
    .action(refusing('break-glass', make));
  sub('list').description('Show how many codes each account has left.').action(refusing('break-glass', list));
  sub('revoke')
    .description('Remove all codes of an account.')
    .argument('<user>')
    .action(refusing('break-glass', revoke));
  return command;
}
