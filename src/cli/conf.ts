/** `duo-ts conf`: shows the effective configuration, and changes single options. */
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { type ConfigSource, parseConfig } from '../config/config.ts';
import { readIni } from '../config/ini.ts';
import { defaults, options } from '../config/options.ts';
import { printDiff, RefusedError, readText, refusing, replaceFile } from './replace-file.ts';

const FILES = { pam: '/etc/duo/pam_duo.conf', login_duo: '/etc/duo/login_duo.conf' } as const;
/** Options whose values are never shown, and never taken from a command line. */
const SECRETS = ['skey', 'http_proxy'];

interface Place {
  readonly program: ConfigSource['program'];
  readonly file?: string;
}

const pathOf = ({ program, file }: Place) => file ?? FILES[program];

function read(path: string): string {
  const text = readText(path);
  if (text === undefined) throw new RefusedError(`${path} does not exist`);
  return text;
}

/** Each option with its value and place; options that are not set with their defaults. Secrets are masked. */
export function describeConfig(path: string, text: string): string[] {
  const entries = [...readIni(text)];
  const preset: Readonly<Record<string, unknown>> = { ...defaults() };
  return [...options.keys()].flatMap((name) => {
    const set = entries.filter((entry) => entry.name === name);
    const shown = (value: string) => (SECRETS.includes(name) ? '[not shown]' : value);
    if (set.length > 0) return set.map(({ line, value }) => `${name} = ${shown(value)}  # ${path}:${line}`);
    const value = preset[name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())];
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) return [];
    return [`${name} = ${typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)}  # default`];
  });
}

function show(place: Place): void {
  const path = pathOf(place);
  const text = read(path);
  for (const line of describeConfig(path, text)) process.stdout.write(`${line}\n`);
  const { notices, ok } = parseConfig(text, { path, program: place.program });
  for (const notice of notices) process.stderr.write(`${notice.text}\n`);
  if (!ok) throw new RefusedError(`${path} can't be used`);
}

/** The text with the option's last line replaced, or a line added. */
export function withOption(text: string, name: string, value: string): string {
  const lines = text.split('\n');
  const last = [...readIni(text)].findLast((entry) => entry.name === name);
  if (last === undefined) return `${text.replace(/\n*$/, '\n')}${name} = ${value}\n`;
  const line = lines[last.line - 1] ?? '';
  if (/^\s/.test(line)) throw new RefusedError(`line ${last.line} continues another line: edit the file`);
  return lines.with(last.line - 1, `${name} = ${value}`).join('\n');
}

function change(name: string, given: string, place: Place): void {
  if (!options.has(name)) throw new RefusedError(`there is no option ${name}: see pam_duo_ts.conf(5)`);
  const secret = SECRETS.includes(name);
  if (secret && given !== '-')
    throw new RefusedError(`a command line is no place for ${name}: write - and type it, or pipe it in`);
  const value = given === '-' ? readFileSync(0, 'latin1').trim() : given;
  if (/[\n\r\0]/.test(value)) throw new RefusedError('a value is one line');
  const path = pathOf(place);
  const before = read(path);
  const after = withOption(before, name, value);
  const parsed = parseConfig(after, { path, program: place.program });
  if (!parsed.ok || parsed.notices.length > 0) {
    const was = parseConfig(before, { path, program: place.program });
    const fresh = parsed.notices.filter((notice) => !was.notices.some(({ text }) => text === notice.text));
    if (fresh.length > 0) throw new RefusedError(fresh.map(({ text }) => text).join('\n'));
  }
  replaceFile(path, after);
  if (!secret)
    printDiff(
      path,
      before.replace(/^(\s*(?:skey|http_proxy)\s*[=:]).*$/gm, '$1 [not shown]'),
      after.replace(/^(\s*(?:skey|http_proxy)\s*[=:]).*$/gm, '$1 [not shown]'),
    );
}

export function confCommand(): Command {
  const at = (command: Command) =>
    command
      .addOption(
        new Option('--program <name>', 'whose configuration').choices(['pam', 'login_duo']).default('pam'),
      )
      .option('--file <file>', 'another file');
  return new Command('conf')
    .description('Show the effective configuration, or change an option.')
    .addCommand(
      at(new Command('show').description('Show each option with its place. Secrets are masked.')).action(
        refusing('conf', show),
      ),
    )
    .addCommand(
      at(
        new Command('set')
          .description(
            'Change an option, if the configuration stays valid. The value - is read from standard input.',
          )
          .argument('<name>')
          .argument('<value>'),
      )
        .addHelpText('after', '\nExample: duo-ts conf set failmode secure')
        .action(refusing('conf', change)),
    );
}
