import test from 'ava';
import { DEFAULT_SETTINGS, parseSettings } from '../../src/resident/settings.ts';

test('only root is served by default', (t) => {
  t.deepEqual(parseSettings('', 'f'), { settings: DEFAULT_SETTINGS, problems: [] });
  t.false(DEFAULT_SETTINGS.unprivileged);
  t.deepEqual(parseSettings('unprivileged = no\nunprivileged_services = i3lock\n', 'f').settings, {
    ...DEFAULT_SETTINGS,
    unprivilegedServices: ['i3lock'],
  });
});

test('an idle engine ends after 15 minutes or as configured', (t) => {
  t.is(DEFAULT_SETTINGS.idleMs, 900_000);
  for (const [value, ms] of [
    ['1', 60_000],
    ['0.05', 3000],
    ['0', 0],
  ] as const) {
    t.is(parseSettings(`idle_minutes = ${value}`, 'f').settings.idleMs, ms);
  }
});

test('services are separated by white space or commas, on one line or several', (t) => {
  const text = '[resident]\nunprivileged = yes\nunprivileged_services = i3lock, swaylock polkit-1\n kde\n';
  t.deepEqual(parseSettings(text, 'f'), {
    settings: {
      ...DEFAULT_SETTINGS,
      unprivileged: true,
      unprivilegedServices: ['i3lock', 'swaylock', 'polkit-1', 'kde'],
    },
    problems: [],
  });
});

for (const [text, problem] of [
  ['unprivileged = maybe\nunprivileged_services = a', 'f, line 1: unprivileged is yes or no'],
  ['unprivileged = yes\nunprivileged_service = a', "f, line 2: 'unprivileged_service' is no option"],
  [
    'unprivileged = yes\nunprivileged_services = a\nidle_minutes = -1',
    'f, line 3: idle_minutes is a number of minutes',
  ],
  ['idle_minutes = soon', 'f, line 1: idle_minutes is a number of minutes'],
  ['unprivileged = yes', 'f: unprivileged = yes has no effect without unprivileged_services'],
] as const) {
  test(`an invalid file serves root only: ${JSON.stringify(text)}`, (t) => {
    t.deepEqual(parseSettings(text, 'f').settings, DEFAULT_SETTINGS);
    t.is(parseSettings(text, 'f').problems[0], problem);
  });
}
