#!/usr/bin/env bash
# The null run of a layered graph: `clinpipe repro -q` against `ninja`'s null build of the same graph, and peak memory.
# Usage: benches/null_layered.sh [CLINPIPE] [STAGES…]
set -euo pipefail
here=$(dirname "$(realpath "$0")")
clinpipe=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/clinpipe}")
shift || true
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
echo "| stages | ninja, null | clinpipe repro, null | ratio | peak memory of the null run |"
echo "| --- | --- | --- | --- | --- |"
for n in "${@:-1000}"; do
    python3 "$here/layered_project.py" "$n" "$place/c$n" "$place/n$n"
    ninja -C "$place/n$n" --quiet
    "$clinpipe" -q -C "$place/c$n" repro
    # Once more, so that both have settled what the first run left.
    "$clinpipe" -q -C "$place/c$n" repro
    for _ in $(seq 5); do
        hyperfine -N --warmup 2 --runs 7 --export-json "$place/times.json" \
            "ninja -C $place/n$n --quiet" "$clinpipe -q -C $place/c$n repro" > /dev/null 2>&1
        cat "$place/times.json" >> "$place/all$n.json"
    done
    rss=$(python3 "$here/peak_memory.py" "$clinpipe" -q -C "$place/c$n" repro)
    python3 - "$place/all$n.json" "$n" "$rss" <<'PY'
import json, statistics, sys
decode, text, at, times = json.JSONDecoder(), open(sys.argv[1]).read(), 0, ([], [])
while at < len(text.rstrip()):
    document, at = decode.raw_decode(text, at)
    at += 1
    for side, result in zip(times, document["results"]):
        side += result["times"]
a, b = (statistics.median(side) * 1000 for side in times)
print(f"| {int(sys.argv[2]):,} | {a:.1f} ms | {b:.1f} ms | {b / a:.1f} | {sys.argv[3]} |")
PY
done
