/** The Ansible role against a Debian over ssh: install and enable, again without a change, a failure, and back. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test from 'ava';
import { built } from './built.ts';
import { Tree } from './tree.ts';

test('the role enables sudo and sshd, changes nothing twice, rolls back and removes', async (t) => {
  const tree = await Tree.make('bookworm', 'amd64', ['python3-apt']);
  const directory = mkdtempSync(join(tmpdir(), 'ansible-'));
  t.teardown(async () => {
    await tree.close();
    rmSync(directory, { recursive: true });
  });
  const at = (name: string) => join(directory, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at('key')]);
  tree.write('/root/.ssh/authorized_keys', execFileSync('cat', [at('key.pub')], { encoding: 'utf8' }), 0o600);
  tree.write('/etc/duo/ca.pem', tree.duo.ca);
  writeFileSync(at('password'), 'vault password\n');
  writeFileSync(
    at('inventory'),
    `tree ansible_host=127.0.0.1 ansible_port=${tree.port} ansible_user=root ansible_ssh_private_key_file=${at('key')}\n`,
  );
  writeFileSync(at('play.yml'), '- hosts: tree\n  roles: [pam_duo_ts]\n');
  const ansible = (program: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(program, args, {
      encoding: 'utf8',
      env: {
        ...process.env,
        HOME: directory,
        ANSIBLE_ROLES_PATH: resolve('contrib/ansible/roles'),
        ANSIBLE_HOST_KEY_CHECKING: 'False',
        ANSIBLE_VAULT_PASSWORD_FILE: at('password'),
        LC_ALL: 'C.UTF-8',
      },
    });
    return { status, output: stdout + stderr };
  };
  const { host, ikey, skey, ...options } = Object.fromEntries(
    [...tree.duo.config('/etc/duo/ca.pem').matchAll(/^(\w+)\s*=\s*(.*)$/gm)].map(([, name, value]) => [
      name,
      value,
    ]),
  );
  const secret = execFileSync(
    'ansible-vault',
    ['encrypt_string', '--vault-password-file', at('password'), String(skey), '--name', 'pam_duo_ts_skey'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, HOME: directory } },
  );
  const play = (services: string, state = 'present') => {
    const values = {
      pam_duo_ts_package: resolve(built(/^pam-duo-ts_.*_amd64\.deb$/)[0] ?? ''),
      pam_duo_ts_host: host,
      pam_duo_ts_ikey: ikey,
      pam_duo_ts_options: options,
      pam_duo_ts_state: state,
    };
    writeFileSync(
      at('values.yml'),
      `${Object.entries(values)
        .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
        .join('')}pam_duo_ts_services: ${services}\n${secret}`,
    );
    return ansible('ansible-playbook', '-i', at('inventory'), '-e', `@${at('values.yml')}`, at('play.yml'));
  };
  const stacks = () => ['sshd', 'sudo', 'sudo-i'].map((name) => tree.read(`/etc/pam.d/${name}`));
  const before = stacks();

  const first = play('[sudo, sshd]');
  t.is(first.status, 0, first.output);
  t.false(first.output.includes(String(skey)));
  t.is(tree.mode('/etc/duo/pam_duo.conf'), '600 0:0');
  await tree.login(t, 'alice', true);
  await tree.sudo(t, true);

  const second = play('[sudo, sshd]');
  t.regex(second.output, /changed=0 .*failed=0/);

  tree.append('/etc/pam.d/login', 'auth sufficient pam_permit.so\nauth required pam_duo_ts.so\n');
  const failed = play('[sudo, sshd, login]');
  t.not(failed.status, 0);
  t.regex(failed.output, /Duo is disabled again/);
  t.deepEqual(stacks(), before);

  tree.write('/etc/pam.d/login', 'auth required pam_unix.so\n');
  t.is(play('[sudo]').status, 0);
  t.is(play('[]', 'absent').status, 0);
  t.deepEqual(stacks(), before);
  t.false(tree.has('/usr/bin/duo-ts'));
  await tree.login(t, 'root', false);
});
