/**
 * The stacks that the project ships: what an administrator copies must not let anybody past. What they do in real
 * hosts is in test/hosts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { guardOf } from '../src/pam/guard.ts';
import { type Line, readStack } from '../src/pam/stack.ts';

const OTHERS: Readonly<Record<string, string>> = {
  'common-auth':
    'auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n',
  'common-account': '',
  'common-session': '',
  'common-session-noninteractive': '',
  'common-password': '',
};

/** The dangers of a stack; empty when there are none. */
function dangers(text: string): string[] {
  const read = (type: 'auth' | 'account') => {
    const stack = readStack('x', type, (path) => {
      const name = path.replace('/etc/pam.d/', '');
      return name === 'x' ? text : OTHERS[name];
    });
    if (stack === undefined) throw new Error('the stack was not read');
    return stack;
  };
  const isDuo = (line: object): line is Line => 'module' in line && line.module === 'pam_duo_ts.so';
  const auth = read('auth');
  const { bypass, passable, askedInVain } = guardOf(auth);
  return [
    ...auth.problems.map((problem) => problem.text),
    ...(auth.lines.filter(isDuo).length === 1 ? [] : ['auth does not name the module once']),
    ...(read('account').lines.some(isDuo) ? ['pam_duo_ts.so is in account'] : []),
    ...(bypass === undefined ? [] : ['a login without Duo']),
    ...(passable ? [] : ['nobody can log in']),
    ...(askedInVain === undefined ? [] : ['Duo is asked after a wrong password']),
  ];
}

for (const name of readdirSync('pam.d')) {
  test(`pam.d/${name} cannot succeed without Duo`, (t) => {
    t.deepEqual(dangers(readFileSync(`pam.d/${name}`, 'utf8')), []);
  });
}

const password = 'auth [success=1 default=ignore] pam_unix.so\n';
const bad: Readonly<Record<string, string>> = {
  'the denial is behind the jump': `${password}auth required pam_duo_ts.so\nauth requisite pam_deny.so`,
  'Duo is optional': 'auth required pam_unix.so\nauth optional pam_duo_ts.so',
  'Duo is sufficient': 'auth sufficient pam_duo_ts.so\nauth required pam_permit.so',
  'Duo may be jumped over': 'auth required pam_unix.so\nauth [success=ok default=ignore] pam_duo_ts.so',
  'something behind Duo is enough': `${password}auth sufficient pam_permit.so\nauth required pam_duo_ts.so`,
  'Duo is an account line': 'account required pam_duo_ts.so',
  'a wrong password does not end the stack': 'auth required pam_unix.so\nauth required pam_duo_ts.so',
};
for (const [name, stack] of Object.entries(bad)) {
  test(`the test refuses a stack where ${name}`, (t) => t.true(dangers(stack).length > 0));
}
