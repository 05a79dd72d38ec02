#!/usr/bin/env bash
# The null run: `repro` of the default study when nothing has changed, beside `true` for the floor of the machine.
# Usage: benches/null_repro.sh [CLINPIPE]
set -euo pipefail
clinpipe=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/clinpipe}")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$clinpipe" -q init "$place"
"$clinpipe" -q -C "$place" repro
hyperfine --warmup 5 --runs 50 -N "$clinpipe -q -C $place repro" "$clinpipe -q -C $place status" "true"
