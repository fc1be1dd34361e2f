import test from 'ava';
import type { DuoErrorCode } from '../../src/duo/errors.ts';
import { DuoCode, Outcome } from '../../src/login/messages.ts';
import { failmodeRuling, failureRuling } from '../../src/policy/outcome.ts';

/** Outcomes before the prompt, with failmode safe and failmode secure, and after it. */
const failures: Readonly<Record<DuoErrorCode, readonly [Outcome, Outcome, Outcome]>> = {
  ERR_DUO_CONNECTION: [Outcome.pass, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_SERVER: [Outcome.pass, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_UNAUTHORIZED: [Outcome.pass, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_REPLY: [Outcome.pass, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_REQUEST: [Outcome.denied, Outcome.denied, Outcome.denied],
  ERR_DUO_RATE_LIMIT: [Outcome.serviceError, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_LOCAL: [Outcome.serviceError, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_HANDLE: [Outcome.serviceError, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_PARAMETER: [Outcome.serviceError, Outcome.serviceError, Outcome.serviceError],
  ERR_DUO_CLOSED: [Outcome.serviceError, Outcome.serviceError, Outcome.serviceError],
};
for (const [kind, [safe, secure, after]] of Object.entries(failures)) {
  test(`${kind}: failmode applies before the user was prompted, and never after`, (t) => {
    const ruling = (asked: boolean, failmode: 'safe' | 'secure') =>
      failureRuling(kind as DuoErrorCode, asked, failmode).outcome;
    t.deepEqual(
      [ruling(false, 'safe'), ruling(false, 'secure'), ruling(true, 'safe'), ruling(true, 'secure')],
      [safe, secure, after, after],
    );
  });
}

test('a refused request has its own message', (t) => {
  t.like(failureRuling('ERR_DUO_REQUEST', true, 'safe'), { message: 'Aborted Duo login', priority: 4 });
  t.like(failureRuling('ERR_DUO_RATE_LIMIT', false, 'safe'), { message: 'Error in Duo login', priority: 3 });
});

test('only failmode turns an unreachable Duo into a success', (t) => {
  t.like(failmodeRuling('safe', DuoCode.connError), { outcome: Outcome.pass, message: 'Failsafe Duo login' });
  t.like(failmodeRuling('secure', DuoCode.connError), {
    outcome: Outcome.serviceError,
    message: 'Failsecure Duo login',
  });
});
