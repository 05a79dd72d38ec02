#!/usr/bin/env bash
# Runs every frozen-bytes test of the stages (one per stage, one per learner and kind of outcome) natively and on emulated
# processors: Nehalem has neither AVX nor FMA, Haswell has both. The tests compare digests with the same constants, so
# all passing means equal bytes. With --debug the tests are built without optimisation as well, which takes minutes.
#
#     apt-get install qemu-user      (Debian, Ubuntu)
#     benches/bytes_across_cpus.sh [--debug]
set -euo pipefail
cd "$(dirname "$0")/.."
command -v qemu-x86_64 >/dev/null || { echo "qemu-x86_64 is missing: install qemu-user" >&2; exit 2; }

# The test binary of the stages crate in the given profile.
tests() {
    cargo test --workspace --lib --no-run --message-format json "$@" | python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "clinpipe_stages" and message["profile"]["test"]:
        print(message["executable"])'
}

check() {
    local name=$1
    shift
    echo "$name: $("$@" frozen golden the_bytes_are_those_of_this_version 2>&1 | grep '^test result')"
}

profiles=(--release)
[[ ${1-} == --debug ]] && profiles+=("")
for profile in "${profiles[@]}"; do
    binary=$(tests $profile)
    check "native ${profile:---debug}" "$binary"
    for cpu in Nehalem Haswell; do
        check "$cpu ${profile:---debug}" qemu-x86_64 -cpu "$cpu" "$binary"
    done
done
