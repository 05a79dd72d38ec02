#!/usr/bin/env bash
# Test AUROC of the stroke study on the public file over 20 seeds (split, folds, learners).
# Usage: benches/stroke_splits.sh PATH/TO/stroke.csv [CLINPIPE]
set -euo pipefail
data=$(realpath "$1")
clinpipe=$(realpath "${2:-${CARGO_TARGET_DIR:-target}/release/clinpipe}")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$clinpipe" -q init "$place" --study stroke
cp "$data" "$place/data/stroke.csv"
printf 'seed\tauroc\tlow\thigh\tmodel\n'
for seed in $(seq 1 20); do
    "$clinpipe" -q -C "$place" repro evaluate --set "seed=$seed"
    python3 - "$place/artifacts/metrics.json" "$seed" <<'PY'
import json, sys
m = json.load(open(sys.argv[1]))
a = m["auroc"]
assert m["data"] == "real", "the public file was not used"
print(sys.argv[2], *(f"{a[k]:.4f}" for k in ("value", "low", "high")), m["model"], sep="\t")
PY
done | tee "$place/table.tsv"
awk -F'\t' '{s += $2; q += $2 * $2} END {m = s / NR; printf "mean %.4f, sd %.4f, n %d\n", m, sqrt((q - NR * m * m) / (NR - 1)), NR}' "$place/table.tsv"
