/**
 * Every possible end of a PAM login, compared with the required one. The required ends are written
 * independently in test/lib/matrix/expected.ts from the promises of the documentation, without code of
 * src/policy.
 *
 * docs/outcomes.md shows the results as tables: WRITE_OUTCOMES=1 writes it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { expected } from '../lib/matrix/expected.ts';
import { outcomesPage, type Walked } from '../lib/matrix/page.ts';
import { KINDS, STORIES, type Story } from '../lib/matrix/stories.ts';
import { EARLY, tell, tellEarly } from '../lib/matrix/telling.ts';

const PAGE = join(import.meta.dirname, '../../docs/outcomes.md');
const LETS_IN = /^(?:Successful|Skipped|Failsafe) Duo login for 'alice'/;

function titleOf({ failmode, kind, again, menu, event }: Story): string {
  const when = again ? 'second try' : 'first try';
  return `${kind.title}, failmode ${failmode}, ${when}, ${menu}, ${event.at}: ${event.what}`;
}

for (const kind of KINDS) {
  test(`every login has its documented end: ${kind.title}`, async (t) => {
    const stories = STORIES.filter((story) => story.kind === kind);
    t.true(stories.length > 50);
    for (const story of stories) {
      const title = titleOf(story);
      const { end, log, allowed, asked } = await tell(story);
      t.is(end, expected(story), title);
      const passed = end === 'SUCCESS';
      // Independent of the tables: a login succeeds only by Duo's decision, or by failmode before the prompt.
      t.false(passed && !allowed && (asked || story.failmode === 'secure'), `${title}: let in`);
      t.is(log.filter((line) => LETS_IN.test(line)).length, passed ? 1 : 0, `${title}: ${log.join('; ')}`);
      t.true(end === 'ABORT (cancelled)' || log.length > 0, `${title}: nothing in the log`);
    }
  });
}

test('a push that nobody answers in time denies', async (t) => {
  for (const kind of KINDS.filter(({ talks }) => !talks)) {
    const event = { at: 'auth', what: 'no answer in time' } as const;
    const { end } = await tell({ kind, event, failmode: 'safe', again: false, menu: 'a menu' });
    t.is(end, 'SERVICE_ERR', kind.title);
  }
});

for (const early of EARLY) {
  test(`a login that ends before the first request: ${early.what}`, async (t) => {
    t.is(await tellEarly(early), early.must);
  });
}

test('docs/outcomes.md is up to date (WRITE_OUTCOMES=1 writes it)', async (t) => {
  const walked: Walked[] = [];
  for (const story of STORIES) walked.push({ story, end: (await tell(story)).end });
  const page = outcomesPage(walked);
  if (process.env['WRITE_OUTCOMES'] === '1') writeFileSync(PAGE, page);
  t.is(readFileSync(PAGE, 'utf8'), page);
});
