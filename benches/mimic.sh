#!/usr/bin/env bash
# What padding that follows habits hides from an adversary who learned, and what a daily budget costs: three weeks of the made-up
# home of people with habits. The table of README's guide, and its picture.
#
#     benches/mimic.sh [DAYS [TRIALS [PICTURE]]]
set -euo pipefail
home=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$home/target}
cargo build --manifest-path "$home/Cargo.toml" --release --locked --quiet --example mimic
"$target/release/examples/mimic" "${1:-21}" "${2:-4}" "${3:-$home/benches/mimic.svg}"
