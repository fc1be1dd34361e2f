/** The alert rules and the dashboard use metrics that exist. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { RESULTS } from '../../src/login/record.ts';
import { metricsOf } from '../../src/resident/metrics.ts';
import { Statistics } from '../../src/resident/statistics.ts';
import { FakeClock } from '../lib/fake-clock.ts';

const statistics = new Statistics({ clock: new FakeClock(), release: '1', waiting: () => 0 });
statistics.count({
  result: 'approved',
  reason: '',
  user: 'alice',
  duoUser: 'alice',
  program: 'pam',
  service: 'sshd',
  engine: 'resident',
  milliseconds: { preauth: 1 },
});
const names = new Set(
  [...metricsOf(statistics.snapshot(), true).matchAll(/^(duo_ts_\w+)/gm)].map(([, name]) => name),
);

for (const path of ['contrib/prometheus/duo-ts.rules.yml', 'contrib/prometheus/grafana.json']) {
  test(`${path} uses metrics and results that exist`, (t) => {
    const text = readFileSync(path, 'utf8').replaceAll('\\"', '"');
    const used = [...text.matchAll(/\bduo_ts_(?!ts\b|prom\b)[a-z_]+\b(?!\.prom)/g)].map(([name]) => name);
    t.true(used.length > 3);
    t.deepEqual(
      used.filter((name) => !names.has(name)),
      [],
    );
    const results = [...text.matchAll(/result=~?"([^"]+)"/g)].flatMap(([, list = '']) => list.split('|'));
    t.deepEqual(
      results.filter((result) => !RESULTS.some((known) => known === result)),
      [],
    );
  });
}
