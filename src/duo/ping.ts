/** A call without keys: opens a connection, keeps one open, and reads Duo's clock. */
import { RELEASE } from '../lib/release.ts';
import { hostHeader } from './connect.ts';
import { DuoConnectionError } from './errors.ts';
import { type Connection, type ExchangeReply, exchange } from './exchange.ts';
import { openReply, parsePing } from './replies.ts';
import type { DuoService } from './service.ts';

/** Milliseconds for the reply. */
const REPLY_MS = 10_000;

/** @throws DuoError, or the signal's reason */
export async function ping(service: DuoService, signal: AbortSignal): Promise<void> {
  let reply: ExchangeReply;
  const connection = service.acquire();
  const reused = connection.connected;
  try {
    reply = await pingOver(connection, service, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!reused || !(error instanceof DuoConnectionError)) throw error;
    service.dropIdle();
    reply = await pingOver(service.open(), service, signal);
  }
  service.setTime(parsePing(openReply(reply)) * 1000);
  service.noteKeepAlive(reply.header('keep-alive'));
}

async function pingOver(
  connection: Connection,
  service: DuoService,
  signal: AbortSignal,
): Promise<ExchangeReply> {
  try {
    return await exchange(connection, {
      method: 'GET',
      path: '/auth/v2/ping',
      headers: { Host: hostHeader(service.endpoint), 'User-Agent': `pam_duo_ts/${RELEASE}` },
      body: '',
      timeout: REPLY_MS,
      signal,
    });
  } finally {
    service.release(connection);
  }
}
