/** The packages on a machine with systemd: socket activation, crashes, restarts, the watchdog, hardening. */
import test from 'ava';
import { describe, LOGIN, SUDO, startInstalled } from './installed.ts';
import type { Machine } from './machine.ts';

let machine: Machine;

test.before(async () => {
  machine = await startInstalled('bookworm');
});

test.after.always(() => machine?.kill());

/** What systemctl says of a unit. */
async function stateOf(unit: string): Promise<string> {
  return (await machine.attempt(`systemctl is-active ${unit}`)).output.trim();
}

test.serial('the socket listens from the boot on, and the first login starts the engine', async (t) => {
  t.log(await describe(machine));
  t.is(await stateOf('duo-ts.socket'), 'active');
  t.is(await stateOf('duo-ts.service'), 'inactive');
  t.regex(await machine.run(LOGIN), /^alice$/m);
  t.is(await stateOf('duo-ts.service'), 'active');
  t.regex(await machine.run(SUDO), /root$/m);
});

test.serial('the socket listens before sshd starts, and systemd-analyze gives the service 1.3', async (t) => {
  const times =
    await machine.run(`systemctl show --value --property=ActiveEnterTimestampMonotonic duo-ts.socket
systemctl show --value --property=ExecMainStartTimestampMonotonic ssh.service`);
  const [socket = 0, sshd = 0] = times.split('\n').map(Number);
  t.true(socket > 0 && socket < sshd, times);
  t.regex(
    await machine.run('systemd-analyze security --no-pager --threshold=13 duo-ts.service'),
    /Overall.* 1\.3 /,
  );
});

test.serial('the journal has results with fields', async (t) => {
  const text = await machine.run('journalctl --no-pager -o json DUO_RESULT=approved');
  const entries: Record<string, string>[] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.true(entries.some((entry) => entry['DUO_SERVICE'] === 'sshd' && entry['DUO_ENGINE'] === 'resident'));
  t.regex(entries[0]?.['MESSAGE'] ?? '', /^pam_duo_ts\(sshd:auth\): Successful Duo login for 'alice' from /);
});

test.serial('duo-ts check finds no error, and duo-ts status has counted', async (t) => {
  const { output } = await machine.attempt('duo-ts check --user alice');
  t.notRegex(output, /^ERROR/m, output);
  t.regex(output, /The resident engine answers/);
  await machine.run('until duo-ts status --json | grep -q \'"approved": 2\'; do sleep 0.2; done');
});

test.serial('five crashes in a row do not take the socket down', async (t) => {
  for (let crash = 0; crash < 5; crash += 1)
    await machine.run('systemctl start duo-ts.service; systemctl kill --signal=KILL duo-ts.service');
  t.regex(await machine.run(LOGIN), /^alice$/m);
  t.is(await stateOf('duo-ts.socket'), 'active');
});

test.serial('a login that waits survives a restart of the engine', async (t) => {
  await machine.run(`touch /tmp/wait
(ssh-login alice@localhost id -un; echo done) >/tmp/waiting 2>&1 &
until pgrep -f 'answer .*option' >/dev/null; do sleep 0.1; done
systemctl restart --no-block duo-ts.service
rm /tmp/wait
until grep -q done /tmp/waiting; do sleep 0.2; done`);
  t.regex(await machine.run('cat /tmp/waiting'), /^alice$/m);
});

test.serial('the watchdog ends an engine that hangs', async (t) => {
  await machine.run(LOGIN);
  await machine.run(`systemctl kill --signal=STOP duo-ts.service
until journalctl --no-pager -u duo-ts | grep -q 'Watchdog timeout'; do sleep 1; done`);
  t.regex(await machine.run(LOGIN), /^alice$/m);
});

test.serial('a hardened sshd, without executable memory and with few paths that are programs', async (t) => {
  await machine.run(`mkdir -p /etc/systemd/system/ssh.service.d
printf '[Service]\\nMemoryDenyWriteExecute=yes\\nNoExecPaths=/\\nExecPaths=/usr\\nProtectKernelTunables=yes\\n' >/etc/systemd/system/ssh.service.d/hard.conf
systemctl daemon-reload
systemctl restart ssh`);
  t.regex(await machine.run(LOGIN), /^alice$/m);
  await machine.run('systemctl stop duo-ts.socket duo-ts.service');
  t.regex(await machine.run(LOGIN), /^alice$/m, 'with a private engine');
  await machine.run(`rm -r /etc/systemd/system/ssh.service.d
systemctl daemon-reload
systemctl restart ssh
systemctl start duo-ts.socket`);
  t.regex(await machine.run(LOGIN), /^alice$/m);
});

test.serial('without the resident engine each login has a private one', async (t) => {
  await machine.run('systemctl disable --now duo-ts.socket duo-ts.service');
  t.regex(await machine.run(LOGIN), /^alice$/m);
  t.regex(
    await machine.run('journalctl --no-pager -o json -n 1 DUO_RESULT=approved'),
    /"DUO_ENGINE":"private"/,
  );
  await machine.run('systemctl enable --now duo-ts.socket');
});

test.serial('the package is removed, and root and alice still log in', async (t) => {
  await machine.run('apt-get remove --yes pam-duo-ts login-duo-ts');
  t.regex(await machine.run(LOGIN), /^alice$/m);
  t.is(await stateOf('duo-ts.socket'), 'inactive');
});
