// Unit tests, or one of the suites that need a machine of their own: AVA_SUITE=hosts runs in test/hosts/enter.sh,
// AVA_SUITE=packages in test/packages/enter.sh, AVA_SUITE=browser needs
// Chromium, and AVA_SUITE=machines qemu.
const suite = process.env.AVA_SUITE;
// Virtual machines do not disturb each other.
const serial = ['hosts', 'packages', 'browser'].includes(suite);
const suites = ['hosts', 'packages', 'browser', 'machines'];

export default {
  extensions: { ts: 'module' },
  files: suites.includes(suite)
    ? [`test/${suite}/**/*.test.ts`]
    : ['test/**/*.test.ts', ...suites.map((name) => `!test/${name}/**`)],
  workerThreads: false,
  concurrency: serial ? 1 : 2,
  serial,
  require: suite === 'hosts' ? ['./test/hosts/limit.ts'] : [],
  timeout: ['packages', 'machines'].includes(suite) ? '20m' : '10m',
};
