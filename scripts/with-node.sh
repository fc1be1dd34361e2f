#!/bin/sh
# Runs a command with the project's own Node, whatever Node the system has: `scripts/with-node.sh COMMAND…`. That Node is an
# npm package, found by its path here because npm 9 does not link it into node_modules/.bin.
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
case $(uname -m) in
  x86_64) architecture=x64 ;;
  aarch64) architecture=arm64 ;;
  *)
    echo "with-node: the project has no Node for $(uname -m), only for x86_64 and aarch64" >&2
    exit 1
    ;;
esac
directory=$checkout/node_modules/node-linux-$architecture/bin
if [ ! -x "$directory/node" ]; then
  echo "with-node: $directory/node is missing; run \`npm ci --include=dev --include=optional\` first" >&2
  exit 1
fi
if ! "$directory/node" --version >/dev/null 2>&1; then
  "$directory/node" --version || true
  echo "with-node: the project's Node does not start. A missing libatomic.so.1 is in the package libatomic1 (Debian, Ubuntu) or" \
    "libatomic (Fedora, RHEL)." >&2
  exit 1
fi
PATH=$directory:$checkout/node_modules/.bin:$PATH
export PATH
exec "$@"
