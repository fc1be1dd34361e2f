/**
 * Runs a suite that needs machines of its own: `node test/suite.ts machines|packages [--write] [AVA'S OPTIONS]`. With
 * `--write` it writes what was run, and where, into docs/machines.md.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { replacePart } from '../scripts/replace-part.ts';
import { makeImage, SYSTEMS } from './machines/image.ts';

interface Scene {
  readonly file: string;
  readonly title: string;
  readonly passed: boolean;
  /** What the scene logged. */
  readonly notes: string[];
}

const [suite = '', ...options] = process.argv.slice(2);
const write = options.includes('--write');
if (suite === 'machines') makeImages(options.filter((option) => option.endsWith('.test.ts')));
/** ava leaves the name of a single file out. */
const single = options
  .filter((option) => option.endsWith('.test.ts'))
  .map((path) => basename(path, '.test.ts'))[0];
const scenes: Scene[] = [];
const child = spawn('ava', ['--tap', ...options.filter((option) => option !== '--write')], {
  stdio: ['ignore', 'pipe', 'inherit'],
  env: { ...process.env, AVA_SUITE: suite },
});
const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
for await (const line of createInterface({ input: child.stdout })) {
  const [, result, file = single, title] = /^(ok|not ok) \d+ - (?:(.+?) › )?(.+)$/.exec(line) ?? [];
  const [, note] = /^# {3}(.*)$/.exec(line) ?? [];
  if (file !== undefined && title !== undefined)
    scenes.push({ file, title, passed: result === 'ok', notes: [] });
  else if (note !== undefined) scenes.at(-1)?.notes.push(note);
  process.stdout.write(`${line}\n`);
}
const status = await ended;
if (write && status === 0) {
  const begin = `<!-- written by \`npm run test:${suite} -- --write\` -->`;
  replacePart('docs/machines.md', begin, `<!-- end of ${suite} -->`, table());
}
process.exit(status);

/** Makes the images of these files, or all. Test files that run at the same time must not make the same one. */
function makeImages(files: readonly string[]): void {
  const texts = files.map((path) => readFileSync(path, 'utf8'));
  const needed = (system: string) => texts.some((text) => text.includes(`startInstalled('${system}'`));
  SYSTEMS.filter((system) => files.length === 0 || needed(system)).forEach(makeImage);
}

/** A list for each file: what the machine was, and the scenes. */
function table(): string {
  const files = [...new Set(scenes.map(({ file }) => file))];
  const rows = files.flatMap((file) => {
    const those = scenes.filter((scene) => scene.file === file);
    const notes = those.flatMap((scene) => scene.notes);
    return [
      `- **${file}**${notes.length > 0 ? `: ${notes.join('; ')}` : ''}`,
      ...those.map(({ title }) => `  - ${title}`),
    ];
  });
  return `Run on ${new Date().toISOString().slice(0, 10)}:\n\n${rows.join('\n')}`;
}
