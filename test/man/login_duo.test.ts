/** man/login_duo.8 has the options, variables and files of the code. */
import { globSync, readFileSync } from 'node:fs';
import test from 'ava';

const page = readFileSync('man/login_duo.8', 'utf8');
const read = (...patterns: string[]) =>
  globSync(patterns)
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
const launcher = read('native/login/*.c');
const c = launcher + read('native/{bridge,host}/*.[ch]');

/** The page's list items of one kind, in its order. */
function items(macro: string): string[] {
  return [...page.matchAll(new RegExp(`^\\.It ${macro} (\\S+)`, 'gm'))].map(([, word = '']) => word);
}

function section(name: string): string {
  return page.split(`\n.Sh ${name}\n`)[1]?.split('\n.Sh ')[0] ?? '';
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
    (name) => new RegExp(`#define ${name} "(.*)"`).exec(c)?.[1],
  );
  t.deepEqual(items('Pa'), defined);
});
