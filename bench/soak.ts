/**
 * `npm run soak`: 20,000 logins through one resident engine under faults of all kinds, then one killed
 * engine. Exits with 1 when a check fails. `--write` writes docs/soak.md and docs/soak.svg, `--quick` runs
 * few logins, `--logins N` and `--seed N` set their number and the seed.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setUp } from '../test/hosts/machine.ts';
import { endings, growth, page, plot } from './soak/page.ts';
import { type SoakOptions, soak } from './soak/soak.ts';

const FULL = {
  logins: 20_000,
  atOnce: 60,
  rounds: 3,
  killed: { asked: 160, before: 40, moving: 60 },
  settle: true,
};
const QUICK = {
  logins: 400,
  atOnce: 60,
  rounds: 1,
  killed: { asked: 20, before: 4, moving: 10 },
  settle: false,
};

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    write: { type: 'boolean' },
    logins: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const amount = values.quick ? QUICK : FULL;
const options: SoakOptions = {
  ...amount,
  logins: Number(values.logins ?? amount.logins),
  seed: Number(values.seed),
  say,
};
say(`seed ${options.seed}`);
setUp();
const result = await soak(options);
const wrong = [...result.wrong, ...(values.quick ? [] : growth(result.samples))];
const text = page({ ...result, wrong }, 'npm run soak -- --write');
say(`\n${text}\n${endings(result)}`);
if (values.write) {
  writeFileSync('docs/soak.md', text);
  writeFileSync('docs/soak.svg', plot(result.samples));
}
if (wrong.length > 0) say(`${result.log}\n${wrong.slice(0, 100).join('\n')}`);
say(`${wrong.length} wrong`);
process.exit(wrong.length > 0 ? 1 : 0);
