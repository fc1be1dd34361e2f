import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import test from 'ava';
import { asDuoError } from '../../src/duo/connect.ts';
import { findShortage, isLocal } from '../../src/duo/local.ts';

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
  'EAI_MEMORY',
  'EAI_SYSTEM',
  'ERR_ACCESS_DENIED',
];
for (const code of OURS) {
  test(`${code} is this host's trouble`, (t) => {
    t.true(isLocal(failure(code)));
    const error = asDuoError({ host: 'h', port: 1 }, 'Failed to connect', failure(code));
    t.is(`${error.code} ${error.message}`, `ERR_DUO_LOCAL this host can't open a connection: ${code}`);
  });
}

const ABSENCE = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EAFNOSUPPORT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EMFILES',
  '',
];
for (const code of ABSENCE) {
  test(`${code || 'an error without a code'} is Duo's absence`, (t) => {
    t.false(isLocal(failure(code)));
    const error = asDuoError({ host: 'h', port: 1 }, 'Failed to connect', failure(code));
    t.is(`${error.code} ${error.message}`, "ERR_DUO_CONNECTION Couldn't connect to h:1: Failed to connect");
  });
}

test('EADDRNOTAVAIL says that the ports are gone, unless there is no IPv6 here at all', (t) => {
  t.true(isLocal(failure('EADDRNOTAVAIL', '192.0.2.1')));
  const global = Object.values(networkInterfaces())
    .flat()
    .some((entry) => entry?.family === 'IPv6' && !entry.internal && entry.scopeid === 0);
  t.is(isLocal(failure('EADDRNOTAVAIL', '2001:db8::1')), global);
  t.false(isLocal(failure('EADDRNOTAVAIL')));
});

test('what is no error is nobody’s trouble', (t) => {
  for (const thing of [undefined, null, 'EMFILE', { code: 'EMFILE' }]) t.false(isLocal(thing));
});

test('a host that is short of nothing', async (t) => t.is(await findShortage(), undefined));

test('a name that can’t be looked up for want of descriptors is no absence of Duo', (t) => {
  const said = execFileSync(
    'sh',
    ['-c', 'ulimit -n 64; exec "$0" "$@"', process.execPath, 'test/lib/out-of-files.ts'],
    {
      encoding: 'utf8',
    },
  );
  t.regex(said, /^without files: ERR_DUO_LOCAL this host can't open a connection: EMFILE$/m);
  t.regex(
    said,
    /^with files: ERR_DUO_CONNECTION Couldn't connect to nowhere\.invalid:443: Name or service not known$/m,
  );
});
