/** The results as tables, as a plot, and compared with the goals. */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { replacePart } from '../scripts/replace-part.ts';
import { CLIENTS, type Client, TITLES } from './clients.ts';
import type { Cold } from './cold.ts';
import type { Cost, Each, Login, Throughput, Waiting } from './measure.ts';
import type { Start } from './start.ts';

export interface Results {
  readonly costs: { readonly login: Login; readonly roundTrip: number; readonly each: Each<Cost> }[];
  readonly throughput: (Throughput & { readonly client: Client })[];
  readonly waiting: (Waiting & { readonly client: Client })[];
  start?: Start;
  cold?: Cold;
}

export interface Judgement {
  readonly goal: string;
  readonly value: string;
  readonly reached: boolean;
}

function ratio(ours: number, theirs: number): number {
  return ours / theirs;
}

const two = (value: number) => value.toFixed(2);
const whole = (value: number) => value.toFixed(0);
const one = (value: number) => value.toFixed(1);

/** The goals and their results. Goals without a measurement are left out. */
export function judge({ costs, throughput, waiting, start }: Results): Judgement[] {
  const cost = (name: string, roundTrip: number) =>
    costs.find((each) => each.login.name === name && each.roundTrip === roundTrip)?.each;
  const judgements: Judgement[] = [];
  const atMost = (goal: string, limit: number, value: number | undefined, digits = two) => {
    if (value === undefined || Number.isNaN(value)) return;
    judgements.push({ goal: `${goal} ≤ ${limit}`, value: digits(value), reached: value <= limit });
  };
  const near = cost('synchronous push', 0);
  const far = cost('synchronous push', 40);
  if (far !== undefined) {
    // Duo's client 2.2.3 makes one request more than Debian's, a ping, which costs it a round trip.
    const c = far.c.wall + 40;
    atMost('resident, synchronous push, 40 ms: wall, ours / (C + 40 ms)', 0.4, far.resident.wall / c);
    atMost('private, synchronous push, 40 ms: wall, ours / (C + 40 ms)', 1.1, far.private.wall / c);
  }
  if (near !== undefined) {
    atMost('private, synchronous push, 0 ms: wall, ours / C', 0.6, near.private.wall / near.c.wall);
    atMost('resident, synchronous push, 0 ms: CPU ms', 3, near.resident.cpu);
  }
  if (start !== undefined)
    atMost('private, start to first request, × an empty Node', 1.5, start.request / start.nothing);
  const held = waiting.find((each) => each.client === 'resident' && each.count === 1000)?.engine;
  atMost('1000 logins waiting, resident: MiB of the engine', 170, held, whole);
  const crowd = throughput.find((each) => each.client === 'resident' && each.atOnce === 500);
  if (crowd !== undefined) {
    atMost('500 logins at once, resident: failed', 0, crowd.failed, whole);
    atMost('500 logins at once, resident: p99 / p50', 3, crowd.p99 / crowd.p50);
    judgements.push({
      goal: '500 logins at once, resident: logins a second ≥ 250',
      value: whole(crowd.rate),
      reached: crowd.rate >= 250,
    });
  }
  return judgements;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** A row for each count, a column for each client. */
function byClient(
  cells: readonly { readonly count: number; readonly client: Client; readonly text: string }[],
) {
  const counts = [...new Set(cells.map(({ count }) => count))];
  const rows = counts.map((count) => {
    const row = cells.filter((cell) => cell.count === count);
    return [
      String(count),
      ...CLIENTS.map((client) => row.find((cell) => cell.client === client)?.text ?? ''),
    ];
  });
  return markdown(['logins', ...CLIENTS.map((client) => TITLES[client])], rows);
}

/** All results as Markdown tables. */
export function table(results: Results): string {
  const { costs, throughput, waiting, start, cold } = results;
  const login = costs.map(({ login: { name }, roundTrip, each: { c, private: own, resident } }) => [
    `${name}, ${roundTrip} ms`,
    one(c.wall),
    `${one(own.wall)} (${two(ratio(own.wall, c.wall))})`,
    `${one(resident.wall)} (${two(ratio(resident.wall, c.wall))})`,
    one(c.cpu),
    `${one(own.cpu)} (${two(ratio(own.cpu, c.cpu))})`,
    `${one(resident.cpu)} (${two(ratio(resident.cpu, c.cpu))})`,
  ]);
  const parts = [
    markdown(
      ['one login, round trip', 'C wall ms', 'private', 'resident', 'C CPU ms', 'private', 'resident'],
      login,
    ),
    'Logins at once: logins a second (median, 99th percentile in ms; failures, if any).',
    byClient(
      throughput.map(({ atOnce, client, rate, p50, p99, failed }) => ({
        count: atOnce,
        client,
        text: `${whole(rate)} (${whole(p50)}, ${whole(p99)}${failed > 0 ? `; ${failed} failed` : ''})`,
      })),
    ),
    'Logins that wait for the phone: MiB in all (of it the engine).',
    byClient(
      waiting.map(({ count, client, memory, engine }) => ({
        count,
        client,
        text: one(memory) + (engine > 0 ? ` (${one(engine)})` : ''),
      })),
    ),
  ];
  if (start !== undefined)
    parts.push(
      `A private engine sends its first request after ${one(start.request)} ms; an empty Node ends after ${one(start.nothing)} ms.`,
    );
  if (cold !== undefined)
    parts.push(
      `A login that starts the resident engine takes ${one(cold.wall)} ms. An idle engine holds ${one(cold.idle)} MiB.`,
    );
  return parts.join('\n\n');
}

const COLOURS: Readonly<Record<Client, string>> = { c: '#8a8f98', private: '#3b7dd8', resident: '#1f9d63' };
const ROW = 20;
const LEFT = 230;
const WIDTH = 420;

/** Wall time of one login relative to the C client's, as an SVG plot. */
export function plot({ costs }: Results): string {
  const most = Math.max(
    1,
    ...costs.flatMap(({ each }) => CLIENTS.map((client) => each[client].wall / each.c.wall)),
  );
  const group = ROW * CLIENTS.length + 18;
  const height = 50 + costs.length * group;
  const bars = costs.flatMap(({ login, roundTrip, each }, at) => {
    const top = 44 + at * group;
    const label = `<text x="${LEFT - 12}" y="${top + ROW * 1.5 + 4}" text-anchor="end">${login.name}, ${roundTrip} ms</text>`;
    return [
      label,
      ...CLIENTS.map((client, row) => {
        const share = each[client].wall / each.c.wall;
        const y = top + row * ROW;
        const width = (share / most) * WIDTH;
        return (
          `<rect x="${LEFT}" y="${y + 2}" width="${one(width)}" height="${ROW - 4}" rx="2" fill="${COLOURS[client]}"/>` +
          `<text x="${one(LEFT + width + 6)}" y="${y + ROW - 6}">${one(each[client].wall)} ms</text>`
        );
      }),
    ];
  });
  const legend = CLIENTS.map(
    (client, at) =>
      `<rect x="${LEFT + at * 150}" y="12" width="12" height="12" rx="2" fill="${COLOURS[client]}"/>` +
      `<text x="${LEFT + at * 150 + 18}" y="22">${TITLES[client]}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 90}" height="${height}" font-family="system-ui, sans-serif" font-size="13" fill="#24292f">`,
    `<title>Wall time of one whole PAM login</title>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...legend,
    ...bars,
    '</svg>',
    '',
  ].join('\n');
}

const PAGE = 'docs/performance.md';
const BEGIN = '<!-- measured: written by `npm run bench -- --write` -->';
const END = '<!-- end of what was measured -->';

/** Writes tables, goals and plot into docs. */
export function write(results: Results): void {
  const goals = judge(results).map(({ goal, value, reached }) => [
    goal,
    value,
    reached ? 'reached' : '**missed**',
  ]);
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Linux, Node ${process.versions.node}`;
  const measured = [
    `Measured on ${new Date().toISOString().slice(0, 10)}: ${machine}. In brackets: ours / C.`,
    '',
    table(results),
    '',
    markdown(['goal', 'measured', ''], goals),
  ].join('\n');
  replacePart(PAGE, BEGIN, END, measured);
  writeFileSync('docs/performance.svg', plot(results));
}
