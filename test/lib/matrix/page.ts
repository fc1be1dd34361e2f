/** docs/outcomes.md: the results as tables. */
import type { Expected } from './expected.ts';
import { type Event, KINDS, type Story } from './stories.ts';
import { EARLY } from './telling.ts';

/** A story with its result. */
export interface Walked {
  readonly story: Story;
  readonly end: Expected;
}

const HEAD = `# How a PAM login ends

Every way in which a login through \`pam_duo_ts.so\` can end, and the PAM code that it ends with. \`test/login/matrix.test.ts\`
walks all of them and writes this page; don't edit it.

Two codes depend on \`failmode\`: the first is for \`safe\`, the second for \`secure\`. Only \`SUCCESS\` lets anybody in.
The last column says which logins it can happen to:

- **menu**: the user is asked, as \`su\` and \`login\` do it; **menu, sshd** is the same with \`DUO_FLAG_SYNC\`.
- **autopush**: \`autopush = yes\`, which is \`DUO_FLAG_AUTO\`; **autopush, sshd** is both.
- **sudo, PAM_SILENT**: sudo sets that flag for everybody, and its user can be asked nevertheless.
- **local caller, private engine**: a user of this host asks (\`su\`, \`sudo\`, \`login_duo\`), and no resident engine runs; every
  other login here has a resident engine, or a host that is root's (\`sshd\`, \`login\`).
- **PAM_SILENT**, **no conversation**: nobody can be asked or told; one automatic, synchronous try.
`;

const WHERE: Readonly<Record<Event['at'], string>> = {
  ping: 'ping',
  preauth: 'preauth',
  prompt: 'the prompt',
  code: 'the prompt with the code of a verified push',
  auth: 'auth',
  auth_status: 'auth_status',
  decision: "Duo's decision",
};

/** An event in some logins, and its results with failmode safe and failmode secure. */
interface Row {
  readonly where: string;
  readonly what: readonly string[];
  readonly codes: string;
  readonly kinds: readonly string[];
}

function rowsOf(walked: readonly Walked[]): Row[] {
  // By place, event, menu and kind: the codes with each failmode.
  const ends = group(
    walked,
    ({ story: { event, menu, kind } }) => `${event.at}|${event.what}|${menu}|${kind.title}`,
  ).map((same) => ({
    ...first(same).story,
    codes: distinct(same.map(({ end }) => `\`${end}\``)).join(' / '),
  }));
  // For every menu and every kind of login.
  const rows = group(ends, ({ event, codes }) => `${event.at}|${event.what}|${codes}`).map((same) => {
    const { event, codes } = first(same);
    return {
      where: WHERE[event.at],
      what: event.what,
      codes,
      kinds: distinct(same.map(({ kind }) => kind.title)),
    };
  });
  return group(rows, ({ where, codes, kinds }) => `${where}|${codes}|${kinds.join()}`).map((same) => ({
    ...first(same),
    what: same.map(({ what }) => what),
  }));
}

function group<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  return [...Map.groupBy(items, keyOf).values()];
}

function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new Error('an empty group');
  return item;
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

function tableOf(rows: readonly Row[]): string {
  const order = Object.values(WHERE);
  const sorted = [...rows].sort((a, b) => order.indexOf(a.where) - order.indexOf(b.where));
  return markdown(
    ['where', 'what', 'code', 'to whom'],
    sorted.map(({ where, what, codes, kinds }) => [
      where,
      what.join(' · '),
      codes,
      kinds.length === KINDS.length ? 'all' : kinds.map((title) => `**${title}**`).join(' · '),
    ]),
  );
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The whole page. */
export function outcomesPage(walked: readonly Walked[]): string {
  const inFirst = rowsOf(walked.filter(({ story }) => !story.again));
  const inSecond = rowsOf(walked.filter(({ story }) => story.again));
  const known = new Set(
    inFirst.flatMap(({ where, what, codes }) => what.map((one) => `${where}|${one}|${codes}`)),
  );
  const other = inSecond.filter(({ where, what, codes }) => !known.has(`${where}|${what[0]}|${codes}`));
  return `${HEAD}
## Before Duo is asked

${markdown(
  ['what', 'code'],
  EARLY.map(({ what, must }) => [what, `\`${must}\``]),
)}

## In the first try, when it is the only one

${tableOf(inFirst)}

## In a second try

What was walked for the first try was walked for a second one too, behind a wrong factor. The user was asked already, and
\`failmode\` has nothing left to decide; everything else ends as above.

${tableOf(other)}
`;
}
