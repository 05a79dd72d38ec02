#!/usr/bin/env bash
# Kills clinpipe at random moments of a run of thirty stages, and at every system call of the kinds that change files,
# and checks what the next run makes of it. Usage: benches/crash.sh [KILLS, default 200]. Needs strace for the second part.
set -euo pipefail
cd "$(dirname "$0")/.."
export CLINPIPE_CRASH_KILLS="${1:-200}"
if command -v strace >/dev/null; then
  export CLINPIPE_CRASH_SYSCALLS=openat,mkdir,write,pwrite64,fsync,fchmod,ftruncate,flock,rename,renameat,unlink,unlinkat,clone3
else
  echo "strace is not installed: random kills only" >&2
fi
cargo test --release --test it crash:: -- --nocapture
