#!/usr/bin/env bash
# Sets up what is missing, then runs ruff, mypy and all tests:
#   scripts/test.sh [--quick] [--random SEED] [--jobs N] [pytest arguments]
# --quick leaves out the tests marked slow. --random shuffles the files, and the tests in each; the
# same number gives the same order. --jobs is the number of processes that test, each a file at a
# time (default: as many as there are processors, at most 4); 1 also shows which file is being
# tested and lets pytest's --pdb work. Paths in the arguments are relative to the repository.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=lib/help.sh
source "$here/lib/help.sh"
"$here/setup.sh" test
# shellcheck source=lib/environment.sh
source "$here/lib/environment.sh"
enter_environment
cd "$root"

arguments=()
jobs=$(nproc)
jobs=$((jobs > 4 ? 4 : jobs))
while [ $# -gt 0 ]; do
  case $1 in
    --quick) arguments+=(-m "not slow") ;;
    --random)
      [[ "${2:-}" =~ ^[0-9]+$ ]] || { echo "test.sh: --random needs a number" >&2; exit 2; }
      arguments+=(--random-order-bucket=module "--random-order-seed=$2" --no-loadscope-reorder)
      shift
      ;;
    --jobs)
      [[ "${2:-}" =~ ^[1-9][0-9]*$ ]] || { echo "test.sh: --jobs needs a number" >&2; exit 2; }
      jobs=$2
      shift
      ;;
    *) break ;;
  esac
  shift
done
if [ "$jobs" -gt 1 ]; then
  arguments+=(-n "$jobs" --dist loadfile)
  # The threads of several networks would wait for one another more than compute.
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
fi
set -- ${arguments[@]+"${arguments[@]}"} "$@"

failed=()
check() {
  local name=$1
  shift
  printf -- '--- %s\n' "$name"
  "$@" || failed+=("$name")
}

# Without the first entry of sys.path, which is the repository: see pytest's settings in
# pyproject.toml.
run_pytest='import sys; sys.path = [p for p in sys.path if p]; import pytest; sys.exit(pytest.main())'

check "ruff check" python -m ruff check .
check "ruff format" python -m ruff format --check .
# The types are checked beside the tests, many of which wait more than they compute.
types=$(mktemp)
python -m mypy >"$types" 2>&1 &
mypy=$!
trap 'kill "$mypy" 2>/dev/null || true; rm -f "$types"' EXIT
check pytest python -c "$run_pytest" "$@"
printf -- '--- mypy\n'
wait "$mypy" || failed+=(mypy)
cat "$types"
if [ ${#failed[@]} -gt 0 ]; then
  printf 'test.sh: failed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
  exit 1
fi
echo "test.sh: everything passed"
