/** `duo-ts engine`: a private engine. Serves the login on descriptor 3, and ends with it. */
import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { finished } from 'node:stream/promises';
import { serveLogin } from '../bridge/link.ts';
import { localAddress } from '../duo/local-address.ts';
import { systemClock } from '../lib/clock.ts';
import { RELEASE } from '../lib/release.ts';
import { BreakGlass } from '../login/break-glass.ts';
import { loginFor } from '../login/login.ts';
import { openDuo } from '../login/open-duo.ts';
import { giveUpPermissions } from './permissions.ts';

/** The descriptor of the login's socket. */
const SOCKET = 3;

export async function runEngine(): Promise<void> {
  giveUpPermissions();
  if (!isSocket(SOCKET)) {
    process.stderr.write(
      'duo-ts engine: descriptor 3 is not a socket; only the PAM module starts the engine\n',
    );
    process.exit(2);
  }
  const socket = new Socket({ fd: SOCKET, readable: true, writable: true });
  const login = loginFor({
    openDuo: openDuoOnce,
    localAddress,
    engine: 'private',
    breakGlass: new BreakGlass(systemClock),
  });
  await serveLogin(socket, login, { clock: systemClock, release: RELEASE });
  await finished(socket, { readable: false }).catch(() => {});
  process.exit(0);
}

/** A private engine serves one login. After its files have been read it needs no others. */
const openDuoOnce: typeof openDuo = async (...what) => {
  try {
    return await openDuo(...what);
  } finally {
    process.permission?.drop('fs.read');
  }
};

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}
