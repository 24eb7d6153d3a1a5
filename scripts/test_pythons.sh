#!/usr/bin/env bash
# Runs the library's quick tests on the oldest and the newest Python that are supported, without
# ROS 2 and without torch: scripts/test_pythons.sh [VERSION...]. Interpreters are looked for on the
# PATH and among pyenv's; one that is not installed is named and left out. Environments are kept in
# .pstmo/pythons/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=lib/environment.sh
source "$here/lib/environment.sh"
leave_own_environment
leave_foreign_ros
cd "$root"

# interpreter VERSION: prints the path of a Python of this version that runs.
interpreter() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
    if "$candidate" -c "import sys, venv; assert '%d.%d' % sys.version_info[:2] == '$1'" 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
}

# make_environment PYTHON FOLDER: what the library needs to lift files, and what tests need.
make_environment() {
  local key
  key=$(cat pyproject.toml scripts/requirements/python-constraints.txt | sha256sum)
  if [ "$(cat "$2/key" 2>/dev/null || true)" = "$key" ]; then return; fi
  rm -rf "$2"
  "$1" -m venv "$2"
  "$2/bin/python" -m pip install -q --disable-pip-version-check --no-input \
    -c scripts/requirements/python-constraints.txt -e '.[lift,bags,figures]' pytest hypothesis
  echo "$key" >"$2/key"
}

[ $# -gt 0 ] || set -- 3.10 3.13
mkdir -p "$state"
touch "$state/COLCON_IGNORE"
failed=()
for version in "$@"; do
  python=$(interpreter "$version")
  if [ -z "$python" ]; then
    echo "--- Python $version is not installed: left out"
    continue
  fi
  echo "--- Python $version ($python)"
  environment="$state/pythons/$version"
  make_environment "$python" "$environment"
  "$environment/bin/python" -c 'import sys; sys.path = [p for p in sys.path if p]; import pytest; sys.exit(pytest.main())' \
    test/core -m "not slow" -q -p no:cacheprovider || failed+=("$version")
done
if [ ${#failed[@]} -gt 0 ]; then
  printf 'test_pythons.sh: failed: %s\n' "${failed[*]}" >&2
  exit 1
fi
