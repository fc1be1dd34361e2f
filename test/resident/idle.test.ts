/** The end of an idle engine. */
import test from 'ava';
import { awaitIdle } from '../../src/resident/idle.ts';
import { FakeClock } from '../lib/fake-clock.ts';

/** A server whose state the test sets. */
function setUp(idleMs: number) {
  const clock = new FakeClock();
  const stop = new AbortController();
  const server = {
    busy: false,
    idleMs,
    since: 0,
    get idleFor() {
      return server.busy ? 0 : clock.monotonic() - server.since;
    },
  };
  const state = { stopped: 0 };
  const end = awaitIdle(server, clock, stop.signal, () => {
    state.stopped += 1;
  });
  return { clock, server, state, stop, end };
}

test('an unused engine ends once, after its idle time', async (t) => {
  const { clock, state, end } = setUp(900_000);
  await clock.advance(899_999);
  t.is(state.stopped, 0);
  await clock.advance(2);
  t.is(state.stopped, 1);
  await end;
  t.is(clock.sleeping, 0);
});

test('idle time starts at the end of the last connection', async (t) => {
  const { clock, server, state } = setUp(60_000);
  await clock.advance(59_000);
  server.busy = true;
  await clock.advance(600_000);
  t.is(state.stopped, 0);
  server.busy = false;
  server.since = clock.monotonic();
  await clock.advance(59_999);
  t.is(state.stopped, 0);
  await clock.advance(30_001);
  t.is(state.stopped, 1);
});

test('0 disables it until the configuration changes', async (t) => {
  const { clock, server, state } = setUp(0);
  await clock.advance(100_000_000);
  t.is(state.stopped, 0);
  server.idleMs = 60_000;
  await clock.advance(30_000);
  t.is(state.stopped, 1);
});

test('waiting for it ends with its signal', async (t) => {
  const { clock, stop, end, state } = setUp(60_000);
  stop.abort(new RangeError('enough'));
  await t.throwsAsync(end, { instanceOf: RangeError });
  await clock.advance(100_000);
  t.is(state.stopped, 0);
});
