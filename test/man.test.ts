/** The manual pages have the options, arguments and return codes of the code. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { duoTs } from '../src/cli/commands.ts';
import { engineCommand } from '../src/cli/engine-command.ts';
import { simulateCommand } from '../src/cli/simulate.ts';
import { options } from '../src/config/options.ts';

const MODULE = 'native/pam/pam_duo_ts.c';

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

/** A section (.Sh) or subsection (.Ss) of a page, up to the next one. */
function part(page: string, macro: 'Sh' | 'Ss', title: string): string {
  const end = macro === 'Sh' ? '^\\.Sh ' : '^\\.S[hs] ';
  const text = page.split(`\n.${macro} ${title}\n`)[1];
  if (text === undefined) throw new Error(`there is no .${macro} ${title}`);
  return text.split(new RegExp(end, 'm'), 1)[0] ?? '';
}

function found(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(
    (match) => match.slice(1).find((group) => group !== undefined) ?? '',
  );
}

function sorted(names: Iterable<string>): string[] {
  return [...new Set(names)].sort();
}

test('pam_duo_ts.conf(5) has exactly the options of the configuration', (t) => {
  const entries = found(part(read('man/pam_duo_ts.conf.5'), 'Sh', 'OPTIONS'), /^\.It Ic (\S+)/gm);
  t.deepEqual(entries, [...new Set(entries)]);
  t.deepEqual(sorted(entries), sorted(options.keys()));
});

test('duo-ts(1) has exactly the options of resident.conf', (t) => {
  const [described = ''] = part(read('man/duo-ts.1'), 'Sh', 'FILES').split('\n.El\n', 1);
  const taken = found(read('src/resident/settings.ts'), /\bname === '(\w+)'/g);
  t.true(taken.length > 0);
  t.deepEqual(sorted(found(described, /^\.It Ic (\S+)/gm)), sorted(taken));
});

test('pam_duo_ts(8) has exactly the arguments of the module', (t) => {
  const [, described = ''] = read('man/pam_duo_ts.8').split('\nThe arguments are:\n');
  const entries = found(described.split('\n.El\n', 1)[0] ?? '', /^\.It Ic (\S+)/gm);
  const read_arguments = read(MODULE).split('read_arguments(')[1]?.split('\n}\n')[0] ?? '';
  const taken = found(read_arguments, /value_of\(argv\[i\], "(\w+)"\)|strcmp\(argv\[i\], "(\w+)"\)/g);
  t.true(taken.length > 0);
  t.deepEqual(sorted(entries), sorted(taken));
});

test('pam_duo_ts(8) has exactly the codes that the module returns', (t) => {
  const entries = found(part(read('man/pam_duo_ts.8'), 'Sh', 'RETURN CODES'), /^\.It Dv (\S+)/gm);
  t.deepEqual(sorted(entries), sorted(found(read(MODULE), /\breturn (PAM_[A-Z_]+);/g)));
});

for (const command of [engineCommand(), simulateCommand()]) {
  test(`duo-ts(1) has every option of ${command.name()}, and its default`, (t) => {
    const page = read('man/duo-ts.1');
    const described = part(page, 'Ss', command.name());
    const long = command.options.map((option) => option.long ?? '');
    t.deepEqual(sorted(found(described, /^\.It Fl (-\S+)/gm).map((name) => `-${name}`)), sorted(long));
    const synopsis =
      part(page, 'Sh', 'SYNOPSIS').split(`.Cm ${command.name()}\n`)[1]?.split('.Nm\n')[0] ?? '';
    t.deepEqual(sorted(found(synopsis, /^\.Op Fl (-\S+)/gm).map((name) => `-${name}`)), sorted(long));
    for (const { long: name = '', defaultValue } of command.options) {
      if (typeof defaultValue !== 'string' && typeof defaultValue !== 'number') continue;
      const entry = described.split(`.It Fl ${name.slice(1)}`)[1]?.split('\n.It Fl ')[0] ?? '';
      t.true(entry.includes(`Default:\n.Li ${defaultValue} .`), `${name}: ${defaultValue}`);
    }
  });
}

for (const command of duoTs().commands) {
  test(`duo-ts(1) describes ${command.name()}, its commands and options`, (t) => {
    const described = part(read('man/duo-ts.1'), 'Ss', command.name());
    const all = [command, ...command.commands];
    const options = all.flatMap((each) => each.options.filter(({ hidden }) => !hidden));
    for (const { long } of options) t.regex(described, new RegExp(`\\bFl ${long?.slice(1)}\\b`), long);
    for (const { name } of command.commands.map((each) => ({ name: each.name() })))
      t.regex(described, new RegExp(`^\\.(?:Cm|It Cm) .*\\b${name}\\b`, 'm'), name);
  });
}
