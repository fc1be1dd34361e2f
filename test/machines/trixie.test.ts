/** Debian 13: OpenSSH 10 with its two processes per session, PAM 1.7, sudo-rs, a newer systemd. */
import test from 'ava';
import { describe, LOGIN, SUDO, startInstalled } from './installed.ts';
import type { Machine } from './machine.ts';

let machine: Machine;

test.before(async () => {
  machine = await startInstalled('trixie');
});

test.after.always(() => machine?.kill());

for (const engine of ['resident', 'private']) {
  test.serial(`${engine}: sshd, sudo, sudo-rs and su`, async (t) => {
    if (engine === 'resident') t.log(await describe(machine));
    else await machine.run('duo-ts pam enable su; systemctl disable --now duo-ts.socket duo-ts.service');
    t.regex(await machine.run(LOGIN), /^alice$/m);
    t.regex(await machine.run(SUDO), /root$/m);
    t.regex(
      await machine.run("runuser -u alice -- with-terminal 'correct horse' sudo-rs id -un"),
      /^root\r?$/m,
    );
    const records = await machine.run('journalctl --no-pager -o json DUO_RESULT=approved');
    t.is(records.match(new RegExp(`"DUO_ENGINE":"${engine}"`, 'g'))?.length, 3);
    if (engine === 'private')
      t.regex(await machine.run("runuser -u alice -- with-terminal root su -c 'id -un'"), /^root\r?$/m);
  });
}

test.serial('duo-ts check finds no error, and AppArmor refused nothing', async (t) => {
  const { output } = await machine.attempt('duo-ts check --user alice');
  t.notRegex(output, /^ERROR/m, output);
  t.is(await machine.run('journalctl --no-pager -b -o cat | grep \'apparmor="DENIED"\' || true'), '');
});
