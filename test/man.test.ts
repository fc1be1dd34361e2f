/** The manual pages say what the code does: options, arguments, and every line that it shows or logs. */
import { globSync, readFileSync } from 'node:fs';
import test from 'ava';
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

test('pam_duo_ts.conf(5) has an entry for every option of the configuration, and for nothing else', (t) => {
  const entries = found(part(read('man/pam_duo_ts.conf.5'), 'Sh', 'OPTIONS'), /^\.It Ic (\S+)/gm);
  t.deepEqual(entries, [...new Set(entries)]);
  t.deepEqual(sorted(entries), sorted(options.keys()));
});

test('duo-ts(1) has an entry for every option of resident.conf, and for nothing else', (t) => {
  const [described = ''] = part(read('man/duo-ts.1'), 'Sh', 'FILES').split('\n.El\n', 1);
  const taken = found(read('src/resident/settings.ts'), /\bname === '(\w+)'/g);
  t.true(taken.length > 0);
  t.deepEqual(sorted(found(described, /^\.It Ic (\S+)/gm)), sorted(taken));
});

test('pam_duo_ts(8) has an entry for every argument of the module, and for nothing else', (t) => {
  const [, described = ''] = read('man/pam_duo_ts.8').split('\nThe arguments are:\n');
  const entries = found(described.split('\n.El\n', 1)[0] ?? '', /^\.It Ic (\S+)/gm);
  const read_arguments = read(MODULE).split('read_arguments(')[1]?.split('\n}\n')[0] ?? '';
  const taken = found(read_arguments, /value_of\(argv\[i\], "(\w+)"\)|strcmp\(argv\[i\], "(\w+)"\)/g);
  t.true(taken.length > 0);
  t.deepEqual(sorted(entries), sorted(taken));
});

test('pam_duo_ts(8) has an entry for every code that the module returns, and for nothing else', (t) => {
  const entries = found(part(read('man/pam_duo_ts.8'), 'Sh', 'RETURN CODES'), /^\.It Dv (\S+)/gm);
  t.deepEqual(sorted(entries), sorted(found(read(MODULE), /\breturn (PAM_[A-Z_]+);/g)));
});

for (const command of [engineCommand(), simulateCommand()]) {
  test(`duo-ts(1) has an entry for every option of ${command.name()}, and its default`, (t) => {
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

/* ---- what is shown and logged ---- */

/**
 * Where a login's lines are written. The other sources' strings are no lines, or stand in other pages; libduo's are no
 * log's, but what duo_geterr says.
 */
const SPEAKING = [
  'src/{config,policy}/*.ts',
  'src/login/!(libduo).ts',
  'src/duo/!(address-file|anchors|signature).ts',
  'native/pam/*.c',
  'native/{bridge/{bridge,resident,system},host/{account,config_file}}.c',
];

/** Strings that look like lines, and go to Duo or a proxy. */
const UNSEEN = [
  'ca_bundle/1.0 (ca_pinning=%)',
  // Kinds of opinions.
  'no service',
  'unknown name',
  'CONNECT % HTTP/1.1',
  'Proxy-Authorization: %',
  '-----BEGIN CERTIFICATE-----',
  '-----END CERTIFICATE-----',
];

/** Comments and regular expressions, to be left out, and strings. */
const TOKEN =
  /\/\*[\s\S]*?\*\/|\/\/.*|(?<=[(=:,!&|?]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*|'((?:\\.|[^'\\\n])*)'|"((?:\\.|[^"\\\n])*)"|`((?:\\.|\$\{(?:[^{}]|\{[^{}]*\})*\}|[^`\\])*)`/g;

/**
 * The strings of a source, those that are written in pieces put together, what varies in them as `%`. What is wrong with
 * a frame is left out, since no entry says more of it than `the engine spoke nonsense`, and so is what a compiler says.
 */
function linesOf(path: string): string[] {
  const source = read(path).replaceAll(/fail_nonsense\(\w+, "[^"]*"\)|_Static_assert\([^;]*;/g, '');
  const lines: string[] = [];
  let end = -1;
  for (const match of source.matchAll(TOKEN)) {
    const text = match.slice(1).find((group) => group !== undefined);
    if (text === undefined) continue;
    const plain = text
      .replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}|%(?:\.?[\d*]*)[a-z]/g, '%')
      .replaceAll('\\n', ' ')
      .replaceAll(/\\(.)/g, '$1');
    if (end >= 0 && /^\s*\+?\s*$/.test(source.slice(end, match.index))) lines.push(lines.pop() + plain);
    else lines.push(plain);
    end = match.index + match[0].length;
  }
  // Two at the end are what may follow, and its colon.
  return lines.map((line) => line.trim().replace(/(\w)%%$/, '$1'));
}

/** Two words at least, and not the end of a sentence that begins elsewhere. */
function isLine(line: string): boolean {
  return /^[A-Z%[a-z]/i.test(line) && (line.match(/[A-Za-z']{2,}/g) ?? []).length > 1 && line.includes(' ');
}

/** What varies, as the pages write it. */
const VARIES =
  /\b(?:CODE|FILE|HOST:PORT|KIND|MESSAGE|N|NAME|PROGRAM|REASON|RELEASE|SIGNAL|STATUS|TEXT|USER|VALUE)\b/g;

/** Every log line names the user: where in the sources it is put together does not matter here. */
function withoutUser(line: string): string {
  return line.replace(/ for '(?:USER|%)'.*$/, '');
}

const entries = ['man/pam_duo_ts.8', 'man/pam_duo_ts.conf.5']
  .flatMap((page) => read(page).match(/^\.Bl -diag\n[\s\S]*?^\.El$/gm) ?? [])
  .flatMap((list) => found(list, /^\.It (.*)$/gm))
  .map((entry) => withoutUser(entry.replaceAll('\\(aq', "'").replaceAll('\\(dq', '"')));

function patternOf(entry: string): RegExp {
  return new RegExp(
    `^${entry
      .split(VARIES)
      .map((text) => RegExp.escape(text))
      .join('.+')}$`,
  );
}

/** What stands on both sides of each colon, since a sentence and its reason are entries of their own. */
function halves(line: string): [string, string][] {
  return [...line.matchAll(/: /g)].map(({ index }) => [line.slice(0, index), line.slice(index + 2)]);
}

test('every line that a login shows or logs has an entry', (t) => {
  const lines = SPEAKING.flatMap((pattern) => globSync(pattern))
    .flatMap(linesOf)
    .map(withoutUser);
  const patterns = entries.map(patternOf);
  const known = (line: string) => patterns.some((pattern) => pattern.test(line));
  for (const sample of ['Successful Duo login', 'Autopushing login request to phone...'])
    t.true(lines.includes(sample), `the sources are read wrongly: ${sample} is not in them`);
  const missing = lines
    .filter((line) => isLine(line) && !UNSEEN.includes(line))
    .filter((line) => !known(line) && !halves(line).some((half) => half.every(known)));
  t.deepEqual(sorted(missing), []);
  t.deepEqual(
    UNSEEN.filter((line) => !lines.includes(line)),
    [],
  );
});

test('every entry stands in the sources', (t) => {
  const lines = globSync(['src/**/*.ts', 'native/{pam,bridge,host}/*.c']).flatMap(linesOf).map(withoutUser);
  lines.push(...lines.flatMap(halves).map(([, reason]) => reason));
  t.deepEqual(
    entries.filter((entry) => !lines.some((line) => patternOf(entry).test(line))),
    [],
  );
});

test('an entry is there once', (t) => {
  t.deepEqual(entries, [...new Set(entries)]);
});
