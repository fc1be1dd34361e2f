import test from 'ava';
import { DuoCode, Outcome } from '../../src/bridge/messages.ts';
import type { DuoErrorCode } from '../../src/duo/errors.ts';
import { failmodeRuling, failureRuling } from '../../src/policy/outcome.ts';

/** Outcomes before the user was asked, where failmode is safe and where it is secure, and after. */
const failures: Readonly<Record<DuoErrorCode, readonly [Outcome, Outcome, Outcome]>> = {
  ERR_DUO_CONNECTION: [Outcome.pass, Outcome.unavailable, Outcome.unavailable],
  ERR_DUO_SERVER: [Outcome.pass, Outcome.unavailable, Outcome.unavailable],
  ERR_DUO_UNAUTHORIZED: [Outcome.pass, Outcome.unavailable, Outcome.unavailable],
  ERR_DUO_REPLY: [Outcome.pass, Outcome.unavailable, Outcome.unavailable],
  ERR_DUO_REQUEST: [Outcome.denied, Outcome.denied, Outcome.denied],
  ERR_DUO_LOCAL: [Outcome.serviceError, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_HANDLE: [Outcome.serviceError, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_PARAMETER: [Outcome.serviceError, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_CLOSED: [Outcome.serviceError, Outcome.serviceError, Outcome.serviceError],
};
for (const [kind, [safe, secure, after]] of Object.entries(failures)) {
  test(`${kind}: failmode counts before the user was asked, and never after`, (t) => {
    const ruling = (asked: boolean, failmode: 'safe' | 'secure') =>
      failureRuling(kind as DuoErrorCode, asked, failmode).outcome;
    t.deepEqual(
      [ruling(false, 'safe'), ruling(false, 'secure'), ruling(true, 'safe'), ruling(true, 'secure')],
      [safe, secure, after, after],
    );
  });
}

test('failmode, and nothing else, turns an absence into a pass', (t) => {
  t.like(failmodeRuling('safe', DuoCode.connError), { outcome: Outcome.pass, message: 'Failsafe Duo login' });
  t.like(failmodeRuling('secure', DuoCode.connError), {
    outcome: Outcome.unavailable,
    message: 'Failsecure Duo login',
  });
});
