import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import test from 'ava';
import { asDuoError } from '../../src/duo/connect.ts';
import { findShortage, isLocal, standstill, watchShortage } from '../../src/duo/local.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';

function failure(code: string, address?: string): Error {
  return Object.assign(new Error('x'), { code }, address === undefined ? {} : { address });
}

const OURS = [
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EAGAIN',
  'EPERM',
  'EACCES',
  'EADDRINUSE',
  'EINVAL',
  'EMFILES',
  'EAI_MEMORY',
  'EAI_SYSTEM',
  'ENOTFOUND',
  'ERR_ACCESS_DENIED',
  'ERR_SSL_MALLOC_FAILURE',
  'ERR_OUT_OF_RANGE',
];
for (const code of OURS) {
  test(`${code} says nothing about the other side`, (t) => {
    t.true(isLocal(failure(code)));
    const error = asDuoError({ host: 'h', port: 1 }, 'Failed to connect', failure(code));
    t.is(`${error.code} ${error.message}`, `ERR_DUO_LOCAL this host can't open a connection: ${code}`);
  });
}

const EVIDENCE = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EAFNOSUPPORT',
  'EPROTO',
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'HPE_INVALID_CONSTANT',
];
for (const code of EVIDENCE) {
  test(`${code} is the kernel's or the other side's word`, (t) => {
    t.false(isLocal(failure(code)));
    const error = asDuoError({ host: 'h', port: 1 }, 'Failed to connect', failure(code));
    t.is(`${error.code} ${error.message}`, "ERR_DUO_CONNECTION Couldn't connect to h:1: Failed to connect");
  });
}

test('an error without a cause counts as a remote failure', (t) => {
  t.is(asDuoError({ host: 'h', port: 1 }, 'Connection closed').code, 'ERR_DUO_CONNECTION');
});

test('EADDRNOTAVAIL means that no port is free, unless the host has no IPv6', (t) => {
  t.true(isLocal(failure('EADDRNOTAVAIL', '192.0.2.1')));
  const global = Object.values(networkInterfaces())
    .flat()
    .some((entry) => entry?.family === 'IPv6' && !entry.internal && entry.scopeid === 0);
  t.is(isLocal(failure('EADDRNOTAVAIL', '2001:db8::1')), global);
  t.true(isLocal(failure('EADDRNOTAVAIL')));
});

test('unknown errors are not evidence of an unreachable Duo', (t) => {
  for (const thing of [new Error('x'), failure(''), null, 'ECONNREFUSED', { code: 'ECONNREFUSED' }]) {
    t.true(isLocal(thing));
    t.is(asDuoError({ host: 'h', port: 1 }, 'x', thing).code, 'ERR_DUO_LOCAL');
  }
});

test('a process that stood still for more than two seconds is reported', (t) => {
  t.is(standstill(2_000), undefined);
  t.is(
    standstill(6_100),
    'but this host kept the engine from running for 6 seconds, so that it says nothing about Duo',
  );
});

test('no shortage is reported on a healthy host', async (t) => t.is(await findShortage(), undefined));

test('a shortage that begins during a wait is reported', async (t) => {
  const clock = new FakeClock();
  const end = new AbortController();
  const found = watchShortage(clock, end.signal);
  await clock.advance(3_000);
  t.is(found(), undefined);
  end.abort();
  await settle();
  t.is(clock.sleeping, 0);
});

test('a name lookup that fails for lack of descriptors is not an unreachable Duo', (t) => {
  const said = execFileSync(
    'sh',
    ['-c', 'ulimit -n 64; exec "$0" "$@"', process.execPath, 'test/lib/out-of-files.ts'],
    {
      encoding: 'utf8',
    },
  );
  t.regex(said, /^without files: ERR_DUO_LOCAL this host can't look up nowhere\.invalid: EMFILE$/m);
  t.regex(
    said,
    /^with files: ERR_DUO_CONNECTION Couldn't connect to nowhere\.invalid:443: Name or service not known$/m,
  );
});
