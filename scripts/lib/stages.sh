# Sourced by setup.sh: stages with progress, logs, and stamps that survive an interruption.
# shellcheck shell=bash

stamps="$state/stamps"
logs="$state/log"
unfinished="$state/unfinished" # names the stage that is at work; left behind by a kill
stage_pid=

say() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# digest TEXT... : one line that changes when any of the texts or, for @FILE, contents change.
digest() {
  local item
  for item in "$@"; do
    case $item in
      @*) printf '%s\n' "${item#@}"; cat -- "${item#@}" ;;
      *) printf '%s\n' "$item" ;;
    esac
  done | sha256sum | cut -c1-24
}

is_done() { [ "$(cat "$stamps/$1" 2>/dev/null || true)" = "$2" ]; }

mark_done() {
  printf '%s\n' "$2" >"$stamps/$1.new"
  mv "$stamps/$1.new" "$stamps/$1"
}

# stage NAME KEY WHAT COMMAND...: runs the command unless it was done for the same KEY. Its output
# goes to a log. Returns the command's status 3 ("not available here"); any other failure ends.
stage() {
  local name=$1 key=$2 what=$3 status=0
  shift 3
  if is_done "$name" "$key"; then return 0; fi
  local log="$logs/$name.log"
  rm -f "$stamps/$name"
  echo "$name" >"$unfinished"
  say "$what ..."
  set -m # a process group of its own, so that an interruption reaches all of it
  ("$@") >"$log" 2>&1 </dev/null &
  stage_pid=$!
  set +m
  watch_stage "$what" "$log"
  wait "$stage_pid" || status=$?
  stage_pid=
  rm -f "$unfinished"
  if [ "$status" = 3 ]; then return 3; fi
  if [ "$status" != 0 ]; then
    tail -n 30 "$log" >&2
    fail "$what failed (exit status $status); the lines above end its log $log." \
      "What was finished before is kept; call again to try once more."
  fi
  mark_done "$name" "$key"
  say "$what: done"
}

# Shows that the running stage is alive: a moving line on a terminal, elsewhere one in 10 s.
watch_stage() {
  local what=$1 log=$2 shown=$SECONDS last
  while kill -0 "$stage_pid" 2>/dev/null; do
    sleep 0.3
    last=$(tail -n 5 "$log" 2>/dev/null | tr -cd '[:print:]\n' | awk 'NF { $1 = $1; line = $0 } END { print line }' | cut -c1-80 || true)
    if [ -t 1 ]; then
      printf '\r\033[K[%4d s]   %s' "$SECONDS" "$last"
    elif [ $((SECONDS - shown)) -ge 10 ]; then
      shown=$SECONDS
      say "  $last"
    fi
  done
  if [ -t 1 ]; then printf '\r\033[K'; fi
}

interrupted() {
  trap '' INT TERM HUP
  if [ -n "$stage_pid" ]; then
    kill -TERM -- "-$stage_pid" 2>/dev/null || true
    wait "$stage_pid" 2>/dev/null || true
  fi
  printf '\nsetup: interrupted; call again to go on.\n' >&2
  exit 130
}

# Takes the lock (children keep it, so a killed set-up's orphans are waited for), and throws away
# what a killed stage may have left half-made.
begin_stages() {
  mkdir -p "$state" "$stamps" "$logs"
  touch "$state/COLCON_IGNORE"
  exec 9>"$state/lock"
  if ! flock -n 9; then
    say "another set-up is at work in $state; waiting for it"
    flock 9
  fi
  trap interrupted INT TERM HUP
  case $(cat "$unfinished" 2>/dev/null || true) in
    '') ;;
    package) rm -rf "$state/build" "$state/install" "$stamps/package" ;;
    *)
      say "an earlier set-up was cut short; starting afresh"
      forget_everything
      ;;
  esac
  rm -f "$unfinished"
}

forget_everything() {
  rm -rf "$stamps" "$venv" "$state/underlay" "$state/build" "$state/install" "$state/setup.bash"
  mkdir -p "$stamps"
}
