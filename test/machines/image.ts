/** The disk of a Debian with systemd, made once for each recipe. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { aptOptions, debianSources } from '../packages/apt.ts';

const PACKAGES = [
  'linux-image-cloud-amd64',
  'initramfs-tools',
  'systemd-sysv',
  'systemd-container',
  'libpam-systemd',
  'dbus',
  'udev',
  'kmod',
  'openssh-server',
  'openssh-client',
  'sudo',
  'polkitd',
  'pkexec',
  'apparmor',
  'iproute2',
  'procps',
  'login',
  'util-linux',
  'libatomic1',
  'ca-certificates',
];

/** What makes the system boot quietly and listen to the tests. */
const CUSTOMIZE = `
set -e
root=$1
echo machine >"$root/etc/hostname"
echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
install -m 755 test/machines/agent.sh "$root/usr/local/sbin/test-agent"
install -m 644 test/machines/agent.service "$root/etc/systemd/system/test-agent.service"
chroot "$root" systemctl enable test-agent ssh
chroot "$root" systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer || true
chroot "$root" ssh-keygen -A
echo root:root | chroot "$root" chpasswd
chroot "$root" useradd --create-home --shell /bin/bash alice
echo 'alice:correct horse' | chroot "$root" chpasswd
echo 'alice ALL=(ALL) ALL' >"$root/etc/sudoers.d/alice"
chmod 440 "$root/etc/sudoers.d/alice"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
`;

export interface Image {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** The image, from the cache or new. */
export function makeImage(): Image {
  const files = ['test/machines/agent.sh', 'test/machines/agent.service'].map((path) =>
    readFileSync(path, 'utf8'),
  );
  const recipe = JSON.stringify([PACKAGES, CUSTOMIZE, files]);
  const digest = createHash('sha256').update(recipe).digest('hex').slice(0, 16);
  const directory = resolve('build/machines', digest);
  const image = {
    disk: join(directory, 'disk.raw'),
    kernel: join(directory, 'vmlinuz'),
    initrd: join(directory, 'initrd'),
  };
  if (existsSync(directory)) return image;
  const work = `${directory}.new`;
  const root = join(work, 'root');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  execFileSync(
    'mmdebstrap',
    [
      '--quiet',
      '--mode=root',
      '--variant=minbase',
      `--include=${PACKAGES.join(',')}`,
      `--aptopt=${aptOptions()}`,
      '--aptopt=APT::Install-Recommends "false"',
      `--customize-hook=cd ${resolve('.')} && sh -c '${CUSTOMIZE.replaceAll("'", `'"'"'`)}' sh "$1"`,
      'bookworm',
      root,
      '-',
    ],
    { input: debianSources('bookworm'), stdio: ['pipe', 'ignore', 'inherit'] },
  );
  renameSync(globSync(join(root, 'boot/vmlinuz-*'))[0] ?? '', join(work, 'vmlinuz'));
  renameSync(globSync(join(root, 'boot/initrd.img-*'))[0] ?? '', join(work, 'initrd'));
  execFileSync('truncate', ['--size=3G', join(work, 'disk.raw')]);
  execFileSync('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1', '-d', root, join(work, 'disk.raw')]);
  rmSync(root, { recursive: true });
  renameSync(work, directory);
  return image;
}
