/** An enforcing SELinux with Debian's policy and the module of the package. */
import test from 'ava';
import { describe, LOGIN, startInstalled } from './installed.ts';
import type { Machine } from './machine.ts';

let machine: Machine;

test.before(async () => {
  machine = await startInstalled('selinux', {
    kernel: 'security=selinux selinux=1 enforcing=1 audit=1',
  });
  await machine.run(
    'setenforce 0; /usr/libexec/duo-ts/load-selinux | cat; setenforce 1; systemctl restart duo-ts.socket',
  );
});

test.after.always(() => machine?.kill());

const sudo = `ssh-login alice@localhost "printf 'correct horse\\n1\\n' | sudo -S -k id -un"`;

/** The domain of the engine that a login waits for, and the login's outcome. */
async function domainOfEngine(): Promise<string> {
  return machine.run(`touch /tmp/wait
(${LOGIN}; echo done) >/tmp/waiting 2>&1 &
until pgrep -f 'answer .*option' >/dev/null; do sleep 0.1; done
ps -eo label,args | grep -o '[a-z_]*_t:.* duo-ts engine\\|[a-z_]*_t:.*duo-ts engine --resident'
rm /tmp/wait
until grep -q done /tmp/waiting; do sleep 0.2; done
cat /tmp/waiting`);
}

test.serial('the module is loaded and enforced, and the files have its types', async (t) => {
  t.log(await describe(machine));
  t.is((await machine.run('getenforce')).trim(), 'Enforcing');
  t.regex(await machine.run('semodule -l | cat'), /^duo_ts\b/m);
  const labels = await machine.run(
    'stat --format="%C %n" /usr/libexec/duo-ts/duo-ts /usr/libexec/duo-ts/unix.node /run/duo-ts/engine.sock',
  );
  t.regex(labels, /:duo_ts_exec_t:s0 \/usr\/libexec\/duo-ts\/duo-ts\n/);
  t.regex(labels, /:lib_t:s0 \/usr\/libexec\/duo-ts\/unix.node\n/);
  t.regex(labels, /:duo_ts_runtime_t:s0 \/run\/duo-ts\/engine.sock\n/);
});

for (const engine of ['resident', 'private']) {
  test.serial(`${engine}: sshd and sudo`, async (t) => {
    if (engine === 'private') await machine.run('systemctl disable --now duo-ts.socket duo-ts.service');
    const shown = await domainOfEngine();
    t.regex(shown, /^duo_ts_t:/m);
    t.regex(shown, /^alice$/m);
    t.regex(await machine.run(sudo), /root$/m);
    const records = await machine.run('journalctl --no-pager -o json DUO_RESULT=approved');
    t.regex(records, new RegExp(`"DUO_ENGINE":"${engine}"`));
  });

  test.serial(`${engine}: su and a login on the console`, async (t) => {
    await machine.run('duo-ts pam enable su; duo-ts pam enable login');
    t.regex(await machine.run('ssh-login alice@localhost with-terminal root su -c whoami'), /^root\r?$/m);
    await machine.type(/login: $/, 'alice\n');
    await machine.type(/Password: $/, 'correct horse\n');
    await machine.type(/Passcode or option[^:]*: $/, '1\n');
    await machine.type(/\$ $/, 'id --context; exit\n');
    t.regex(await machine.shows(/login: $/), /unconfined_t/);
  });

  test.serial(`${engine}: a key, then Duo alone`, async (t) => {
    await machine.run(`cp /etc/pam.d/sshd /root/pam-sshd
cp /usr/share/doc/pam-duo-ts/pam.d/sshd-key /etc/pam.d/sshd
sed -i 's/^AuthenticationMethods /&publickey,/' /etc/ssh/sshd_config.d/duo.conf
systemctl restart ssh
[ -e /root/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
install -d -o alice -g alice -m 700 /home/alice/.ssh
install -o alice -g alice -m 600 /root/.ssh/id_ed25519.pub /home/alice/.ssh/authorized_keys
restorecon -R /home/alice/.ssh`);
    const login = await machine.attempt(`ssh-login alice@localhost id -un`);
    await machine.run(`cp /root/pam-sshd /etc/pam.d/sshd
sed -i 's/publickey,//' /etc/ssh/sshd_config.d/duo.conf
systemctl restart ssh`);
    t.regex(login.output, /^alice$/m);
    const last = await machine.run('journalctl --no-pager -o json -n 1 DUO_RESULT=approved');
    t.regex(last, /"DUO_SERVICE":"sshd".*/);
    t.regex(last, new RegExp(`"DUO_ENGINE":"${engine}"`));
  });

  test.serial(`${engine}: a denial, and a Duo that is absent`, async (t) => {
    t.not((await machine.attempt('ssh-login bob@localhost true')).status, 0);
    await machine.run('systemctl stop simulator');
    const log = await machine.run(
      `${LOGIN}; journalctl --no-pager -o cat -t sshd -t sshd-session | tail -n 20`,
    );
    t.regex(log, /^alice$/m);
    t.regex(log, /Failsafe Duo login for 'alice'/);
    await machine.run(
      'systemctl start simulator; until ss --listening --tcp --numeric | grep -q :8443; do sleep 0.2; done',
    );
  });
}

test.serial('a break-glass code, while Duo is absent and failmode is secure', async (t) => {
  const [code = ''] = (await machine.run('duo-ts break-glass make alice --count 1 2>/dev/null')).split('\n');
  t.regex(await machine.run('stat --format=%C /etc/duo/break-glass/*'), /:duo_ts_code_t:s0\n$/);
  await machine.run(`echo ${code} >/tmp/code; echo 'failmode = secure' >>/etc/duo/pam_duo.conf
systemctl stop simulator`);
  const login = await machine.attempt(LOGIN);
  await machine.run("systemctl start simulator; sed -i '/^failmode/d' /etc/duo/pam_duo.conf");
  t.regex(login.output, /^alice$/m);
  t.is(await machine.run('ls /etc/duo/break-glass'), '');
  t.regex(
    await machine.run('journalctl --no-pager -o cat DUO_RESULT=break_glass'),
    /Break-glass login for 'alice' .*is used up, 0 left/,
  );
});

test.serial('duo-ts check knows that the policy is loaded', async (t) => {
  const { output } = await machine.attempt('duo-ts check --user alice');
  t.notRegex(output, /^ERROR/m, output);
});

test.serial('nothing about the engine or its callers was refused', async (t) => {
  const refused = await machine.run(
    "journalctl --no-pager -b -o cat _TRANSPORT=audit _TRANSPORT=kernel | grep 'avc: *denied' || true",
  );
  // login and sshd share the keyring of the user, with or without Duo.
  const ours = refused
    .split('\n')
    .filter((line) => /duo|sshd|sudo|local_login|su_t/.test(line) && !line.includes('tclass=key'));
  t.deepEqual(ours, []);
});

test.serial('the engine’s domain can read no secrets and start no programs', async (t) => {
  for (const what of ['/bin/cat /etc/shadow', '/bin/true'])
    t.not((await machine.attempt(`runcon system_u:system_r:duo_ts_t:s0 ${what}`)).status, 0, what);
});
