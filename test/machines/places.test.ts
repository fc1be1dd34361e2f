/** Places where a login is harder than usual: file systems, networks and clocks that are not ready, and hidden corners. */
import test, { type ExecutionContext } from 'ava';
import { LOGIN, SUDO, startInstalled } from './installed.ts';
import type { Machine } from './machine.ts';

let machine: Machine;

test.before(async () => {
  machine = await startInstalled('bookworm');
});

test.after.always(() => machine?.kill());

/** What the last login over ssh logged. */
async function logged(): Promise<string> {
  return machine.run("journalctl --no-pager -o cat -t sshd -n 50 | grep '^pam_duo_ts' | tail -n 1");
}

const START = 'systemctl start duo-ts.socket';
const STOP = 'systemctl stop duo-ts.socket duo-ts.service';

/** A login with the resident engine and one with a private engine. */
async function bothEngines(t: ExecutionContext): Promise<void> {
  for (const [command, engine] of [
    [START, 'resident'],
    [STOP, 'private'],
  ] as const) {
    await machine.run(command);
    t.regex(await machine.run(LOGIN), /^alice$/m, engine);
    t.regex(await logged(), /^pam_duo_ts\(sshd:auth\): Successful Duo login for 'alice'/, engine);
  }
}

test.serial('hidepid, a /run without programs, a read-only /usr and no /dev/shm, at once', async (t) => {
  await machine.run(`${STOP}
mount -o remount,hidepid=2 /proc
mount -o remount,noexec /run
mount --bind /usr /usr
mount -o remount,bind,ro /usr
umount --lazy /dev/shm
rmdir /dev/shm`);
  await bothEngines(t);
  await machine.run(`mkdir /dev/shm
mount -t tmpfs none /dev/shm
umount --lazy /usr
mount -o remount,hidepid=0 /proc`);
});

const full: Readonly<Record<string, readonly [string, string]>> = {
  '/run': ['! dd if=/dev/zero of=/run/full bs=64k status=none', 'rm /run/full'],
  '/var': [
    `fallocate --length $(df --output=avail --block-size=1 /var | tail -n 1) /var/full
! dd if=/dev/zero of=/var/more bs=64k status=none`,
    'rm /var/full /var/more',
  ],
};
for (const [place, [fill, empty]] of Object.entries(full)) {
  test.serial(`a full ${place}: the resident engine cannot start, and private ones serve`, async (t) => {
    await machine.run(`${STOP}; ${START}\n${fill}`);
    // The journal is full, too.
    const { output } = await machine.attempt(LOGIN);
    const active = await machine.attempt('systemctl is-active --quiet duo-ts.service');
    await machine.run(empty);
    t.regex(output, /^alice$/m);
    t.not(active.status, 0);
    await machine.run('until systemctl is-active --quiet duo-ts.service; do sleep 0.5; done');
  });
}

test.serial('a clock in the past: the log names the clock, and logins work when it is right', async (t) => {
  await machine.run('systemctl stop duo-ts.service; date +%s >/root/now; date --set=1971-02-03');
  await machine.run(LOGIN);
  t.regex(
    await logged(),
    /Failsafe Duo login .* certificate verify failed: not valid yet, if this host's clock is right \(1971-02-03\)/,
  );
  await machine.run('date --set=@$(cat /root/now)');
  t.regex(await machine.run(LOGIN), /^alice$/m);
  t.regex(await logged(), /Successful Duo login/);
});

test.serial(
  'Duo’s name by systemd-resolved, before there is a network, without a name server, and with one',
  async (t) => {
    await machine.run(`cp /etc/duo/pam_duo.conf /root/saved.conf
sed -i 's/^host = localhost/host = duo.example.test/; $ a noverify = yes' /etc/duo/pam_duo.conf
ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
systemctl restart systemd-resolved`);
    await machine.run(LOGIN);
    t.regex(await logged(), /Failsafe Duo login .* Network is unreachable/);
    await machine.run(`ip link add uplink type dummy
ip address add 192.0.2.1/24 dev uplink
ip link set uplink up
ip route add default dev uplink`);
    t.not((await machine.attempt(LOGIN)).status, 0);
    t.regex(
      await logged(),
      /can't look up duo\.example\.test: the name server 127\.0\.0\.53 says (?:SERVFAIL|REFUSED)/,
    );
    await machine.run(`mkdir -p /etc/systemd/resolved.conf.d
printf '[Resolve]\nDNS=127.0.0.1:5353\nDNSSEC=no\n' >/etc/systemd/resolved.conf.d/test.conf
systemd-run --unit=names dnsmasq --keep-in-foreground --no-resolv --no-hosts --port=5353 --address=/duo.example.test/127.0.0.1
systemctl restart systemd-resolved`);
    t.regex(await machine.run(LOGIN), /^alice$/m);
    t.regex(await logged(), /^pam_duo_ts\(sshd:auth\): Successful Duo login/);
    await machine.run(`systemctl stop names systemd-resolved
rm /etc/resolv.conf; touch /etc/resolv.conf
cp /root/saved.conf /etc/duo/pam_duo.conf`);
  },
);

test.serial('su, a login on the console, and machinectl by polkit', async (t) => {
  await machine.run('for name in su login; do duo-ts pam enable $name; done');
  t.regex(await machine.run("runuser -u alice -- with-terminal root su -c 'id -un'"), /^root\r?$/m);
  await machine.type(/login: $/, 'alice\n');
  await machine.type(/Password: $/, 'correct horse\n');
  await machine.type(/option[^:]*: $/, '1\n');
  await machine.type(/\$ $/, 'id -un; exit\n');
  t.regex(await machine.shows(/login: $/), /^alice\r$/m);
  await machine.run(
    `sed '/^@include common-auth/a auth required pam_duo_ts.so' /usr/lib/pam.d/polkit-1 >/etc/pam.d/polkit-1`,
  );
  t.regex(
    await machine.run('ssh-login -tt alice@localhost with-terminal root machinectl shell .host /bin/id -un'),
    /^root\r?$/m,
  );
  t.regex(
    await machine.run('journalctl --no-pager -o cat -n 500 DUO_RESULT=approved'),
    /^pam_duo_ts\(polkit-1:auth\): Successful Duo login for 'root'$/m,
  );
});

test.serial('a read-only root without systemd, /run or other processes, as in a container', async (t) => {
  const script = `mount -t tmpfs none /run; mount -t tmpfs none /tmp; mount -o remount,bind,ro /; ! touch /x 2>/dev/null
${SUDO}`;
  await machine.run(`cat >/root/container <<'END'\n${script}\nEND`);
  t.regex(
    await machine.run('unshare --mount --pid --fork --mount-proc --uts --ipc bash -e /root/container'),
    /root$/m,
  );
});

test.serial('login_duo_ts in a user namespace, where it is not root, denies', async (t) => {
  const { status, output } = await machine.attempt(
    "runuser -u alice -- unshare --user --map-root-user sh -c 'login_duo_ts -f alice id'",
  );
  t.not(status, 0);
  t.notRegex(output, /uid=/);
});

test.serial('sshd with ChrootDirectory asks outside of the directory', async (t) => {
  await machine.run(`mkdir -p /srv/jail/bin /srv/jail/lib64
cp /bin/dash /srv/jail/bin/bash
cp --parents /lib/x86_64-linux-gnu/libc.so.6 /srv/jail
cp /lib64/ld-linux-x86-64.so.2 /srv/jail/lib64
printf 'Match User alice\n  ChrootDirectory /srv/jail\n' >/etc/ssh/sshd_config.d/zz-jail.conf
systemctl restart ssh`);
  t.regex(await machine.run(`ssh-login alice@localhost 'echo /b*'`), /^\/bin$/m);
  t.regex(await logged(), /^pam_duo_ts\(sshd:auth\): Successful Duo login/);
  await machine.run(`rm /etc/ssh/sshd_config.d/zz-jail.conf\nsystemctl restart ssh`);
});

test.serial('login_duo_ts under AppArmor starts a shell that is not confined', async (t) => {
  await machine.run(`cp --preserve=mode /etc/duo/pam_duo.conf /etc/duo/login_duo.conf
printf 'Match User alice\n  ForceCommand /usr/sbin/login_duo_ts\n' >/etc/ssh/sshd_config.d/zz-force.conf
systemctl restart ssh`);
  const shown = await machine.run(
    "with-terminal - ssh-login -tt alice@localhost 'cat /proc/self/attr/current; touch /tmp/written'",
  );
  t.regex(shown, /^unconfined\r?$/m);
  t.regex(
    await machine.run('journalctl --no-pager -o cat -t login_duo_ts -n 1'),
    /^Successful Duo login for 'alice'/,
  );
  await machine.run(`rm /etc/ssh/sshd_config.d/zz-force.conf /tmp/written\nsystemctl restart ssh`);
});

test.serial('AppArmor confined every engine and refused nothing', async (t) => {
  const label = `(touch /tmp/wait; ${LOGIN} >/dev/null; true) &
until pgrep -f 'answer .*option' >/dev/null; do sleep 0.1; done
for pid in $(pgrep -f 'duo-ts engine'); do cat /proc/$pid/attr/current; done
rm /tmp/wait; wait`;
  await machine.run(START);
  t.regex(await machine.run(label), /^duo-ts-engine \(enforce\)$/m, 'resident');
  await machine.run(STOP);
  t.regex(await machine.run(label), /^duo-ts-engine \(enforce\)$/m, 'private');
  const denied = await machine.run('journalctl --no-pager -b -o cat | grep \'apparmor="DENIED"\' || true');
  t.is(denied, '');
});
