/** The effect of configuration lines: the table of test/lib/config-values.ts, read with our parser. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../../src/config/config.ts';
import { DuoHandleError } from '../../src/duo/errors.ts';
import { loadTrust } from '../../src/duo/trust.ts';
import { Channel } from '../../src/login/messages.ts';
import { needsFactor } from '../../src/policy/groups.ts';
import { whoAuthenticates } from '../../src/policy/identity.ts';
import { makeCertificates } from '../../src/simulator/certificates.ts';
import { parsed } from '../lib/config.ts';
import { BASE, GECOS, PROMPTS, ROWS, type Row } from '../lib/config-values.ts';
import { factsOf, ROOT } from '../lib/facts.ts';

const directory = mkdtempSync(join(tmpdir(), 'pam-duo-ts-values-'));
const authority = join(directory, 'ca.pem');
test.before(async () => {
  writeFileSync(authority, (await makeCertificates('good', ['localhost'], [], Date.now())).ca);
});
test.after.always(() => rmSync(directory, { recursive: true }));

/** The result of root's login. */
async function outcome({ lines, whole }: Row): Promise<string[]> {
  const text = whole ? lines : BASE + lines;
  const result = parseConfig(text.replaceAll('HOST', 'localhost:8443').replaceAll('CA', authority), {
    path: 'F',
    program: 'login_duo',
  });
  const said = result.notices.map(({ priority, text, channel }) =>
    (channel === Channel.stderr ? text : `[${priority}] ${text}`)
      .replaceAll('localhost:8443', 'HOST')
      .replaceAll(authority, 'CA'),
  );
  if (!result.ok) return [...said, result.denies || result.failmode === 'secure' ? 'denied' : 'let in'];
  const { config } = result;
  if (!needsFactor(['root'], config.groups)) return [...said, 'let in'];
  try {
    await loadTrust(config);
  } catch (error) {
    if (!(error instanceof DuoHandleError)) throw error;
    return [...said, `[3] Couldn't open Duo API handle for 'root': ${error.message}`, 'denied'];
  }
  const root = { ...ROOT, gecos: GECOS };
  const identity = whoAuthenticates(factsOf({ user: 'root', account: root }), config);
  return [...said, `${config.ikey} as ${identity.kind === 'known' ? identity.duoUser : 'nobody'}`];
}

for (const row of ROWS) {
  test(`${row.whole ? 'the whole file' : 'lines'} ${JSON.stringify(row.lines).slice(0, 100)}`, async (t) => {
    t.deepEqual(await outcome(row), [...row.ours]);
  });
}

for (const [value, times] of PROMPTS) {
  test(`prompts = ${value}`, (t) => t.is(parsed(`prompts = ${value}`).prompts, times));
}
