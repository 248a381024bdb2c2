#!/usr/bin/env bash
# Teaching all adversaries that learn, and asking them about another home: thirty days of twelve devices.
#
#     benches/ladder.sh              against none, vpn and stp
#     benches/ladder.sh 30 stp       so many days, these defenses
#
# Told are what was found, wall time and peak memory. The wanted: 60 s on two cores, 1 GB, models of 5 MB.
set -euo pipefail
home=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$home/target}
cargo build --manifest-path "$home/Cargo.toml" --release --locked --quiet --example ladder
python3 - "$target/release/examples/ladder" "$@" <<'MEASURE'
import resource, subprocess, sys, time
begun = time.time()
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"wall {time.time() - begun:.1f} s, CPU {used.ru_utime + used.ru_stime:.1f} s, peak memory {used.ru_maxrss / 1024:.0f} MB")
MEASURE
