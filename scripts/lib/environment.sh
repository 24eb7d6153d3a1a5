# Sourced by the scripts: where things lie, and which environment they run in.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
state="$root/.pstmo" # everything that is installed or built; git ignores it
venv="$state/venv"

# drop_entries VARIABLE PREFIX: takes the entries under PREFIX out of a colon-separated variable.
drop_entries() {
  local variable=$1 prefix=$2 entry kept=
  local entries=()
  IFS=: read -r -a entries <<<"${!variable:-}"
  for entry in ${entries[@]+"${entries[@]}"}; do
    case "$entry/" in
      "$prefix"/*) ;;
      *) kept=${kept:+$kept:}$entry ;;
    esac
  done
  if [ -n "$kept" ]; then export "$variable=$kept"; else unset "$variable"; fi
}

# Undoes an earlier `source .pstmo/setup.bash`, so that a set-up never builds on its own result.
leave_own_environment() {
  local variable
  for variable in PATH PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH \
    LD_LIBRARY_PATH; do
    drop_entries "$variable" "$state"
  done
  case "${VIRTUAL_ENV:-}/" in "$state"/*) unset VIRTUAL_ENV ;; esac
  # A Python with the wheels' ROS 2 puts its libraries on LD_LIBRARY_PATH, restarts itself, and
  # remembers that in this variable, which another Python must not inherit.
  unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
}

# Leaves any sourced ROS 2: that of the wheels must find its own libraries only.
leave_foreign_ros() {
  local prefix prefixes=()
  IFS=: read -r -a prefixes <<<"${AMENT_PREFIX_PATH:-}"
  for prefix in ${prefixes[@]+"${prefixes[@]}"}; do
    drop_entries LD_LIBRARY_PATH "$prefix"
    drop_entries PATH "$prefix"
  done
  unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH PYTHONHOME \
    ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION RMW_IMPLEMENTATION
}

# Enters the finished environment with a DDS domain of its own, so that nothing else that runs
# on this machine or in its network is heard or disturbed.
enter_environment() {
  leave_own_environment
  if [ -e "$state/stamps/ros" ]; then leave_foreign_ros; fi # the wheels' ROS 2 is used
  set +u # the set-up files of ROS 2 read unset variables
  # shellcheck disable=SC1091
  source "$state/setup.bash"
  set -u
  ROS_DOMAIN_ID=$(free_domain)
  export ROS_DOMAIN_ID ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
  if [ "${ROS_DISTRO:-}" = humble ]; then export ROS_LOCALHOST_ONLY=1; fi
  # From the repository's root `python -m` would import the source tree's pstmo_ros, which has no
  # messages, instead of the built one. (Python 3.11 and later; others ignore the variable.)
  export PYTHONSAFEPATH=1
}

# Prints a DDS domain of whose 250 UDP ports nobody on this machine has one open.
free_domain() {
  local domain attempt used
  used=" $(tail -qn +2 /proc/net/udp /proc/net/udp6 2>/dev/null | while read -r _ local _; do
    printf '%d ' $(((16#${local##*:} - 7400) / 250))
  done)"
  for attempt in {1..50}; do
    domain=$((RANDOM % 100 + 1))
    [[ $used == *" $domain "* ]] || break
  done
  echo "$domain"
}
