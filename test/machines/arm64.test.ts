/** The packages for arm64, with a kernel of their own; qemu-user, which the package tests use, has no private engines. */
import test from 'ava';
import { describe, LOGIN, SUDO, startInstalled } from './installed.ts';
import type { Machine } from './machine.ts';

let machine: Machine;

test.before(async () => {
  machine = await startInstalled('arm64');
});

test.after.always(() => machine?.kill());

for (const engine of ['resident', 'private']) {
  test.serial(`${engine}: sshd and sudo, and a denial`, async (t) => {
    if (engine === 'resident') t.log(await describe(machine));
    else await machine.run('systemctl disable --now duo-ts.socket duo-ts.service');
    t.is((await machine.run('uname -m')).trim(), 'aarch64');
    t.regex(await machine.run(LOGIN), /^alice$/m);
    t.regex(await machine.run(SUDO), /root$/m);
    t.not((await machine.attempt('ssh-login bob@localhost true')).status, 0);
    const records = await machine.run('journalctl --no-pager -o json DUO_RESULT=approved');
    t.is(records.match(new RegExp(`"DUO_ENGINE":"${engine}"`, 'g'))?.length, 2);
  });
}

test.serial('duo-ts check finds no error, and AppArmor refused nothing', async (t) => {
  const { output } = await machine.attempt('duo-ts check --user alice');
  t.notRegex(output, /^ERROR/m, output);
  t.is(await machine.run('journalctl --no-pager -b -o cat | grep \'apparmor="DENIED"\' || true'), '');
});
