/** The block in a stack: its place, its exact removal, and its effect. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { addBlock, removeBlocks, usesOf } from '../../src/pam/edit.ts';
import { guardOf } from '../../src/pam/guard.ts';
import { readStack } from '../../src/pam/stack.ts';

const DEBIAN: Readonly<Record<string, string>> = {
  'common-auth':
    'auth\t[success=1 default=ignore]\tpam_unix.so nullok\nauth\trequisite\tpam_deny.so\nauth\trequired\tpam_permit.so\n',
  'common-account': 'account required pam_unix.so\n',
  sshd: '# PAM configuration for the Secure Shell service\n\n@include common-auth\n\naccount required pam_nologin.so\n@include common-account\n',
  sudo: '#%PAM-1.0\n\nsession    required   pam_limits.so\n\n@include common-auth\n@include common-account\n',
  su: 'auth       sufficient pam_rootok.so\n\n@include common-auth\n@include common-account\n',
  'su-l': '#%PAM-1.0\nauth\t\tinclude\t\tsu\naccount\t\tinclude\t\tsu\n',
  login:
    'auth optional pam_faildelay.so delay=3000000\nauth requisite pam_nologin.so\n@include common-auth\nauth optional pam_group.so\n',
};
const RED_HAT: Readonly<Record<string, string>> = {
  'password-auth':
    'auth required pam_env.so\nauth sufficient pam_unix.so nullok\nauth required pam_deny.so\n',
  'system-auth': 'auth required pam_env.so\nauth sufficient pam_unix.so nullok\nauth required pam_deny.so\n',
  postlogin: 'session optional pam_lastlog.so\n',
  sshd: '#%PAM-1.0\nauth       substack     password-auth\nauth       include      postlogin\naccount    required     pam_sepermit.so\n',
  sudo: '#%PAM-1.0\nauth       include      system-auth\naccount    include      system-auth\n',
  su: '#%PAM-1.0\nauth\t\tsufficient\tpam_rootok.so\nauth\t\tsubstack\tsystem-auth\nauth\t\tinclude\t\tpostlogin\n',
};

/** The guard of a service, with files that replace the system's. */
function guard(system: Readonly<Record<string, string>>, service: string, text?: string) {
  const stack = readStack(service, 'auth', (path) => {
    const name = path.replace('/etc/pam.d/', '');
    return name === service && text !== undefined ? text : system[name];
  });
  if (stack === undefined) throw new Error(`there is no stack ${service}`);
  return guardOf(stack);
}

for (const service of ['sshd', 'sudo', 'su', 'login']) {
  test(`Debian: ${service} asks Duo after the password`, (t) => {
    const before = DEBIAN[service] ?? '';
    t.not(guard(DEBIAN, service).bypass, undefined);
    const after = addBlock(before) ?? '';
    t.deepEqual(guard(DEBIAN, service, after), { bypass: undefined, passable: true, askedInVain: undefined });
    t.is(usesOf(after).marked.length, 1);
    t.deepEqual(usesOf(after).other, []);
    t.is(removeBlocks(after), before);
  });
}

test('Red Hat: behind its own files Duo would be asked after a wrong password', (t) => {
  const { bypass, askedInVain } = guard(RED_HAT, 'sshd', addBlock(RED_HAT['sshd'] ?? ''));
  t.is(bypass, undefined);
  t.is(askedInVain?.at(-1)?.line.module, 'pam_duo_ts.so');
});

for (const service of ['sshd', 'sudo', 'su']) {
  test(`Red Hat: with the profile of pam.d/password-auth, ${service} asks Duo after the password`, (t) => {
    const profile = readFileSync('pam.d/password-auth', 'utf8');
    const system = { ...RED_HAT, 'password-auth': profile, 'system-auth': profile };
    t.deepEqual(guard(system, service), { bypass: undefined, passable: true, askedInVain: undefined });
  });
}

test('the guard finds a password module that ends the stack before Duo', (t) => {
  const { bypass } = guard(RED_HAT, 'sudo', addBlock(RED_HAT['sudo'] ?? ''));
  t.deepEqual(bypass?.map(({ line, code }) => `${line.module} ${code}`).at(-1), 'pam_unix.so success');
});

test('su-l includes su and its block', (t) => {
  const su = addBlock(DEBIAN['su'] ?? '') ?? '';
  t.is(guard({ ...DEBIAN, su }, 'su-l').bypass, undefined);
});

test('a stack that denies everyone is reported as not passable', (t) => {
  t.false(guard(DEBIAN, 'x', 'auth required pam_duo_ts.so\nauth required pam_deny.so\n').passable);
  t.false(guard(DEBIAN, 'x', 'auth required pam_unix.so\n').passable);
});

test('a stack without a line for passwords gets no block', (t) => {
  t.is(
    addBlock('# nothing\naccount required pam_unix.so\nauth required pam_google_authenticator.so\n'),
    undefined,
  );
});

test('the block follows the whole of a continued line', (t) => {
  t.regex(
    addBlock('auth required \\\n  pam_unix.so\nauth optional pam_x.so\n') ?? '',
    /pam_unix\.so\n# BEGIN.*\n.*\n# END.*\nauth optional/,
  );
});

test('lines written or changed by hand are kept', (t) => {
  const text = '@include common-auth\nauth required pam_duo_ts.so conf=/x\n';
  t.deepEqual(usesOf(text), { marked: [], other: [2] });
  t.is(removeBlocks(text), text);
  const changed = (addBlock('@include common-auth\n') ?? '').replace('required', 'sufficient');
  t.deepEqual(usesOf(changed), { marked: [], other: [3] });
  t.is(removeBlocks(changed), changed);
});
