/** The report of a soak: resource use of the engine, numbers and a plot. */
import { cpus } from 'node:os';
import { Outcome } from '../../src/login/messages.ts';
import { percentile } from '../measure.ts';
import type { Sample } from './processes.ts';
import type { SoakResult } from './soak.ts';

type Value = 'rss' | 'own' | 'descriptors' | 'threads';

const median = (samples: readonly Sample[], value: Value) =>
  percentile(
    samples.map((each) => each[value]),
    0.5,
  );

/** The samples of the second and of the last third, whose rounds are the same. */
function thirds(samples: readonly Sample[]): readonly [readonly Sample[], readonly Sample[]] {
  const third = Math.floor(samples.length / 3);
  return [samples.slice(third, 2 * third), samples.slice(-third)];
}

/** Growth beyond noise: a tenth, and a little. */
export function growth(samples: readonly Sample[]): string[] {
  const [second, last] = thirds(samples);
  return (['rss', 'own', 'descriptors', 'threads'] as const).flatMap((value) => {
    const [before, after] = [median(second, value), median(last, value)];
    return after > before * 1.1 + 4
      ? [`${value} grew: ${before.toFixed(1)} in the second third, ${after.toFixed(1)} in the last`]
      : [];
  });
}

const OUTCOMES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(Outcome).map(([name, value]) => [String(value), name])),
  none: 'none: the host had left',
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A table of results by fault. */
export function endings({ ends }: SoakResult): string {
  const ways = new Map<string, string[]>();
  for (const [key, count] of [...ends].sort()) {
    const [scenario = '', end = ''] = key.split(': ');
    const name = scenario.startsWith('libpam') ? `PAM code ${end}` : (OUTCOMES[end] ?? end);
    ways.set(scenario, [...(ways.get(scenario) ?? []), `${name} ${count}`]);
  }
  return table(
    ['fault', 'outcomes'],
    [...ways].map(([scenario, list]) => [scenario, list.join(', ')]),
  );
}

/** docs/soak.md */
export function page(result: SoakResult, command: string): string {
  const { options, samples, times, wrong, killed } = result;
  const [second, last] = thirds(samples);
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Linux, Node ${process.versions.node}`;
  const took = (value: Value, digits: number) => [
    median(second, value).toFixed(digits),
    median(last, value).toFixed(digits),
    Math.max(...samples.map((each) => each[value])).toFixed(digits),
  ];
  const of = (when: string, code: number) =>
    killed.filter((each) => each.when === when && each.code === code).length;
  return `# Soak of the resident engine

${options.logins} logins through one resident engine, while Duo is slow, down or silent, limits the rate, closes connections,
sends invalid replies or shows an expired certificate, hosts disconnect early, other processes fill the socket, and users
exceed their limits. Each login has one fault and a set of correct results. Duo or the phone denies six of ten users. Each
fault is met with both values of \`failmode\`. Every fiftieth login goes through libpam.

\`${command}\` wrote this page on ${new Date().toISOString().slice(0, 10)}: ${machine}; seed ${options.seed},
${options.atOnce} logins at once, ${result.seconds.toFixed(0)} seconds.

![Memory and descriptors over logins](soak.svg)

${table(
  ['what', 'result'],
  [
    ['logins that were lost, or had a wrong or a second result', String(wrong.length)],
    ['users asked twice in one login', String(result.twice)],
    ['logins through libpam', String(result.pam)],
    ['connections that were not logins', String(result.guests)],
    [
      'logins closed before HELLO, while the socket was full',
      `${result.turnedAway} (tried again; a host waits longer, then uses a private engine)`,
    ],
    [
      'a login without a fault, milliseconds',
      `p50 ${percentile(times, 0.5).toFixed(0)}, p99 ${percentile(times, 0.99).toFixed(0)}`,
    ],
    ['descriptors before the first login', String(result.descriptorsBefore)],
    ['descriptors after the last login', String(result.descriptorsAfter)],
    ['logins through libpam that private engines served', String(result.privately)],
    ['lines in the engine’s log', String(result.lines)],
    ['from SIGTERM to the end, without connections', `${result.ended.toFixed(0)} ms`],
  ],
)}

Medians of the engine's process, with the same faults in each third:

${table(
  ['', 'second third', 'last third', 'maximum'],
  [
    ['resident set, MiB', ...took('rss', 1)],
    ['private memory, MiB', ...took('own', 1)],
    ['descriptors', ...took('descriptors', 0)],
    ['threads', ...took('threads', 0)],
  ],
)}

## Killed

SIGKILL with ${options.killed.asked + options.killed.before} logins through libpam in progress. Of ${options.killed.asked} whose phone was ringing, ${of('asked', 3)} were denied at
once (PAM_SERVICE_ERR) and ${of('asked', 0)} passed. ${options.killed.before} had not been asked and continued with private engines: ${of('before', 0)} passed, ${of('before', 11)} were
denied by their phones, ${of('before', 3)} failed.

SIGKILL at any point of ${options.killed.moving} logins: ${of('moving', 0)} passed, ${of('moving', 11)} were denied by their phones, ${of('moving', 3)} failed.
`;
}

const WIDTH = 720;
const LEFT = 56;
const PANEL = 130;
const GAP = 46;

/** docs/soak.svg: memory and descriptors over logins. */
export function plot(samples: readonly Sample[]): string {
  const most = Math.max(1, ...samples.map(({ logins }) => logins));
  const panels = [
    { title: 'Resident set, MiB', value: 'rss', colour: '#3b7dd8' },
    { title: 'Private memory, MiB', value: 'own', colour: '#1f9d63' },
    { title: 'Descriptors', value: 'descriptors', colour: '#b4541f' },
  ] as const;
  const drawn = panels.flatMap(({ title, value, colour }, row) => {
    const top = 30 + row * (PANEL + GAP);
    const high = Math.max(1, ...samples.map((each) => each[value])) * 1.1;
    const x = (logins: number) => (LEFT + (logins / most) * WIDTH).toFixed(1);
    const y = (amount: number) => (top + PANEL - (amount / high) * PANEL).toFixed(1);
    const grid = [0, 0.5, 1].map((share) => {
      const amount = (high / 1.1) * share;
      return (
        `<line x1="${LEFT}" y1="${y(amount)}" x2="${LEFT + WIDTH}" y2="${y(amount)}" stroke="#d8dce2"/>` +
        `<text x="${LEFT - 6}" y="${Number(y(amount)) + 4}" text-anchor="end">${amount.toFixed(0)}</text>`
      );
    });
    const points = samples.map((each) => `${x(each.logins)},${y(each[value])}`).join(' ');
    return [
      `<text x="${LEFT}" y="${top - 8}" font-weight="600">${title}</text>`,
      ...grid,
      `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ];
  });
  const bottom = 30 + panels.length * (PANEL + GAP) - 20;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<text x="${(LEFT + share * WIDTH).toFixed(0)}" y="${bottom}" text-anchor="middle">${Math.round(share * most)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 40}" height="${bottom + 30}" font-family="system-ui, sans-serif" font-size="12" fill="#24292f">`,
    '<title>The resident engine over many logins</title>',
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...drawn,
    ...ticks,
    `<text x="${LEFT + WIDTH / 2}" y="${bottom + 18}" text-anchor="middle">logins</text>`,
    '</svg>',
    '',
  ].join('\n');
}
