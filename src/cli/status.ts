/** `duo-ts status`: what the resident engine has done, from its statistics file. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { cleanText } from '../lib/text.ts';
import { RESULTS } from '../login/record.ts';
import { metricsOf } from '../resident/metrics.ts';
import type { Snapshot } from '../resident/statistics.ts';
import { parseStatistics } from '../resident/statistics-file.ts';
import { replaceFile } from './replace-file.ts';

const WATCH_MS = 1000;

interface Options {
  readonly state: string;
  readonly json?: true;
  readonly prometheus?: true;
  readonly watch?: true;
  readonly textfile?: string;
}

/** The statistics; a reader may meet a file that is just being created. */
function read(state: string): { readonly snapshot: Snapshot; readonly up: boolean } {
  const snapshot = parseStatistics(readFileSync(join(state, 'statistics'), 'utf8'));
  return { snapshot, up: isEngine(snapshot.pid) };
}

function isEngine(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('engine\0--resident');
  } catch {
    return false;
  }
}

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  const parts = [
    [Math.floor(minutes / 1440), 'd'],
    [Math.floor(minutes / 60) % 24, 'h'],
    [minutes % 60, 'min'],
  ] as const;
  return parts.flatMap(([count, unit]) => (count > 0 ? [`${count} ${unit}`] : [])).join(' ') || 'under 1 min';
}

/** The time under which half of the logins, or 99 of 100, stayed, by the buckets' limits. */
function describeStage({ count, sum }: Snapshot['stages'][string]): string {
  return `${count} times, on average ${count === 0 ? 0 : Math.round(sum / count)} ms`;
}

function text({ snapshot, up }: ReturnType<typeof read>): string {
  const { logins, stages, failsafe, waiting, memory, started, release, at } = snapshot;
  const total = Object.values(logins).reduce((sum, count) => sum + count, 0);
  const lines = [
    up
      ? `The resident engine (release ${release}, process ${snapshot.pid}) runs for ${duration(Date.now() - started)} with ${Math.round(memory / 1_048_576)} MiB.`
      : `No resident engine runs; the last one wrote at ${new Date(at).toISOString()}. The next login starts one.`,
    `Logins in progress: ${up ? waiting : 0}`,
    `Logins: ${total}`,
    ...RESULTS.flatMap((result) => (logins[result] ? [`  ${result}: ${logins[result]}`] : [])),
    `Let in without Duo in the last 24 hours (failsafe): ${failsafe.length}`,
    ...failsafe
      .slice(-10)
      .map(({ at: when, user, service }) => `  ${new Date(when).toISOString()} ${user} by ${service}`),
    ...Object.entries(stages).map(([stage, times]) => `Stage ${stage}: ${describeStage(times)}`),
    'Logins through private engines are in the system log only.',
  ];
  return `${lines.map(cleanText).join('\n')}\n`;
}

async function status({ state, json, prometheus, watch, textfile }: Options): Promise<void> {
  const show = () => {
    const { snapshot, up } = read(state);
    if (textfile !== undefined) {
      replaceFile(textfile, metricsOf(snapshot, up), 0o644);
      return;
    }
    if (json) process.stdout.write(`${JSON.stringify({ up, ...snapshot }, null, 2)}\n`);
    else if (prometheus) process.stdout.write(metricsOf(snapshot, up));
    else process.stdout.write(`${watch ? '\x1b[H\x1b[2J' : ''}${text({ snapshot, up })}`);
  };
  try {
    show();
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const why = missing
      ? 'no resident engine has run'
      : error instanceof Error
        ? error.message
        : String(error);
    process.stderr.write(`duo-ts status: ${join(state, 'statistics')}: ${why}\n`);
    process.exitCode = 1;
    return;
  }
  while (watch) {
    await sleep(WATCH_MS);
    show();
  }
}

export function statusCommand(): Command {
  return new Command('status')
    .description('Show what the resident engine has done: logins by result, failsafe, times, memory.')
    .option('--json', 'print the statistics as JSON')
    .option('--watch', 'show them again each second')
    .option('--prometheus', "print them in Prometheus' text format")
    .option('--textfile <file>', "write them to a file for Prometheus' node exporter")
    .addOption(new Option('--state <directory>', "the engine's state directory").default('/var/lib/duo-ts'))
    .addHelpText('after', '\nExample: duo-ts status --textfile /var/lib/prometheus/node-exporter/duo_ts.prom')
    .action(status);
}
