// Unit tests, or, with AVA_SUITE=hosts, those that run real hosts one after the other inside test/hosts/enter.sh.
const hosts = process.env.AVA_SUITE === 'hosts';

export default {
  extensions: { ts: 'module' },
  files: hosts ? ['test/hosts/**/*.test.ts'] : ['test/**/*.test.ts', '!test/hosts/**'],
  workerThreads: false,
  concurrency: hosts ? 1 : 2,
  serial: hosts,
  require: hosts ? ['./test/hosts/limit.ts'] : [],
  timeout: '10m',
};
