#!/usr/bin/env bash
# Asks whether vulnerabilities are known of the pinned Python packages: scripts/audit.sh
# Exit status 0: none; 1: some, which are listed; 3: the service that knows them cannot be reached.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -hE '^[A-Za-z0-9_.-]+==' "$here/requirements/python-constraints.txt" >"$work/pins.txt"
python3 -m venv "$work/venv"
if ! "$work/venv/bin/pip" install -q --disable-pip-version-check --retries 1 --timeout 10 pip-audit >"$work/log" 2>&1; then
  echo "audit: not done: pip-audit cannot be installed here"
  exit 3
fi
found=0
"$work/venv/bin/pip-audit" -r "$work/pins.txt" --no-deps --disable-pip --timeout 10 -f json -o "$work/found.json" \
  >"$work/log" 2>&1 || found=$?
python3 - "$work/found.json" "$found" <<'END'
import json
import sys
from pathlib import Path

path, status = Path(sys.argv[1]), int(sys.argv[2])
packages = json.loads(path.read_text())["dependencies"] if path.exists() else []
asked = [package for package in packages if "vulns" in package]
if not asked:
    print("audit: not done: the service that knows vulnerabilities cannot be reached from here")
    sys.exit(3)
for package in asked:
    for fault in package["vulns"]:
        fixed = ", ".join(fault["fix_versions"]) or "no version yet"
        print(f"audit: {package['name']} {package['version']}: {fault['id']}, mended in {fixed}")
print(f"audit: {len(asked)} of {len(packages)} pinned packages looked up")
sys.exit(1 if any(package["vulns"] for package in asked) else 0)
END
