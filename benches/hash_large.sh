#!/usr/bin/env bash
# One dependency of 2 GiB, hashed for the first time: `clinpipe status` without hints against `b3sum`. Interleaved;
# medians. The file is in the page cache for both (one unmeasured read), so the processor is compared, not the disk.
# Usage: benches/hash_large.sh [CLINPIPE] [B3SUM] [MIB] [ROUNDS]
set -euo pipefail
clinpipe=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/clinpipe}")
b3sum=${2:-b3sum}
mib=${3:-2048}
rounds=${4:-5}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
head -c "${mib}M" /dev/urandom > big
printf 'stages:\n  read:\n    cmd: echo done > out\n    deps: [big]\n    outs: [out]\n' > dvc.yaml
cat big > /dev/null
now() { date +%s%N; }
for _ in $(seq "$rounds"); do
    t0=$(now)
    "$b3sum" big > /dev/null
    t1=$(now)
    "$clinpipe" status > /dev/null
    t2=$(now)
    echo "$((t1 - t0)) $((t2 - t1))" >> times
done
test ! -e .clinpipe/stat
echo "| file | b3sum | clinpipe status, no hints | throughput against b3sum |"
echo "| --- | --- | --- | --- |"
python3 - times "$mib" <<'PY'
import statistics, sys
rows = [[int(x) / 1e9 for x in line.split()] for line in open(sys.argv[1])]
a, b = (statistics.median(column) for column in zip(*rows))
print(f"| {sys.argv[2]} MiB | {a:.2f} s | {b:.2f} s | {a / b:.2f} |")
PY
