#!/usr/bin/env bash
# The same dvc.yaml (a chain of N copies), nothing changed: `clinpipe repro` against `dvc repro`, interleaved.
# Usage: benches/null_vs_dvc.sh DVC [CLINPIPE] [N]
set -euo pipefail
dvc=$(realpath "$1")
clinpipe=$(realpath "${2:-${CARGO_TARGET_DIR:-target}/release/clinpipe}")
n=${3:-10}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/dvc" "$place/clinpipe"
for dir in dvc clinpipe; do
    cd "$place/$dir"
    echo data > f0
    {
        echo "stages:"
        for i in $(seq 1 "$n"); do
            printf '  s%d:\n    cmd: cp f%d f%d\n    deps: [f%d]\n    outs: [f%d]\n' "$i" $((i - 1)) "$i" $((i - 1)) "$i"
        done
    } > dvc.yaml
done
cd "$place/dvc" && git init -q . && DVC_NO_ANALYTICS=1 "$dvc" init -q && DVC_NO_ANALYTICS=1 "$dvc" repro -q
cd "$place/clinpipe" && "$clinpipe" -q repro
export DVC_NO_ANALYTICS=1
for round in 1 2 3; do
    echo "round $round, $n stages"
    hyperfine -N --warmup 1 --runs 7 --export-json "$place/$round.json" \
        "$dvc --cd $place/dvc repro -q" "$clinpipe -C $place/clinpipe repro -q" > /dev/null 2>&1
    python3 - "$place/$round.json" <<'PY'
import json, sys
a, b = (r["median"] * 1000 for r in json.load(open(sys.argv[1]))["results"])
print(f"dvc {a:.0f} ms, clinpipe {b:.1f} ms, ratio {a / b:.0f}")
PY
done
