#!/bin/sh
# Installs what is missing and builds: `scripts/prepare.sh demo|test|bench|packages|browser|machines`. Says what it does; does nothing twice.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:?demo, test, bench, packages, browser or machines}

# Each package with a file that exists when it is installed.
packages="
gcc:/usr/bin/gcc
g++:/usr/bin/g++
cmake:/usr/bin/cmake
ninja-build:/usr/bin/ninja
libpam0g-dev:/usr/include/security/pam_modules.h
libc6-dev:/usr/include/stdio.h
sudo:/usr/include/sudo_plugin.h
ca-certificates:/etc/ssl/certs/ca-certificates.crt
libatomic1:/usr/share/doc/libatomic1
"
# Duo's own client, for comparison.
if [ "$purpose" = bench ]; then
  packages="$packages
libpam-duo:/usr/share/pam-configs/duo-unix
"
fi
# Real PAM applications for the tests, and tools that check the C code.
if [ "$purpose" = test ]; then
  packages="$packages
openssh-server:/usr/sbin/sshd
openssh-client:/usr/bin/ssh
rsync:/usr/bin/rsync
login:/bin/login
util-linux:/usr/bin/unshare
bsdutils:/usr/bin/script
iproute2:/sbin/ip
socat:/usr/bin/socat
libpam-duo:/usr/share/pam-configs/duo-unix
login-duo:/usr/share/doc/login-duo/copyright
tinyproxy-bin:/usr/bin/tinyproxy
valgrind:/usr/bin/valgrind
clang-format:/usr/bin/clang-format
mandoc:/usr/bin/mandoc
pkg-config:/usr/bin/pkg-config
binutils:/usr/bin/objdump
systemd:/usr/bin/systemd-analyze
"
fi
# What boots virtual machines.
if [ "$purpose" = machines ]; then
  packages="$packages
mmdebstrap:/usr/bin/mmdebstrap
qemu-system-x86:/usr/bin/qemu-system-x86_64
qemu-system-arm:/usr/bin/qemu-system-aarch64
qemu-user-static:/usr/bin/qemu-aarch64-static
arch-test:/usr/bin/arch-test
qemu-utils:/usr/bin/qemu-img
e2fsprogs:/usr/sbin/mkfs.ext4
policycoreutils:/usr/sbin/setfiles
"
fi
# The browser that opens the simulated phone's page.
if [ "$purpose" = browser ]; then
  packages="$packages
chromium:/usr/bin/chromium
"
fi
# What builds packages for this architecture and the other one, and what tests them.
foreign=arm64 triplet=aarch64-linux-gnu
if [ "$purpose" = packages ]; then
  packages="$packages
debhelper:/usr/bin/dh
apparmor:/usr/sbin/apparmor_parser
dh-apparmor:/usr/bin/dh_apparmor
selinux-policy-dev:/usr/share/selinux/devel/Makefile
dpkg-dev:/usr/bin/dpkg-buildpackage
fakeroot:/usr/bin/fakeroot
rpm:/usr/bin/rpmbuild
rpmlint:/usr/bin/rpmlint
ansible-core:/usr/bin/ansible-playbook
lintian:/usr/bin/lintian
apt-utils:/usr/bin/apt-ftparchive
gnupg:/usr/bin/gpg
mmdebstrap:/usr/bin/mmdebstrap
arch-test:/usr/bin/arch-test
zsh:/usr/bin/zsh
fish:/usr/bin/fish
openssh-client:/usr/bin/ssh
bsdutils:/usr/bin/script
qemu-user-static:/usr/bin/qemu-aarch64-static
gcc-aarch64-linux-gnu:/usr/bin/$triplet-gcc
g++-aarch64-linux-gnu:/usr/bin/$triplet-g++
libpam0g-dev:$foreign:/usr/lib/$triplet/libpam.so
libstdc++6:$foreign:/usr/lib/$triplet/libstdc++.so.6
libatomic1:$foreign:/usr/lib/$triplet/libatomic.so.1
"
fi

missing=""
for entry in $packages; do
  [ -e "${entry##*:}" ] || missing="$missing ${entry%:*}"
done
if [ -n "$missing" ]; then
  install="apt-get install -y --no-install-recommends$missing"
  if [ "$(id -u)" -ne 0 ]; then
    echo "Some system packages are missing. Install them, then try again:" >&2
    echo "  sudo $install" >&2
    exit 1
  fi
  echo "Installing system packages:$missing"
  # policy-rc.d keeps packages from starting servers.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  case $missing in *:$foreign*) dpkg --add-architecture "$foreign" ;; esac
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive $install; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "The packages could not be installed; the whole output is in $log" >&2
    exit 1
  fi
  rm -f "$log"
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "Installing the locked npm dependencies"
  npm ci --include=dev --include=optional --no-audit --no-fund --loglevel=error
fi
echo "Building"
scripts/with-node.sh node scripts/build.ts
