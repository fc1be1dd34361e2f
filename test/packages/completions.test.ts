/** The completions, in the shells that read them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { completions } from '../../scripts/completions.ts';

const directory = mkdtempSync(join(tmpdir(), 'completions-'));
for (const [shell, text] of Object.entries(completions())) writeFileSync(join(directory, shell), text);

const CASES: readonly [words: readonly string[], some: readonly string[]][] = [
  [[], ['check', 'pam', 'migrate', 'status', 'conf', 'support', 'auth', 'simulate', 'engine']],
  [['pam'], ['enable', 'disable', 'status']],
  [
    ['pam', 'enable'],
    ['sshd', 'sudo', 'su', 'login', 'all'],
  ],
  [['migrate'], ['show', 'apply', 'confirm', 'undo']],
  [['conf'], ['show', 'set']],
];

for (const [words, some] of CASES) {
  const line = ['duo-ts', ...words].join(' ');
  test(`bash: ${line}`, (t) => {
    const script = `source ${directory}/bash; COMP_WORDS=(${line} ''); COMP_CWORD=${words.length + 1}; _duo_ts; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const offered = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\n');
    for (const word of some) t.true(offered.includes(word), word);
  });
  test(`fish: ${line}`, (t) => {
    const script = `source ${directory}/fish; complete --do-complete '${line} '`;
    const offered = execFileSync('fish', ['--no-config', '-c', script], {
      encoding: 'utf8',
      env: { ...process.env, HOME: directory },
    })
      .split('\n')
      .map((each) => each.split('\t')[0]);
    for (const word of some) t.true(offered.includes(word), word);
  });
  test(`zsh: ${line}`, (t) => {
    // compadd works in a widget only; here it prints what it is given.
    const script = `compadd() { shift; print -l -- "$@" }; words=(${line} ''); CURRENT=${words.length + 2}; f() { source ${directory}/zsh }; f`;
    const offered = execFileSync('zsh', ['-f', '-c', script], { encoding: 'utf8' }).split('\n');
    for (const word of some) t.true(offered.includes(word), word);
  });
}
