#!/usr/bin/env bash
# A directory of 20,000 small files as a dependency: hashed for the first time, and the null run. Medians.
# Usage: benches/hash_many.sh [CLINPIPE] [FILES] [ROUNDS]
set -euo pipefail
clinpipe=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/clinpipe}")
n=${2:-20000}
rounds=${3:-7}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 - "$n" <<'PY'
import pathlib, sys
for i in range(int(sys.argv[1])):
    path = pathlib.Path(f"images/{i // 1000:03}/{i:06}.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"image {i}\n" * 60)
PY
printf 'stages:\n  read:\n    cmd: echo done > out\n    deps: [images]\n    outs: [out]\n' > dvc.yaml
sleep 0.1
now() { date +%s%N; }
for _ in $(seq "$rounds"); do
    rm -rf .clinpipe lockfiles out
    t0=$(now)
    "$clinpipe" -q repro
    t1=$(now)
    echo "$((t1 - t0))" >> first
done
hyperfine -N --warmup 3 --runs 20 --export-json null.json "$clinpipe -q repro" > /dev/null 2>&1
echo "| files | first run | null run |"
echo "| --- | --- | --- |"
python3 - "$n" <<'PY'
import json, statistics, sys
first = statistics.median(int(line) / 1e9 for line in open("first"))
null = json.load(open("null.json"))["results"][0]["median"] * 1000
print(f"| {int(sys.argv[1]):,} | {first:.2f} s | {null:.0f} ms |")
PY
