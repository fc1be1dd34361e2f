/** The evaluation of stacks agrees with libpam, whose pam_debug.so returns any given code. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { wayToSuccess } from '../../src/pam/evaluate.ts';
import { CODES, type Code, readStack } from '../../src/pam/stack.ts';
import { loadPamClient } from '../../src/unix/built-pam-client.ts';

const pam = loadPamClient();
const root = mkdtempSync('/tmp/duo-ts-stacks-');

const code = fc.constantFrom<Code>(
  'success',
  'success',
  'success',
  'auth_err',
  'ignore',
  'new_authtok_reqd',
  'abort',
);
const action = fc.constantFrom('ok', 'done', 'bad', 'die', 'ignore', 'reset', '1', '2');
const control = fc.oneof(
  fc.constantFrom('required', 'requisite', 'sufficient', 'optional'),
  fc
    .tuple(action, action, action)
    .map(([success, ignore, others]) => `[success=${success} ignore=${ignore} default=${others}]`),
);
const call = fc.tuple(control, code).map(([how, result]) => `auth ${how} pam_debug.so auth=${result}`);
const line = fc.oneof(
  { weight: 8, arbitrary: call },
  { weight: 2, arbitrary: fc.constantFrom('auth substack inner', 'auth include inner', '@include inner') },
  { weight: 1, arbitrary: fc.constantFrom('auth nonsense pam_permit.so', 'auth include absent', '# auth') },
);
const lines = (maxLength: number) =>
  fc.array(line, { minLength: 1, maxLength }).map((all) => `${all.join('\n')}\n`);
const plain = fc.array(call, { minLength: 1, maxLength: 4 }).map((all) => `${all.join('\n')}\n`);

test.after.always(() => rmSync(root, { recursive: true }));

let count = 0;

test('a stack succeeds here if and only if it does in libpam', async (t) => {
  await fc.assert(
    fc.asyncProperty(lines(6), plain, async (outer, inner) => {
      count += 1;
      const confdir = join(root, String(count));
      mkdirSync(confdir);
      // In a directory other than /etc/pam.d, libpam finds included files by absolute path only.
      writeFileSync(join(confdir, 'outer'), outer.replaceAll(' inner', ` ${confdir}/inner`));
      writeFileSync(join(confdir, 'inner'), inner);
      writeFileSync(join(confdir, 'other'), 'auth required pam_deny.so\n');
      const { code: result } = await pam.authenticate(
        { service: 'outer', user: 'root', confdir },
        async (messages) => messages.map(() => ''),
      );
      const stack = readStack('outer', 'auth', (path) => read(path.replace('/etc/pam.d', confdir)));
      if (stack === undefined) throw new Error('no stack');
      const way = wayToSuccess(stack, ({ arguments: [said = ''] }) =>
        CODES.filter((each) => said === `auth=${each}`),
      );
      return (way !== undefined) === (result === 0);
    }),
    { numRuns: 1500 },
  );
  t.true(count >= 1500);
});

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
