#!/usr/bin/env bash
# Runs a command as on a processor whose newest vector instructions are AVX2, to measure its speed
# there: scripts/avx2_only/run.sh ros2 run pstmo_ros bench --images
#
# ONNX Runtime, OpenCV, NumPy and the C library then choose their AVX2 code. Clock, caches and memory
# remain those of this machine. Needs a C compiler and an Intel or AMD processor with cpuid_fault.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cc -O2 -Wall -Wextra -fPIC -shared "$here/hide.c" -o "$folder/hide.so"
later=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD,-AVX512ER,-AVX512PF
export GLIBC_TUNABLES="glibc.cpu.hwcaps=$later"
LD_PRELOAD="$folder/hide.so" "$@"
