#!/usr/bin/env bash
# Sets up what is missing, then lifts people with this package's nodes over DDS and draws them:
#   scripts/demo.sh [--clip FILE | --video FILE | --camera CAMERA] [--seconds N] [-o FOLDER]
# --clip takes keypoints (npz; by default the shipped sample), --video a video or `sample` for the
# shipped one, --camera a number, a device file or an rtsp:// address, which is looked at for
# --seconds (10). FOLDER (demo_output) gets the keypoints, a video, a picture and the nodes' log.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=lib/help.sh
source "$here/lib/help.sh"
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
