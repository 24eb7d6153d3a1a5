# Sourced by setup.sh: checks what must be there, and chooses the Python and the ROS 2 to use.
# shellcheck shell=bash

# Sets `base_python` (outside any virtual environment), `python_version`, and, where ROS 2 is
# sourced, `ros_python`, the interpreter that imports it; empty means ROS 2 from wheels.
choose_interpreter() {
  local candidate candidates=("${PSTMO_PYTHON:-python3}")
  [ -n "${PSTMO_PYTHON:-}" ] || candidates+=(/usr/bin/python3)
  ros_python=
  if [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ]; then
    for candidate in "${candidates[@]}"; do
      if "$candidate" -c 'import rclpy.node' 2>/dev/null; then
        ros_python=$("$candidate" -c 'import sys; print(sys.executable)')
        inherit_libraries
        break
      fi
    done
    [ -n "$ros_python" ] || say "ROS_DISTRO is $ROS_DISTRO, but ${candidates[0]} cannot import" \
      "rclpy: ROS 2 Jazzy from wheels is used"
  fi
  candidate=${ros_python:-${candidates[0]}}
  command -v "$candidate" >/dev/null || fail "no $candidate was found: install Python 3.10 to" \
    "3.13 (Debian, Ubuntu: sudo apt install python3 python3-venv), or let PSTMO_PYTHON name one."
  "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
    fail "$candidate is $("$candidate" -V 2>&1), but Python 3.10 to 3.13 is needed:" \
      "let PSTMO_PYTHON name such an interpreter."
  # An active virtual environment may go away; its base interpreter stays.
  base_python=$("$candidate" -c '
import os, sys
base = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
print(base if os.access(base, os.X_OK) else sys.executable)')
  python_version=$("$base_python" -c 'import platform; print(platform.python_version())')
  "$base_python" -c 'import ensurepip, venv' 2>/dev/null || fail "$base_python has no venv module:" \
    "install it (Debian, Ubuntu: sudo apt install python3-venv)."
}

# A sourced ROS 2 that was itself installed from wheels sets LD_LIBRARY_PATH in its own Python only;
# ours, which is another one, needs the same.
inherit_libraries() {
  local libraries
  libraries=$("$ros_python" -c 'import os; print(os.environ.get("LD_LIBRARY_PATH", ""))')
  if [ "$libraries" != "${LD_LIBRARY_PATH:-}" ]; then
    export LD_LIBRARY_PATH=$libraries _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
  fi
}

check_prerequisites() {
  # CMake's and make's rules pass the path on unquoted here and there; spaces are escaped.
  case $root in
    *[\&\;\|\<\>\(\)\$\`\"\'\*\?\[\]\#~%:\\]*)
      fail "$root has a character in its path that build tools trip over (one of" \
        "& ; | < > ( ) \$ \` \" ' * ? [ ] # ~ % : \\): move the repository."
      ;;
  esac
  command -v flock >/dev/null || fail "flock was not found: install util-linux."
  local compiler
  for compiler in "${CXX:-c++}" g++ clang++; do
    if command -v "${compiler%% *}" >/dev/null; then return 0; fi
  done
  fail "no C++ compiler was found, and the messages are built with one" \
    "(Debian, Ubuntu: sudo apt install g++ make)."
}

# The Python headers are needed to build messages; a system's Python may come without them.
check_headers() {
  "$base_python" -c '
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
    fail "$base_python has no header files (Python.h), and the messages are built with them" \
      "(Debian, Ubuntu: sudo apt install python3-dev)."
}
