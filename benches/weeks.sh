#!/bin/sh
# Memory of a watch over simulated weeks: a made-up home, as fast as it is read, through a pipe into `infer --follow`; the
# resident memory of the program after each day.
#
#   benches/weeks.sh [WEEKS [DEVICES]]
set -eu
cd "$(dirname "$0")/.."
weeks=${1:-60}
devices=${2:-20}
CARGO_BUILD_JOBS=1 cargo build --release --locked --quiet --bin stp-audit --example weeks
target=${CARGO_TARGET_DIR:-target}/release
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/pipe"
"$target/stp-audit" infer --follow "$folder/pipe" >"$folder/events" &
watch=$!
began=$(date +%s)
"$target/examples/weeks" "$weeks" "$devices" 2>&1 >"$folder/pipe" | while read -r _ day packets; do
    kilobytes=$(awk '/^VmRSS/ { print $2 }' "/proc/$watch/status")
    case $day in
    1 | 2 | 3 | *[05]) printf 'day %4d  %12d packets  %7.1f MB  %4d s\n' "$day" "$packets" \
        "$(awk "BEGIN { print $kilobytes / 1024 }")" "$(($(date +%s) - began))" ;;
    esac
done
wait "$watch"
grep '"event":"ended"' "$folder/events"
grep -c '"event":"activity_started"' "$folder/events"
