/** A call that needs no key: it opens a connection or keeps one from idling out, and reads Duo's clock. */
import { RELEASE } from '../lib/release.ts';
import { hostHeader } from './connect.ts';
import { DuoConnectionError } from './errors.ts';
import { type ExchangeReply, exchange, type Line } from './exchange.ts';
import { openReply, parsePing } from './replies.ts';
import type { Station } from './station.ts';

/** Milliseconds for the reply. */
const REPLY_MS = 10_000;

/** @throws DuoError, or the signal's reason */
export async function warm(station: Station, signal: AbortSignal): Promise<void> {
  let reply: ExchangeReply;
  const line = station.take();
  const reused = line.connected;
  try {
    reply = await pingOn(line, station, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!reused || !(error instanceof DuoConnectionError)) throw error;
    station.dropIdle();
    reply = await pingOn(station.open(), station, signal);
  }
  station.setTime(parsePing(openReply(reply)) * 1000);
  station.noteKeepAlive(reply.header('keep-alive'));
}

async function pingOn(line: Line, station: Station, signal: AbortSignal): Promise<ExchangeReply> {
  try {
    return await exchange(line, {
      method: 'GET',
      path: '/auth/v2/ping',
      headers: { Host: hostHeader(station.endpoint), 'User-Agent': `pam_duo_ts/${RELEASE}` },
      body: '',
      timeout: REPLY_MS,
      signal,
    });
  } finally {
    station.give(line);
  }
}
