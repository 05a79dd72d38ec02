#!/usr/bin/env bash
# The first run of a layered graph of trivial commands with two jobs: `clinpipe repro -q -j 2` against `ninja -j 2`.
# Both start from nothing each time; clinpipe also hashes, stores and records. Interleaved; medians. Nothing is deleted
# until the end: ext4 is slow to make files where many were deleted a moment ago.
# Usage: benches/first_layered.sh [CLINPIPE] [STAGES] [ROUNDS]
set -euo pipefail
here=$(dirname "$(realpath "$0")")
clinpipe=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/clinpipe}")
n=${2:-1000}
rounds=${3:-5}
# ninja always uses this shell; clinpipe uses the user's, as DVC does.
export SHELL=/bin/sh
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
now() { date +%s%N; }
for round in $(seq "$rounds"); do
    python3 "$here/layered_project.py" "$n" "$place/c$round" "$place/n$round"
    sync -f "$place"
    t0=$(now)
    ninja -C "$place/n$round" --quiet -j 2
    t1=$(now)
    "$clinpipe" -q -C "$place/c$round" repro -j 2
    t2=$(now)
    echo "$((t1 - t0)) $((t2 - t1))" >> "$place/times"
done
python3 "$here/layered_project.py" "$n" "$place/c" "$place/m"
rss=$(python3 "$here/peak_memory.py" "$clinpipe" -q -C "$place/c" repro -j 2)
echo "| stages | ninja -j 2 | clinpipe repro -j 2 | ratio | peak memory |"
echo "| --- | --- | --- | --- | --- |"
python3 - "$place/times" "$n" "$rss" <<'PY'
import statistics, sys
rows = [[int(x) / 1e9 for x in line.split()] for line in open(sys.argv[1])]
a, b = (statistics.median(column) for column in zip(*rows))
print(f"| {int(sys.argv[2]):,} | {a:.2f} s | {b:.2f} s | {b / a:.1f} | {sys.argv[3]} |")
PY
