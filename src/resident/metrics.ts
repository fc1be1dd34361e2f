/** The statistics in Prometheus' text format. */
import { RESULTS } from '../login/record.ts';
import { BUCKETS, type Snapshot } from './statistics.ts';

/** @param up whether the engine runs */
export function metricsOf(snapshot: Snapshot, up: boolean): string {
  const { logins, stages, failsafe, waiting, memory, started, release } = snapshot;
  const family = (name: string, type: string, help: string, lines: readonly string[]) =>
    [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines].join('\n');
  const stageLines = Object.entries(stages).flatMap(([stage, { count, sum, buckets }]) => [
    ...BUCKETS.map(
      (limit, index) =>
        `duo_ts_stage_seconds_bucket{stage="${stage}",le="${limit / 1000}"} ${buckets[index] ?? 0}`,
    ),
    `duo_ts_stage_seconds_bucket{stage="${stage}",le="+Inf"} ${count}`,
    `duo_ts_stage_seconds_sum{stage="${stage}"} ${sum / 1000}`,
    `duo_ts_stage_seconds_count{stage="${stage}"} ${count}`,
  ]);
  return `${[
    family('duo_ts_up', 'gauge', 'Whether the resident engine runs.', [`duo_ts_up ${up ? 1 : 0}`]),
    family('duo_ts_info', 'gauge', 'The release.', [`duo_ts_info{release="${release}"} 1`]),
    family('duo_ts_start_time_seconds', 'gauge', 'When the engine started.', [
      `duo_ts_start_time_seconds ${started / 1000}`,
    ]),
    family(
      'duo_ts_logins_total',
      'counter',
      'Logins by result.',
      RESULTS.map((result) => `duo_ts_logins_total{result="${result}"} ${logins[result] ?? 0}`),
    ),
    family('duo_ts_failsafe_last_day', 'gauge', 'Users let in without Duo in the last 24 hours.', [
      `duo_ts_failsafe_last_day ${failsafe.length}`,
    ]),
    family('duo_ts_logins_waiting', 'gauge', 'Logins in progress.', [
      `duo_ts_logins_waiting ${up ? waiting : 0}`,
    ]),
    family('duo_ts_memory_bytes', 'gauge', 'Resident memory.', [`duo_ts_memory_bytes ${up ? memory : 0}`]),
    family('duo_ts_stage_seconds', 'histogram', 'Time of the stages of a login.', stageLines),
  ].join('\n')}\n`;
}
