/** docs/troubleshooting.md has an entry for exactly the lines that a login shows or logs. */
import { globSync, readFileSync } from 'node:fs';
import test from 'ava';
import { marked, type Tokens } from 'marked';

/**
 * Sources of log lines. Strings of other sources are not log lines or belong to other documents; libduo's
 * are texts of duo_geterr.
 */
const SPEAKING = [
  'src/{config,policy}/*.ts',
  'src/login/!(libduo).ts',
  'src/duo/!(address-file|anchors|signature).ts',
  'native/{login,pam}/*.c',
  'native/{bridge/{bridge,resident},host/{code_file,config_file},unix/{account,system}}.c',
];

/** Strings that look like log lines but are sent to Duo or to a proxy. */
const UNSEEN = [
  'ca_bundle/1.0 (ca_pinning=%)',
  // Kinds of opinions.
  'no service',
  'unknown name',
  // A kind of bindings.
  'key and network',
  'CONNECT % HTTP/1.1',
  'Proxy-Authorization: %',
  '-----BEGIN CERTIFICATE-----',
  '-----END CERTIFICATE-----',
];

/** Comments and regular expressions, which are removed, and strings. */
const TOKEN =
  /\/\*[\s\S]*?\*\/|\/\/.*|(?<=[(=:,!&|?]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*|'((?:\\.|[^'\\\n])*)'|"((?:\\.|[^"\\\n])*)"|`((?:\\.|\$\{(?:[^{}]|\{[^{}]*\})*\}|[^`\\])*)`/g;

/** Macros next to strings are variable parts of them. */
function withoutMacros(source: string): string {
  return source.replaceAll(/"\s*\b[A-Z_]{4,}\b\s*"/g, '%').replaceAll(/(?<!#define )\b[A-Z_]{4,} "/g, '"%');
}

/**
 * The strings of a source, joined where they are written in pieces, with variable parts as `%`. Details of
 * invalid frames are left out, since their entry is `the engine violated the protocol`, and so are pragmas
 * of a compiler.
 */
function linesOf(path: string): string[] {
  const source = withoutMacros(readFileSync(path, 'utf8')).replaceAll(
    /fail_protocol\(\w+, "[^"]*"\)|_Static_assert\([^;]*;/g,
    '',
  );
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
  // Two variable parts at the end are an optional reason and its colon. One at the beginning is the program's name.
  return lines.map((line) =>
    line
      .trim()
      .replace(/(\w)%%$/, '$1')
      .replace(/^%: /, ''),
  );
}

/** At least two words, and not the end of a sentence that starts elsewhere. */
function isLine(line: string): boolean {
  return /^[A-Z%[a-z]/i.test(line) && (line.match(/[A-Za-z']{2,}/g) ?? []).length > 1 && line.includes(' ');
}

/** Variable parts as the document writes them. */
const VARIES =
  /\b(?:CODE|DATE|FILE|HOST:PORT|KIND|MESSAGE|N|NAME|PROGRAM|REASON|RELEASE|SIGNAL|STATUS|TEXT|USER|VALUE)\b/g;

/** Every log line names the user; where that is added does not matter here. */
function withoutUser(line: string): string {
  return line.replace(/ for '(?:USER|%)'.*$/, '');
}

/** The code at the start of each list item. */
const entries = markdownCode(readFileSync('docs/troubleshooting.md', 'utf8')).map(withoutUser);

function markdownCode(text: string): string[] {
  const items = marked
    .lexer(text)
    .flatMap((token) => (token.type === 'list' ? (token as Tokens.List).items : []));
  return items.flatMap(({ tokens: [first] }) => {
    const inline = first !== undefined && 'tokens' in first ? (first.tokens ?? []) : [];
    const end = inline.findIndex(({ type, raw }) => type === 'text' && raw.startsWith(':'));
    return inline
      .slice(0, end)
      .flatMap((token) => (token.type === 'codespan' ? [(token as Tokens.Codespan).text] : []));
  });
}

function patternOf(entry: string): RegExp {
  return new RegExp(
    `^${entry
      .split(VARIES)
      .map((text) => RegExp.escape(text))
      .join('.+')}$`,
  );
}

/** The parts on both sides of each colon, since a sentence and its reason have separate entries. */
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
  t.deepEqual([...new Set(missing)].sort(), []);
  t.deepEqual(
    UNSEEN.filter((line) => !lines.includes(line)),
    [],
  );
});

test('every entry is a message in the sources', (t) => {
  const lines = globSync(['src/**/*.ts', 'native/{bridge,host,login,pam,unix}/*.c'])
    .flatMap(linesOf)
    .map(withoutUser);
  lines.push(...lines.flatMap(halves).map(([, reason]) => reason));
  t.deepEqual(
    entries.filter((entry) => !lines.some((line) => patternOf(entry).test(line))),
    [],
  );
});

test('no entry appears twice', (t) => {
  t.deepEqual(entries, [...new Set(entries)]);
});
