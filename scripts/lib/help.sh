# Sourced by the scripts before anything else: `--help` prints a script's first lines and ends it.
# shellcheck shell=bash
case "${1:-}" in
  -h | --help)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit
    ;;
esac
