/** What the tests do on such machines. */
import type { System } from './image.ts';
import { Machine, type MachineOptions } from './machine.ts';

/** Boots a machine, and waits for sshd and the simulated Duo. */
export async function startInstalled(system: System, options: MachineOptions = {}): Promise<Machine> {
  const machine = await Machine.start(system, options);
  await machine.run(
    'until systemctl is-active --quiet ssh && ss --listening --tcp --numeric | grep -q :8443; do sleep 0.5; done',
  );
  return machine;
}

/** A login over ssh with a password and a push. */
export const LOGIN = 'ssh-login alice@localhost id -un';
/** sudo with a password and a push. */
export const SUDO = `runuser -u alice -- sh -c "printf 'correct horse\\\\n1\\\\n' | sudo -S -k id -un"`;

/** The programs that matter, with their versions. */
export async function describe(machine: Machine): Promise<string> {
  const wanted = 'systemd openssh-server sudo sudo-rs libpam0g libc6 apparmor selinux-policy-default';
  const script = `. /etc/os-release; echo "$PRETTY_NAME"; echo "Linux $(uname -r)"
for name in ${wanted}; do dpkg-query --show $name 2>/dev/null || true; done`;
  const lines = (await machine.run(script)).trim().split('\n');
  return lines
    .map((line) => line.replace('\t', ' '))
    .filter((line) => !line.endsWith(' '))
    .join(', ');
}
