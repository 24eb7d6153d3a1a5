#!/usr/bin/env bash
# Runs the tests of library and nodes as a user without any rights, called by root:
#   scripts/test_as_user.sh [pytest arguments]      default: test/core test/ros -m "not slow"
# The user is 65534 (nobody) with an empty HOME; only that folder can be written. An interpreter or a
# checkout that lies where only root can go, say in /root, is shown to the tests in a mount namespace
# of their own: nothing outside changes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=lib/help.sh
source "$here/lib/help.sh"
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

# hidden FOLDER: whether the user cannot go there.
hidden() {
  ! as_user test -r "$1" -a -x "$1"
}

# closed_above FOLDER: prints the highest folder above it that is closed to the user.
closed_above() {
  local part=$1 closed=
  while [ "$part" != / ]; do
    part=$(dirname "$part")
    as_user test -x "$part" || closed=$part
  done
  echo "$closed"
}

# show FOLDER...: lets the user see folders that lie beneath closed ones. A closed one is covered by
# an empty one, in which there is nothing but these folders.
show() {
  local folder closed number windows
  windows=$(mktemp -d)
  for number in $(seq $#); do
    mkdir "$windows/$number"
    mount --bind "${!number}" "$windows/$number"
  done
  for number in $(seq $#); do
    folder=${!number}
    if hidden "$folder"; then
      closed=$(closed_above "$folder")
      [ -z "$closed" ] || mount -t tmpfs -o mode=755 tmpfs "$closed"
      mkdir -p "$folder"
      mount --bind "$windows/$number" "$folder"
    fi
    umount "$windows/$number"
  done
  rm -d "$windows"/* "$windows"
}

enter_environment
interpreter=$(python -c 'import sys; print(sys.base_prefix)')
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir "$home/tmp"
chown -R "$user:$user" "$home"
show "$root" "$interpreter"
cd "$root"

[ $# -gt 0 ] || set -- test/core test/ros -m "not slow"
run_pytest='import os, sys
sys.path = [p for p in sys.path if p]
print("as user", os.getuid(), "with HOME", os.environ["HOME"], flush=True)
import pytest
sys.exit(pytest.main())'
as_user env HOME="$home" TMPDIR="$home/tmp" XDG_CACHE_HOME="$home/cache" PYTHONDONTWRITEBYTECODE=1 \
  python -c "$run_pytest" -p no:cacheprovider "$@"
