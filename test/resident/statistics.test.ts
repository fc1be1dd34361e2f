/** What a resident engine counts, its file, and Prometheus' text. */
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { LoginRecord, Result } from '../../src/login/record.ts';
import { metricsOf } from '../../src/resident/metrics.ts';
import { Statistics, type StatisticsStore } from '../../src/resident/statistics.ts';
import { openStatisticsFile, parseStatistics } from '../../src/resident/statistics-file.ts';
import { FakeClock } from '../lib/fake-clock.ts';

const DAY_MS = 86_400_000;

function login(result: Result, milliseconds: LoginRecord['milliseconds'] = {}): LoginRecord {
  return {
    result,
    reason: '',
    user: 'alice',
    duoUser: 'alice',
    program: 'pam',
    service: 'sshd',
    engine: 'resident',
    milliseconds,
  };
}

function statistics(clock = new FakeClock(), store?: StatisticsStore) {
  return new Statistics({ clock, release: '1.2.3', waiting: () => 2, store });
}

test('counts logins by result, and times by stage', (t) => {
  const counted = statistics();
  counted.count(login('approved', { preauth: 40, auth: 3000 }));
  counted.count(login('approved', { preauth: 60 }));
  counted.count(login('denied'));
  const { logins, stages, waiting, release } = counted.snapshot();
  t.deepEqual(logins, { approved: 2, denied: 1 });
  t.deepEqual(stages['preauth'] && { ...stages['preauth'], buckets: stages['preauth'].buckets.slice(0, 3) }, {
    count: 2,
    sum: 100,
    buckets: [1, 2, 2],
  });
  t.is(waiting, 2);
  t.is(release, '1.2.3');
});

test('names who was let in without Duo, for a day', async (t) => {
  const clock = new FakeClock();
  const counted = statistics(clock);
  counted.count(login('failsafe'));
  t.deepEqual(
    counted.snapshot().failsafe.map(({ user, service }) => [user, service]),
    [['alice', 'sshd']],
  );
  await clock.advance(DAY_MS - 1);
  t.is(counted.snapshot().failsafe.length, 1);
  await clock.advance(1);
  t.deepEqual(counted.snapshot().failsafe, []);
  t.is(counted.snapshot().logins.failsafe, 1, 'the total stays');
});

test('the file keeps the totals for the next engine, and a damaged file does not end it', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'statistics-')), 'statistics');
  const told: string[] = [];
  const open = () => openStatisticsFile(path, (problem) => told.push(problem));
  const clock = new FakeClock();
  statistics(clock, open()).count(login('approved', { auth: 7 }));
  await clock.advance(1000);
  const next = statistics(clock, open());
  t.is(next.snapshot().logins.approved, 1);
  next.count(login('failsafe'));
  await clock.advance(1000);
  const read = parseStatistics(readFileSync(path, 'utf8'));
  t.deepEqual(read.logins, { approved: 1, failsafe: 1 });
  writeFileSync(path, '{"release":');
  t.deepEqual(statistics(clock, open()).snapshot().logins, {});
  t.deepEqual(told, []);
});

test('a file that others can write is not used', (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'statistics-')), 'statistics');
  writeFileSync(path, '', { mode: 0o666 });
  chmodSync(path, 0o666);
  const told: string[] = [];
  t.is(
    openStatisticsFile(path, (problem) => told.push(problem)),
    undefined,
  );
  t.regex(told[0] ?? '', /statistics can't be kept in .*: it is not a plain file/);
});

test("Prometheus' text has every result, cumulative buckets and whether the engine runs", (t) => {
  const counted = statistics();
  counted.count(login('failsafe', { auth: 70 }));
  const up = metricsOf(counted.snapshot(), true);
  t.regex(up, /^duo_ts_up 1$/m);
  t.regex(up, /^duo_ts_logins_total\{result="failsafe"\} 1$/m);
  t.regex(up, /^duo_ts_logins_total\{result="approved"\} 0$/m);
  t.regex(up, /^duo_ts_failsafe_last_day 1$/m);
  t.regex(up, /^duo_ts_stage_seconds_bucket\{stage="auth",le="0.05"\} 0$/m);
  t.regex(up, /^duo_ts_stage_seconds_bucket\{stage="auth",le="0.1"\} 1$/m);
  t.regex(up, /^duo_ts_stage_seconds_bucket\{stage="auth",le="\+Inf"\} 1$/m);
  t.regex(up, /^duo_ts_stage_seconds_sum\{stage="auth"\} 0.07$/m);
  t.regex(metricsOf(counted.snapshot(), false), /^duo_ts_up 0$[\s\S]*^duo_ts_logins_waiting 0$/m);
  for (const line of up.trim().split('\n'))
    t.regex(line, /^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{[^}]*\})? [\d.e+]+)$/);
});
