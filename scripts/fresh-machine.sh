#!/bin/sh
# Does what a stranger does on a new machine: makes a minimal Debian 12 in a directory, with Debian's own nodejs, npm and
# git alone, clones HEAD into it, and runs `npm start` and `npm test` there as root, without a terminal.
#
#   scripts/fresh-machine.sh [--keep DIRECTORY] [COMMAND…]
#
# With COMMAND, that is run in the clone instead of the two. --keep leaves the Debian in DIRECTORY, or takes up one that an
# earlier run left there. Where packages come from is taken from this machine's apt and npm; no credentials are.
# It runs in namespaces of its own, so nothing stays mounted. It takes root.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm
project=/root/pam_duo_ts

say() {
  echo "fresh-machine: $*"
}

# Prints lines for sources.list: the mirrors that this machine uses if it is a Debian, the well-known ones otherwise.
sources() {
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' | head -n 1)
  security=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian-Security' | head -n 1)
  mirror=${mirror:-http://deb.debian.org/debian}
  security=${security:-http://deb.debian.org/debian-security}
  echo "deb $mirror $suite main"
  echo "deb $mirror $suite-updates main"
  echo "deb $security $suite-security main"
}

# Prints lines for .npmrc: the registry and the way to it, as this machine's npm has them.
npm_settings() {
  command -v npm >/dev/null || return 0
  for key in registry proxy https-proxy noproxy; do
    value=$(cd / && npm config get "$key")
    case $value in '' | null | undefined) ;; *) echo "$key=$value" ;; esac
  done
  # Authorities that this machine trusts are trusted in there: see make_debian.
  echo "cafile=/etc/ssl/certs/ca-certificates.crt"
}

make_debian() {
  say "making a minimal Debian ($suite) in $root"
  apt_settings=$(mktemp)
  apt-config dump Acquire | grep -E '^Acquire::(Check-|Retries|https?::Proxy)' >"$apt_settings" || true
  sources | mmdebstrap --quiet --mode=root --variant=minbase --include=nodejs,npm,git,ca-certificates \
    --skip=check/empty --aptopt="$apt_settings" "$suite" "$root" -
  rm -f "$apt_settings"
  for certificate in /usr/local/share/ca-certificates/*.crt; do
    [ -e "$certificate" ] && cp "$certificate" "$root/usr/local/share/ca-certificates/"
  done
  chroot "$root" update-ca-certificates >/dev/null
  npm_settings >"$root/root/.npmrc"
  # An installer and a container's runtime write these; mmdebstrap does not.
  printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 fresh\n' >"$root/etc/hosts"
}

# In the namespaces: makes $root the root directory and runs the command there.
enter() {
  # Node, npm and the tests see processes of this namespace, devices, and a network, as on any machine.
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  mkdir "$root/dev/pts" "$root/dev/shm"
  chmod 1777 "$root/dev/shm"
  for node in null zero full random urandom tty; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
  done
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  hostname fresh
  cd "$root"
  # Not chroot: the tests do the same in there, and it works only where / is a mount.
  pivot_root . mnt
  umount -l /mnt
  cd /root
  if [ -e "$project" ]; then
    git -C "$project" fetch --quiet "$project.bundle" HEAD
    git -C "$project" reset --quiet --hard FETCH_HEAD
  else
    git -c advice.detachedHead=false clone --quiet "$project.bundle" "$project"
  fi
  cd "$project"
  say "Debian $(cat /etc/debian_version), Node $(node --version), npm $(npm --version)," \
    "$(dpkg-query --show | wc -l) packages; the clone is at $(git log -1 --format='%h (%s)')"
  if [ $# -gt 0 ]; then
    step "$@"
  else
    step npm start
    step npm test
  fi
}

# Runs a command as somebody who has just logged in would, but without a terminal.
step() {
  say "\$ $*"
  status=0
  env -i HOME=/root USER=root LOGNAME=root SHELL=/bin/bash PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} ${no_proxy:+no_proxy="$no_proxy"} \
    "$@" </dev/null || status=$?
  say "\`$*\` ended with $status"
  [ "$status" = 0 ] || exit "$status"
}

if [ "${1-}" = --inside ]; then
  root=$2
  shift 2
  [ -e "$root/etc/debian_version" ] || make_debian
  git -C "$checkout" bundle create --quiet "$root$project.bundle" HEAD
  enter "$@"
  exit
fi

keep=
if [ "${1-}" = --keep ]; then
  keep=${2:?--keep takes a directory}
  shift 2
fi
case ${1-} in
  -*)
    echo "usage: scripts/fresh-machine.sh [--keep DIRECTORY] [COMMAND…]" >&2
    exit 2
    ;;
esac
if [ "$(id -u)" -ne 0 ]; then
  echo "fresh-machine: it takes root" >&2
  exit 1
fi
if ! command -v mmdebstrap >/dev/null; then
  say "installing mmdebstrap"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap debian-archive-keyring >/dev/null
fi
[ -z "$(git -C "$checkout" status --porcelain)" ] || say "note: what is not committed is not in the clone"
if [ -n "$keep" ]; then
  mkdir -p "$keep"
  root=$(cd "$keep" && pwd)
else
  root=$(mktemp -d)
  chmod 755 "$root"
fi
status=0
unshare --mount --pid --uts --ipc --fork --kill-child --mount-proc --propagation private \
  "$checkout/scripts/fresh-machine.sh" --inside "$root" "$@" || status=$?
# Its mounts are gone with the namespaces: what is removed here is on one file system.
if [ -z "$keep" ]; then
  rm -rf --one-file-system "$root"
  say "removed $root"
else
  say "left the Debian in $root"
fi
exit "$status"
