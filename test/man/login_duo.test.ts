/** man/login_duo.8 and the code say the same. */
import { globSync, readFileSync } from 'node:fs';
import test from 'ava';

const page = readFileSync('man/login_duo.8', 'utf8');
const read = (...patterns: string[]) =>
  globSync(patterns)
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
const launcher = read('native/login/*.c');
const c = launcher + read('native/{bridge,host}/*.[ch]');
/** The C code with the values of its macros in their places, and literals that follow one another joined. */
const spelled = c
  .replaceAll(/(?<!#define )\b[A-Z_]{4,}\b/g, (name) => {
    const value = new RegExp(`#define ${name} (".*")`).exec(c)?.[1];
    return value ?? name;
  })
  .replaceAll(/(?<!\\)"\s*"/g, '');
const everything = spelled + read('src/{config,login,policy,duo}/*.ts');

/** The page's list items of one kind, in its order. */
function items(macro: string): string[] {
  return [...page.matchAll(new RegExp(`^\\.It ${macro} (\\S+)`, 'gm'))].map(([, word = '']) => word);
}

function section(name: string): string {
  return page.split(`\n.Sh ${name}\n`)[1]?.split('\n.Sh ')[0] ?? '';
}

/** The fixed parts of a message, without what is different each time. */
function fixed(message: string, variable: RegExp): string[] {
  return message.split(variable).filter((part) => /[a-z]{3}/i.test(part));
}

test('options', (t) => {
  const [, accepted = ''] = /getopt\(argc, argv, "\+([a-z:]+)"\)/.exec(launcher) ?? [];
  const letters = [...accepted.matchAll(/([a-z])(:?)/g)].map(([, letter = '', value]) => ({
    letter,
    value: value === ':',
  }));
  t.deepEqual(
    items('Fl'),
    letters.map(({ letter }) => letter),
  );
  const usage = /#define USAGE "(.*)"/.exec(launcher)?.[1] ?? '';
  for (const { letter, value } of letters) {
    t.is(new RegExp(`\\[-${letter} \\w+\\]`).test(usage), value, `${letter} in the usage`);
    t.regex(
      section('SYNOPSIS'),
      value ? new RegExp(`^\\.Op Fl ${letter} Ar`, 'm') : new RegExp(`^\\.Op Fl \\w*${letter}`, 'm'),
    );
  }
});

test('environment', (t) => {
  const names = [...read('native/login/environment.c').matchAll(/value_of\(\*variable, "(\w+)"\)/g)];
  t.deepEqual(items('Ev').sort(), names.map(([, name = '']) => name).sort());
});

test('files', (t) => {
  const defined = ['DEFAULT_CONFIG', 'MOTD', 'DUO_TS_ENGINE'].map(
    (name) => new RegExp(`#define ${name} "(.*)"`).exec(everything)?.[1],
  );
  t.deepEqual(items('Pa'), defined);
});

const diagnostics = [...section('DIAGNOSTICS').matchAll(/^\.It "(.*)"$/gm)].map(
  ([, message = '']) => message,
);

for (const message of diagnostics) {
  test(`the code says: ${message}`, (t) => {
    const parts = fixed(message, /\b(?:FILE|HOST|NAME|N|REASON|SHELL|USER)\b| for '|login_duo(?= option)/);
    for (const part of parts) t.true(everything.includes(part.trim()), part);
    t.true(parts.length > 0 || message === 'SHELL: REASON');
  });
}

test('the page explains what login_duo says', (t) => {
  const said = [
    ...spelled.matchAll(/(?:fprintf\(stderr|complain\(launcher|snprintf\(why, sizeof why),\s*"([^"]*)"/g),
  ].map(([, message = '']) => message);
  t.true(said.length >= 10);
  const explained = diagnostics.join('\n');
  for (const message of said) {
    for (const part of fixed(message, /%\w|\\n|DUO_TS_RELEASE/)) {
      // The version, and the system's own words for what happens seldom.
      if (/^login_duo $|out of memory/.test(part)) continue;
      t.true(explained.includes(part.trim()), part);
    }
  }
});
