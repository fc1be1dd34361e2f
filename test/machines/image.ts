/**
 * Disks of Debian systems with systemd, the packages, a simulated Duo, and Duo in the stacks of sshd and sudo; made once
 * for each recipe and build of the packages.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { aptOptions, debianSources } from '../packages/apt.ts';
import { built } from '../packages/built.ts';

/** The packages of all of them. */
const PACKAGES = [
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
  'expect',
  'iproute2',
  'procps',
  'login',
  'util-linux',
  'libatomic1',
  'ca-certificates',
];

/**
 * Puts the files of test/machines/root and the packages into a new system, `$1`, and Duo into the stacks of sshd and sudo.
 * `$2` is a directory with the packages.
 */
const CUSTOMIZE = `
set -e
root=$1
cp --recursive --remove-destination --preserve=mode --no-target-directory test/machines/root "$root"
chmod 440 "$root/etc/sudoers.d/alice"
chmod 600 "$root/etc/duo/pam_duo.conf"
for user in alice bob; do
  chroot "$root" useradd --create-home --shell /bin/bash $user
  echo "$user:correct horse" | chroot "$root" chpasswd
done
echo root:root | chroot "$root" chpasswd
cp "$2"/*.deb "$root/tmp"
chroot "$root" sh -c 'dpkg --install /tmp/*.deb && rm /tmp/*.deb'
chroot "$root" duo-ts pam enable sshd
chroot "$root" duo-ts pam enable sudo
chroot "$root" systemctl enable test-agent simulator ssh
chroot "$root" systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer || true
chroot "$root" ssh-keygen -A
`;

/** Labels the files of the tree `$1`, so that the first boot need not. The engine's module is not loaded yet. */
const LABEL = `
set -e
printf 'SELINUX=enforcing\\nSELINUXTYPE=default\\n' >"$1/etc/selinux/config"
setfiles -F -r "$1" "$1/etc/selinux/default/contexts/files/file_contexts" "$1"
`;

interface Recipe {
  readonly release: string;
  /** As Debian names it; absent: amd64. */
  readonly architecture?: Image['architecture'];
  /** Besides those of all. */
  readonly packages: readonly string[];
  /** A script that runs at last, with the tree as its argument. */
  readonly finish?: string;
}

const RECIPES = {
  bookworm: {
    release: 'bookworm',
    packages: ['systemd-resolved', 'libnss-resolve', 'dnsmasq-base', 'iptables'],
  },
  trixie: { release: 'trixie', packages: ['sudo-rs'] },
  arm64: { release: 'bookworm', architecture: 'arm64', packages: [] },
  selinux: {
    release: 'bookworm',
    packages: ['selinux-policy-default', 'selinux-utils', 'policycoreutils'],
    finish: LABEL,
  },
} satisfies Record<string, Recipe>;
export type System = keyof typeof RECIPES;
export const SYSTEMS = Object.keys(RECIPES) as System[];

export interface Image {
  readonly architecture: 'amd64' | 'arm64';
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** The image, from the cache or new. */
export function makeImage(system: System): Image {
  const { release, architecture = 'amd64', packages, finish = '' }: Recipe = RECIPES[system];
  const debs = built(new RegExp(`^(?:pam-duo-ts|login-duo-ts)_.*_${architecture}\\.deb$`));
  const digest = createHash('sha256').update(
    JSON.stringify([PACKAGES, CUSTOMIZE, release, packages, finish]),
  );
  const files = globSync('test/machines/root/**', { withFileTypes: true }).filter((entry) => entry.isFile());
  for (const path of [...files.map(({ parentPath, name }) => join(parentPath, name)).sort(), ...debs])
    digest.update(`${path}\n`).update(readFileSync(path));
  const directory = resolve('build/machines', `${system}-${digest.digest('hex').slice(0, 16)}`);
  const image: Image = {
    architecture,
    disk: join(directory, 'disk.raw'),
    kernel: join(directory, 'vmlinuz'),
    initrd: join(directory, 'initrd'),
  };
  if (existsSync(directory)) return image;
  for (const old of globSync(`build/machines/${system}-*`)) rmSync(old, { recursive: true });
  const work = `${directory}.new`;
  const root = join(work, 'root');
  mkdirSync(join(work, 'debs'), { recursive: true });
  for (const path of debs) copyFileSync(path, join(work, 'debs', basename(path)));
  writeFileSync(join(work, 'customize.sh'), CUSTOMIZE);
  // What it mounts ends with it, however it ends.
  execFileSync(
    'unshare',
    [
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      // Lets programs of the other architecture run.
      ...(architecture === 'amd64' ? [] : ['test/packages/enter.sh']),
      'mmdebstrap',
      '--quiet',
      '--mode=root',
      '--variant=minbase',
      `--architectures=${architecture}`,
      `--include=${[`linux-image-cloud-${architecture}`, ...PACKAGES, ...packages].join(',')}`,
      `--aptopt=${aptOptions()}`,
      '--aptopt=APT::Install-Recommends "false"',
      `--customize-hook=cd ${resolve('.')} && sh ${work}/customize.sh "$1" ${work}/debs`,
      release,
      root,
      '-',
    ],
    { input: debianSources(release), stdio: ['pipe', 'ignore', 'inherit'] },
  );
  // mmdebstrap has removed it. A system without one would set itself up at each boot.
  copyFileSync('test/machines/root/etc/machine-id', join(root, 'etc/machine-id'));
  execFileSync('sh', ['-c', finish, 'sh', root], { stdio: ['ignore', 'ignore', 'inherit'] });
  renameSync(globSync(join(root, 'boot/vmlinuz-*'))[0] ?? '', join(work, 'vmlinuz'));
  renameSync(globSync(join(root, 'boot/initrd.img-*'))[0] ?? '', join(work, 'initrd'));
  execFileSync('truncate', ['--size=3G', join(work, 'disk.raw')]);
  execFileSync('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1', '-d', root, join(work, 'disk.raw')]);
  rmSync(root, { recursive: true });
  renameSync(work, directory);
  return image;
}
