/** What the documents name is there: files, scripts, options, packages, links. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import * as v from 'valibot';
import { options } from '../src/config/options.ts';

const Package = v.object({
  scripts: v.optional(v.record(v.string(), v.string()), {}),
  devDependencies: v.optional(v.record(v.string(), v.string()), {}),
  optionalDependencies: v.optional(v.record(v.string(), v.string()), {}),
  workspaces: v.optional(v.array(v.string()), []),
});

const DOCUMENTS = globSync(['*.md', 'docs/**/*.md']);
const manifest = manifestIn('.');

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

function manifestIn(folder: string): v.InferOutput<typeof Package> {
  return v.parse(Package, JSON.parse(read(join(folder, 'package.json'))));
}

/** Inline code, which begins and ends on one line outside of blocks. */
function codeIn(text: string): string[] {
  return [...text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '').matchAll(/`([^`\n]+)`/g)].map(
    ([, code = '']) => code,
  );
}

/** Folders of this repository whose name, at the beginning of a word, means a path in it. */
const PATH = /^(?:\.ci|bench|docs|examples|man|native|pam\.d|runtime|scripts|src|systemd|test)\/[\w@./*-]*$/;

/** The anchor that a heading gets. */
function anchorOf(heading: string): string {
  const plain = heading.replaceAll(/[`*_]/g, (mark) => (mark === '_' ? '_' : ''));
  return plain
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsOf(text: string): string[] {
  return [...text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    anchorOf(heading),
  );
}

for (const document of DOCUMENTS) {
  test(`${document}: every file it names exists`, (t) => {
    const words = codeIn(read(document)).flatMap((code) => code.split(/\s+/));
    const missing = words.filter((word) => PATH.test(word) && globSync(word).length === 0);
    t.deepEqual(missing, []);
  });

  test(`${document}: every npm script it names exists`, (t) => {
    const named = [...read(document).matchAll(/\bnpm (?:run ([\w:]+)|(start|test)\b)/g)];
    const missing = named
      .map(([, run, short]) => run ?? short ?? '')
      .filter((name) => !(name in manifest.scripts));
    t.deepEqual(missing, []);
  });

  test(`${document}: every link to a file leads there`, (t) => {
    const targets = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    const broken = targets
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? document : join(dirname(document), path);
        if (!existsSync(file)) return true;
        return anchor !== undefined && !anchorsOf(read(file)).includes(anchor);
      });
    t.deepEqual(broken, []);
  });
}

test('README explains every option of the configuration', (t) => {
  const table = codeIn(read('README.md').split('\n## Configuration\n')[1]?.split('\n## ')[0] ?? '');
  t.deepEqual(
    [...options.keys()].filter((option) => !table.includes(option)),
    [],
  );
});

test('CONTRIBUTING has a line for every package', (t) => {
  const code = codeIn(read('CONTRIBUTING.md').split('\n## Dependencies\n')[1]?.split('\n## ')[0] ?? '');
  const packages = [manifest, ...manifest.workspaces.map(manifestIn)].flatMap(
    ({ devDependencies, optionalDependencies }) =>
      Object.keys({ ...devDependencies, ...optionalDependencies }),
  );
  t.deepEqual(
    packages.filter((name) => !code.includes(name)),
    [],
  );
});

test('the changelog knows this version', (t) => {
  const { version } = v.parse(v.object({ version: v.string() }), JSON.parse(read('package.json')));
  t.regex(read('CHANGELOG.md'), new RegExp(`^## \\[?${version.replaceAll('.', '\\.')}\\b`, 'm'));
});
