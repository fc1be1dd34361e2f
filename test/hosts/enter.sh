#!/bin/sh
# Runs a command as root in a private copy of this machine. Its changes are discarded. `unshare -m -n -p -u -i -f
# --propagation private test/hosts/enter.sh COMMAND…`
set -eu
checkout=$PWD
base=${DUO_TS_BASE:-$(mktemp -d)}
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
new=$base/root
for directory in run tmp home dev; do mount -t tmpfs -o mode=755 tmpfs "$new/$directory"; done
chmod 1777 "$new/tmp"
mkdir -p "$new$checkout"
# Users of the tests run programs of the checkout, which may be below root's own directory.
parent=$checkout
while [ "$parent" != / ]; do
  parent=$(dirname "$parent")
  chmod a+x "$new$parent"
done
mount --bind "$checkout" "$new$checkout"
mount -t proc proc "$new/proc"
mount --rbind /sys "$new/sys"
mkdir "$new/dev/pts" "$new/dev/shm"
for node in null zero full random urandom tty; do
  : >"$new/dev/$node"
  mount --bind "/dev/$node" "$new/dev/$node"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$new/dev/pts"
ln -s pts/ptmx "$new/dev/ptmx"
ln -s /proc/self/fd "$new/dev/fd"
chmod 1777 "$new/dev/shm"
mkdir "$new/tmp/old"
cd "$new"
pivot_root . tmp/old
umount -l /tmp/old
rmdir /tmp/old
ip link set lo up
hostname host
printf '127.0.0.1 localhost\n127.0.1.1 host.example.test host\n::1 localhost\n' >/etc/hosts
cd "$checkout"
# As a child: this shell is process 1 here and reaps orphans.
"$@" &
trap 'kill -TERM $!' TERM INT
wait $!
