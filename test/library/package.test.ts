/**
 * The content of `npm pack`, installed in an empty project, with the oldest supported Node and with ours.
 * The programs are the examples of docs/library.md.
 */
import { execFile, type PromiseWithChild } from 'node:child_process';
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { EXAMPLE_APPLICATION, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';

const run: (
  program: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
) => PromiseWithChild<{ stdout: string; stderr: string }> = promisify(execFile);

const root = resolve(import.meta.dirname, '../..');
const project = mkdtempSync(join(tmpdir(), 'duo-package-'));

interface Example {
  readonly name: string;
  readonly input: string;
  readonly code: string;
  readonly output: string;
}

/** The programs of the guide, with the output that it promises. */
function examples(): Example[] {
  const guide = readFileSync(join(root, 'docs/library.md'), 'utf8');
  const found = guide.matchAll(
    /<!-- example: (?<name>\w+)(?:; input: (?<input>.*?))? -->\n\n```ts\n(?<code>.*?)```\n.*?```text\n(?<output>.*?)```\n/gs,
  );
  return [...found].map(({ groups: { name = '', input = '', code = '', output = '' } = {} }) => ({
    name,
    input,
    code,
    output,
  }));
}

/**
 * A Node of the oldest line that package.json promises; on Debian 12 with NodeSource it is the system's
 * own.
 */
async function oldNode(): Promise<string | undefined> {
  const ours = realpathSync(process.execPath);
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const [path] = globSync(join(folder, 'node'));
    if (path === undefined || realpathSync(path) === ours) continue;
    const { stdout } = await run(path, ['--version'], { cwd: root });
    if (/^v2[0-4]\./.test(stdout)) return path;
  }
  return undefined;
}

const old = await oldNode();

test.before('packs the library and installs it in an empty project', async () => {
  const packed = await run('npm', ['pack', '--json', '--pack-destination', project], { cwd: root });
  const [tarball] = readdirSync(project).filter((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error(`npm pack packed nothing: ${packed.stderr}`);
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${tarball}`], { cwd: project });
});

test.after.always(() => rmSync(project, { recursive: true, force: true }));

test('the package contains the library, its types and its notices, and nothing else', (t) => {
  t.deepEqual(readdirSync(join(project, 'node_modules')).sort(), ['.package-lock.json', 'pam-duo-ts']);
  const files = globSync('**', { cwd: join(project, 'node_modules/pam-duo-ts'), withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).split('/node_modules/pam-duo-ts/')[1])
    .filter((name) => !/^(?:README|LICENSE)/.test(name ?? ''))
    .sort();
  t.deepEqual(files, [
    'dist/THIRD-PARTY.txt',
    'dist/index.js',
    'dist/types/duo/errors.d.ts',
    'dist/types/library/conversation.d.ts',
    'dist/types/library/duo.d.ts',
    'dist/types/library/index.d.ts',
    'dist/types/library/result.d.ts',
    'package.json',
  ]);
});

test('the package contains no engine, simulator or build path, and exports the documented names', async (t) => {
  const code = readFileSync(join(project, 'node_modules/pam-duo-ts/dist/index.js'), 'utf8');
  t.notRegex(code, /src\/(?:bridge|cli|simulator|config)\//);
  const login = new Set(code.match(/src\/login\/[^\s]+/g));
  t.deepEqual([...login].sort(), ['src/login/messages.ts', 'src/login/run-login.ts']);
  t.false(code.includes(root));
  t.notRegex(code, /Promise\.withResolvers/);
  const { stdout } = await run(
    process.execPath,
    ['-p', "import('pam-duo-ts').then((all) => console.log(Object.keys(all).join(' '))), ''"],
    { cwd: project },
  );
  t.deepEqual(stdout.trim().split(' '), [
    'Duo',
    'DuoClosedError',
    'DuoConnectionError',
    'DuoError',
    'DuoFlag',
    'DuoHandleError',
    'DuoLocalError',
    'DuoParameterError',
    'DuoRateLimitError',
    'DuoReplyError',
    'DuoRequestError',
    'DuoServerError',
    'DuoUnauthorizedError',
  ]);
});

/** Runs a program of the project with the settings of a simulator; returns its output. */
async function runProgram(
  t: ExecutionContext,
  node: string,
  program: string,
  input: string,
  options: SimulatorOptions = {},
): Promise<string> {
  const simulator = await startSimulator(options);
  t.teardown(() => simulator.close());
  const place = mkdtempSync(join(project, 'run-'));
  writeFileSync(join(place, 'ca.pem'), simulator.ca);
  const { ikey, skey } = EXAMPLE_APPLICATION;
  const settings = { host: `${simulator.host}:${simulator.port}`, ikey, skey, cafile: 'ca.pem' };
  writeFileSync(join(place, 'duo.json'), JSON.stringify(settings));
  const running = run(node, [join(project, program)], { cwd: place });
  running.child.stdin?.end(input === '' ? '' : `${input}\n`);
  const { stdout, stderr } = await running;
  t.is(stderr, '');
  return stdout;
}

/** The code of a result determines its other fields, and there are seven codes. */
const NARROWING = `
import type { DuoError, DuoResult } from 'pam-duo-ts';
export function errorOf(result: DuoResult): DuoError | undefined {
  // @ts-expect-error
  if (result.code === 'DUO_MAYBE') return undefined;
  // @ts-expect-error
  result.error;
  if (result.code === 'DUO_OK' || result.code === 'DUO_FAIL' || result.code === 'DUO_ABORT') return undefined;
  return result.error;
}
`;

test.serial('the examples of the guide compile with the strictest options', async (t) => {
  t.deepEqual(
    examples().map(({ name }) => name),
    ['terminal', 'conversation', 'automatic', 'results'],
  );
  mkdirSync(join(project, 'ts'));
  for (const { name, code } of examples()) writeFileSync(join(project, 'ts', `${name}.ts`), code);
  writeFileSync(join(project, 'ts', 'narrowing.ts'), NARROWING);
  const options = {
    compilerOptions: {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      target: 'es2022',
      lib: ['es2022'],
      module: 'nodenext',
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      rootDir: 'ts',
      outDir: 'js',
    },
    include: ['ts'],
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(options));
  const { stdout } = await run(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: project }).catch(
    (error: { stdout: string }) => error,
  );
  t.is(stdout, '');
});

for (const example of examples()) {
  test(`the guide's example '${example.name}' prints what it says, on this Node`, async (t) => {
    t.is(await runProgram(t, process.execPath, `js/${example.name}.js`, example.input), example.output);
  });

  (old === undefined ? test.skip : test)(
    `the guide's example '${example.name}' prints what it says, on an old Node (needs a node of version 20 to 24 in PATH)`,
    async (t) => {
      t.is(await runProgram(t, old ?? '', `js/${example.name}.js`, example.input), example.output);
    },
  );
}

/** Cases without an example in the guide that an old Node might handle differently. */
const OTHERWISE = `
import { readFile } from 'node:fs/promises';
import { Duo, DuoClosedError, DuoFlag } from 'pam-duo-ts';
const settings = JSON.parse(await readFile('duo.json', 'utf8'));
const duo = await Duo.open(settings);
const flags = DuoFlag.Auto;
const { code, message } = await duo.login('amy', { flags });
console.log(code, message.replace(/:\\d+/, ''));
duo.setSslVerify(false);
const over = new AbortController();
const rejected = (error) => console.log(error.name, error.code, error instanceof DuoClosedError);
duo.setConversation({ status: () => setImmediate(() => over.abort()) });
await duo.login('alice', { flags, signal: over.signal }).catch(rejected);
duo.setConversation({ status: () => setImmediate(() => duo.close()) });
await duo.login('alice', { flags }).catch(rejected);
`;
const SAYS =
  "DUO_CONN_ERROR Couldn't connect to localhost: Certificate name validation failed\n" +
  'AbortError 20 false\nError ERR_DUO_CLOSED true\n';

test('a bad certificate, an abort and a closed handle end logins and the program', async (t) => {
  writeFileSync(join(project, 'otherwise.js'), OTHERWISE);
  const options = { certificate: 'wrong-name' } as const;
  t.is(await runProgram(t, process.execPath, 'otherwise.js', '', options), SAYS);
  if (old === undefined) t.log('not on an old Node: there is no node of version 20 to 24 in PATH');
  else t.is(await runProgram(t, old, 'otherwise.js', '', options), SAYS);
});

test('the login ends with standard input', async (t) => {
  t.regex(
    await runProgram(t, process.execPath, 'js/terminal.js', ''),
    /Passcode or option \(1-3\): \n?No: Error gathering user response\n$/,
  );
});

test('the API documentation is up to date (npm run docs writes it)', async (t) => {
  const fresh = join(project, 'api');
  await run(
    join(root, 'scripts/api-docs/node_modules/.bin/typedoc'),
    ['--options', 'scripts/api-docs/typedoc.json', '--logLevel', 'Warn', '--out', fresh],
    { cwd: root },
  );
  const filesOf = (place: string) => globSync('**/*.md', { cwd: place }).sort();
  const written = filesOf(join(root, 'docs/api'));
  t.deepEqual(filesOf(fresh), written);
  for (const name of written) {
    t.is(readFileSync(join(fresh, name), 'utf8'), readFileSync(join(root, 'docs/api', name), 'utf8'), name);
  }
});
