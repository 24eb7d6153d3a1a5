#!/usr/bin/env bash
# Sets up what is missing, then lifts people over DDS with the nodes of this package and leaves a
# picture, a video and figures: scripts/demo.sh [--clip FILE | --video FILE | --camera 0] [-o FOLDER].
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
"$here/setup.sh" demo
# shellcheck source=lib/environment.sh
source "$here/lib/environment.sh"
enter_environment
# As `python -m pstmo_ros.demo`, but not from the folder in which one happens to be: the source
# tree's pstmo_ros would hide the built one.
exec python -c '
import runpy, sys
sys.path = [entry for entry in sys.path if entry]
runpy.run_module("pstmo_ros.demo", run_name="__main__", alter_sys=True)' "$@"
