/**
 * Whatever the documents name exists: files, links, scripts, options, packages. And the documents stay
 * short.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import GithubSlugger from 'github-slugger';
import { marked, type Token } from 'marked';
import * as v from 'valibot';
import { FIELDS, FrameType } from '../src/bridge/frame.ts';

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

/** All tokens of one type, at any depth, in order. */
function tokensOf(text: string, type: string): (Token & { text: string; href?: string })[] {
  const found: (Token & { text: string })[] = [];
  marked.walkTokens(marked.lexer(text), (token) => {
    if (token.type === type && 'text' in token) found.push(token as Token & { text: string });
  });
  return found;
}

const codeIn = (text: string) => tokensOf(text, 'codespan').map((token) => token.text);

function anchorsOf(text: string): string[] {
  const slugger = new GithubSlugger();
  return tokensOf(text, 'heading').map((token) => slugger.slug(token.text.replaceAll('`', '')));
}

/** Folders of this repository whose name at the beginning of a word means a path. */
const PATH = /^(?:\.ci|bench|docs|examples|man|native|pam\.d|runtime|scripts|src|systemd|test)\/[\w@./*-]*$/;

for (const document of DOCUMENTS) {
  test(`${document}: every file it names exists`, (t) => {
    const words = codeIn(read(document)).flatMap((code) => code.split(/\s+/));
    const missing = words.filter((word) => PATH.test(word) && globSync(word).length === 0);
    t.deepEqual(missing, []);
  });

  test(`${document}: every npm script it names exists`, (t) => {
    const named = [...read(document).matchAll(/\bnpm (?:run ([\w:-]+)|(start|test)\b)/g)];
    const missing = named
      .map(([, run, short]) => run ?? short ?? '')
      .filter((name) => !(name in manifest.scripts));
    t.deepEqual(missing, []);
  });

  test(`${document}: every link leads to a file and a heading of it`, (t) => {
    const text = read(document);
    const targets = [...tokensOf(text, 'link'), ...tokensOf(text, 'image')].map(({ href = '' }) => href);
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

test('every document of docs/ is linked from README', (t) => {
  const linked = tokensOf(read('README.md'), 'link').map(({ href = '' }) => href);
  const hidden = globSync('docs/*.md').filter((path) => !linked.includes(path));
  t.deepEqual(hidden, []);
});

test('documents and manual pages stay short', (t) => {
  const generated = ['docs/outcomes.md', 'docs/soak.md'];
  const pages = [...globSync(['*.md', 'docs/*.md', 'man/*'])].filter((path) => !generated.includes(path));
  /** Without the padding of tables and what programs write. */
  const lengthOf = (path: string) =>
    Buffer.byteLength(
      read(path)
        .replaceAll(/<!-- (?:measured|written)[\s\S]*?<!-- end of [\w ]+ -->/g, '')
        .replaceAll(/ {2,}|-{4,}/g, ' '),
    );
  t.true(read('README.md').split('\n').length <= 180);
  t.true(Buffer.byteLength(read('SECURITY.md')) <= 8192);
  const total = pages.reduce((sum, path) => sum + lengthOf(path), 0);
  t.true(total <= 129_000, `${total} bytes`);
});

test('CONTRIBUTING opens with a glossary of at most 15 words', (t) => {
  const [title, heading, list] = marked.lexer(read('CONTRIBUTING.md')).filter(({ type }) => type !== 'space');
  t.is(title?.type, 'heading');
  t.is(heading?.raw.trim(), '## Glossary');
  t.true(list?.type === 'list' && list['items'].length <= 15);
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

test('PROTOCOL has every type and field of the bridge', (t) => {
  const text = read('PROTOCOL.md');
  const words = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const fields = Object.entries(FIELDS).map(([name, { tag, kind }]) =>
    name === 'answer'
      ? `${tag} \`text\` bytes`
      : `${tag} \`${words(name)}\` ${kind === 'foreign' ? 'bytes' : kind}`,
  );
  const types = Object.entries(FrameType).map(
    ([name, type]) =>
      `- ${type} ${words(name)
        .replace(/^(host|engine)_/, '')
        .toUpperCase()}:`,
  );
  t.deepEqual(
    [...fields, ...types].filter((line) => !text.includes(line)),
    [],
  );
});

test('the changelog has an entry for this version', (t) => {
  const { version } = v.parse(v.object({ version: v.string() }), JSON.parse(read('package.json')));
  t.regex(read('CHANGELOG.md'), new RegExp(`^## \\[?${version.replaceAll('.', '\\.')}\\b`, 'm'));
});
