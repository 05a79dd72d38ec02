#!/usr/bin/env bash
# Feeds every reader mutated files for a while and reports inputs tried, the slowest one and the peak memory.
# Usage: benches/fuzz.sh [SECONDS for each target, default 600] [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/.."
export CLINPIPE_FUZZ_SECONDS="${1:-600}" CLINPIPE_FUZZ_SEED="${CLINPIPE_FUZZ_SEED:-$(date +%s)}"
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(pipeline params templates lock store ignore_files)
test=$(cargo test --release --test it --no-run --message-format=json | grep -o '"executable":"[^"]*/it-[^"]*"' | cut -d'"' -f4)
for target in "${targets[@]}"; do
  /usr/bin/time -f "$target: peak memory %M KiB, %e s" "$test" --exact "fuzz::$target" --nocapture 2>&1 |
    grep -E "^$target:|panicked|FAILED|overflow|memory" || true
done
