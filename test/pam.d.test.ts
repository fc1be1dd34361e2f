/**
 * The stacks that the project ships: what an administrator copies must not let anybody past. What they do in real
 * hosts is in test/hosts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';

interface Line {
  readonly type: string;
  readonly control: string;
  readonly module: string;
}

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .map((line) => /^(-?\w+)\s+(\[[^\]]*\]|\w+)\s+(\S+)/.exec(line.replace(/#.*/, '')))
    .flatMap((match) =>
      match === null ? [] : [{ type: match[1] ?? '', control: match[2] ?? '', module: match[3] ?? '' }],
    );
}

/** The dangers of a stack; empty when there are none. */
function dangers(text: string): string[] {
  const auth = linesOf(text).filter(({ type }) => type === 'auth');
  const found: string[] = [];
  auth.forEach(({ control, module }, at) => {
    const jump = Number(/\bsuccess=(\d+)/.exec(control)?.[1] ?? 0);
    const stops = auth
      .slice(at + 1, at + 1 + jump)
      .some((next) => next.module === 'pam_deny.so' && /^requi/.test(next.control));
    // After a failure here libpam continues with the next line, which must end the stack.
    if (jump > 0 && /\bdefault=ignore\b/.test(control) && !stops)
      found.push(`${module}: a failure is ignored`);
    if (module !== 'pam_duo_ts.so') return;
    if (!/^requi(?:red|site)$/.test(control)) found.push(`pam_duo_ts.so is ${control}`);
    if (auth.slice(at + 1).some((next) => next.control === 'sufficient'))
      found.push('something after Duo is sufficient');
  });
  if (linesOf(text).some(({ type, module }) => module === 'pam_duo_ts.so' && type !== 'auth')) {
    found.push('pam_duo_ts.so is not in auth');
  }
  return found;
}

for (const name of readdirSync('pam.d')) {
  test(`pam.d/${name} cannot succeed without Duo`, (t) => {
    const text = readFileSync(`pam.d/${name}`, 'utf8');
    t.is(linesOf(text).filter(({ module }) => module === 'pam_duo_ts.so').length, 1);
    t.deepEqual(dangers(text), []);
    const words = text.split('\n').filter((line) => /^[^#\s@]/.test(line));
    t.is(linesOf(text).length, words.length, 'every line was understood');
  });
}

const bad: Readonly<Record<string, string>> = {
  'a failure is ignored, and nothing denies':
    'auth [success=1 default=ignore] pam_unix.so\nauth required pam_duo_ts.so',
  'the denial is behind the jump':
    'auth [success=1 default=ignore] pam_unix.so\nauth required pam_duo_ts.so\nauth requisite pam_deny.so',
  'Duo is optional': 'auth optional pam_duo_ts.so',
  'Duo is sufficient': 'auth sufficient pam_duo_ts.so',
  'Duo may be jumped over': 'auth [success=ok default=ignore] pam_duo_ts.so',
  'something behind Duo is enough': 'auth required pam_duo_ts.so\nauth sufficient pam_permit.so',
  'Duo is an account line': 'account required pam_duo_ts.so',
};
for (const [name, stack] of Object.entries(bad)) {
  test(`the test refuses a stack with ${name}`, (t) => t.true(dangers(stack).length > 0));
}
