#!/usr/bin/env bash
# Runs the tests of library and nodes as a user without any rights, called by root:
#   scripts/test_as_user.sh [pytest arguments]      default: test/core test/ros -m "not slow"
# The user is 65534 (nobody) with an empty HOME; only that folder can be written. An interpreter or a
# checkout that lies where only root can go, say in /root, is shown to the tests in a mount namespace
# of their own: nothing outside changes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=lib/environment.sh
source "$here/lib/environment.sh"
user=65534

if [ "$(id -u)" != 0 ]; then
  echo "test_as_user.sh: you are not root: scripts/test.sh runs the tests as you" >&2
  exit 2
fi
[ -e "$state/setup.bash" ] || "$here/setup.sh" test
if [ -z "${PSTMO_MOUNTS:-}" ]; then
  PSTMO_MOUNTS=own exec unshare --mount --propagation private "${BASH_SOURCE[0]}" "$@"
fi

as_user() {
  setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all --bounding-set=-all "$@"
}

# show FOLDER: lets the user see a folder that lies beneath one that is closed to it. The closed one
# is covered by an empty one in which there is nothing else.
show() {
  local folder=$1 closed=/ part window
  if as_user test -r "$folder" -a -x "$folder"; then return; fi
  for part in $(dirname "$folder" | tr / ' '); do
    closed=${closed%/}/$part
    as_user test -x "$closed" || break
  done
  window=$(mktemp -d)
  mount --bind "$folder" "$window"
  mount -t tmpfs -o mode=755 tmpfs "$closed"
  mkdir -p "$folder"
  mount --move "$window" "$folder"
  rmdir "$window"
}

enter_environment
interpreter=$(python -c 'import sys; print(sys.base_prefix)')
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir "$home/tmp"
chown -R "$user:$user" "$home"
show "$root"
show "$interpreter"
cd "$root"

[ $# -gt 0 ] || set -- test/core test/ros -m "not slow"
run_pytest='import os, sys
sys.path = [p for p in sys.path if p]
print("as user", os.getuid(), "with HOME", os.environ["HOME"], flush=True)
import pytest
sys.exit(pytest.main())'
as_user env HOME="$home" TMPDIR="$home/tmp" XDG_CACHE_HOME="$home/cache" PYTHONDONTWRITEBYTECODE=1 \
  python -c "$run_pytest" -p no:cacheprovider "$@"
