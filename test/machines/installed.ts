/** A machine with the packages installed, a simulated Duo, and Duo in the stacks of sshd and sudo. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { built } from '../packages/built.ts';
import { Machine, type MachineOptions } from './machine.ts';

const PUSH = { status: 'auth', phone: 'approve' };

/** Files of the machine, by their paths. */
const FILES: Readonly<Record<string, string>> = {
  'etc/hosts': '127.0.0.1 localhost machine\n',
  'etc/resolv.conf': '',
  'root/users.json': JSON.stringify({ alice: PUSH, root: PUSH }),
  'etc/systemd/system/simulator.service': [
    '[Service]',
    'ExecStart=/usr/bin/duo-ts simulate --users /root/users.json --ca-file /etc/duo/ca.pem',
    'StandardOutput=file:/run/simulator.conf',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n'),
  'etc/ssh/sshd_config.d/duo.conf': [
    'KbdInteractiveAuthentication yes',
    'PasswordAuthentication no',
    'AuthenticationMethods keyboard-interactive',
    '',
  ].join('\n'),
  'usr/local/bin/answer': [
    '#!/bin/sh',
    'case $1 in',
    "  *assword*) echo 'correct horse' ;;",
    '  *option*) while [ -e /tmp/wait ]; do sleep 0.1; done; echo 1 ;;',
    'esac',
    '',
  ].join('\n'),
  'usr/local/bin/ssh-login': [
    '#!/bin/sh',
    'export SSH_ASKPASS=/usr/local/bin/answer SSH_ASKPASS_REQUIRE=force',
    'exec setsid --wait ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \\',
    '  -o NumberOfPasswordPrompts=1 "$@"',
    '',
  ].join('\n'),
};

const SETUP = `
tar -C / --no-same-owner -xf /dev/vdb
chmod 755 /usr/local/bin/*
dpkg --install /root/*.deb
rm /root/*.deb
systemctl daemon-reload
systemctl enable --now simulator
until grep -q cafile /run/simulator.conf; do sleep 0.2; done
install -m 600 /run/simulator.conf /etc/duo/pam_duo.conf
duo-ts pam enable sshd
duo-ts pam enable sudo
systemctl restart ssh
`;

let prepared: Promise<string> | undefined;

/** The disk of such a machine, made once. */
async function prepare(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'payload-'));
  for (const [path, text] of Object.entries(FILES)) {
    execFileSync('mkdir', ['-p', join(directory, dirname(path))]);
    writeFileSync(join(directory, path), text);
  }
  for (const path of built(/^(?:pam-duo-ts|login-duo-ts)_.*_amd64\.deb$/))
    execFileSync('cp', [resolve(path), join(directory, 'root', basename(path))]);
  const archive = `${directory}.tar`;
  execFileSync('tar', ['--create', '--file', archive, '--directory', directory, 'root', 'etc', 'usr']);
  const machine = await Machine.start({ data: archive });
  await machine.run(SETUP);
  return machine.stop();
}

/** Boots a machine of its own. */
export async function startInstalled(options: Omit<MachineOptions, 'disk' | 'data'> = {}): Promise<Machine> {
  prepared ??= prepare();
  return Machine.start({ ...options, disk: { path: await prepared, format: 'qcow2' } });
}

/** A login over ssh with a password and a push. */
export const LOGIN = 'ssh-login alice@localhost id -un';
/** sudo with a password and a push. */
export const SUDO = `runuser -u alice -- sh -c "printf 'correct horse\\\\n1\\\\n' | sudo -S -k id -un"`;
