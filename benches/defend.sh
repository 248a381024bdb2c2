#!/usr/bin/env bash
# `stp-audit defend` with all defenses and adversaries on a million packets: two weeks of the built-in home, made up as it
# goes, and the same home as a capture with labels.
#
#     benches/defend.sh           makes the capture under $CAPTURES (target/captures), where it is not there, and measures
#
# Each runs RUNS (3) times with as many jobs as there are processors, and once with one job; what is told is the median, and in
# brackets the least and the most. CPU time is user and system of the whole process. Every run must give the same bytes.
set -euo pipefail
home=$(cd "$(dirname "$0")/.." && pwd)
export PATH=$PATH:$HOME/.cargo/bin LC_ALL=C
target=${CARGO_TARGET_DIR:-$home/target}
captures=${CAPTURES:-$target/captures}
RUNS=${RUNS:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$home/.ci/setup" gcc libpcap-dev
cargo build --manifest-path "$home/Cargo.toml" --release --locked --quiet --bin stp-audit
audit=$target/release/stp-audit
mkdir -p "$captures"
capture=$captures/fortnight.pcapng labels=$captures/fortnight.csv
[ -e "$labels" ] || {
    echo "making $capture" >&2
    "$audit" defend --quiet --duration 336h --mode none -w "$capture" --labels-out "$labels" >/dev/null
}

# Runs a command; adds "wall seconds, CPU seconds" to a list, and fails where its report is another than before.
measure() {
    local list=$1 report=$2
    shift 2
    TIMEFORMAT='%3R %3U %3S'
    { time "$@" --quiet --format json >"$work/report" 2>"$work/said"; } 2>"$work/took" || {
        cat "$work/said" >&2
        exit 1
    }
    awk '{ printf "%.3f %.3f\n", $1, $2 + $3 }' "$work/took" >>"$list"
    [ -e "$report" ] || cp "$work/report" "$report"
    cmp -s "$report" "$work/report" || {
        echo "another report than before: $*" >&2
        exit 1
    }
}

# Median, least and most of a list's column.
spread() {
    sort -n -k "$2,$2" "$1" | awk -v column="$2" '{ v[NR] = $column }
        END { printf "%.2f (%.2f to %.2f)", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}

compare() {
    local name=$1 list=$work/$RANDOM run
    shift
    for ((run = 1; run <= RUNS; run++)); do measure "$list.all" "$list.report" "$@"; done
    measure "$list.one" "$list.report" "$@" --jobs 1
    echo "| $name | all | $(spread "$list.all" 1) | $(spread "$list.all" 2) |"
    echo "| $name | 1 | $(spread "$list.one" 1) | $(spread "$list.one" 2) |"
}

echo "$(date -I), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, Linux $(uname -r), load $(cut -d ' ' -f 1 /proc/loadavg)"
"$audit" --version
printf '\n| home | jobs | wall s | CPU s |\n|---|---|---|---|\n'
compare 'made up, 336 h' "$audit" defend --duration 336h
compare 'the same as a capture' "$audit" defend "$capture" --labels "$labels"
