#!/usr/bin/env bash
# The whole of Figure 4 by the simulator behind `stp-audit sweep`, beside a plain numpy program of the same model.
#
#     benches/sweep.sh
#
# Ours runs RUNS (5) times with 1 job and with as many as there are processors, numpy once; what is told is the median, and in
# brackets the least and the most. CPU time is user and system of the whole process. Every run of ours must give the same
# bytes, and the points of both must agree as two simulations should. numpy is put into an environment of its own under
# target/ if the machine's Python lacks it.
set -euo pipefail
home=$(cd "$(dirname "$0")/.." && pwd)
export PATH=$PATH:$HOME/.cargo/bin LC_ALL=C
target=${CARGO_TARGET_DIR:-$home/target}
RUNS=${RUNS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$home/.ci/setup" gcc libpcap-dev python3
python=${PYTHON:-python3}
if ! "$python" -c 'import numpy' 2>/dev/null; then
    [ -x "$target/numpy/bin/python" ] || python3 -m venv "$target/numpy"
    python=$target/numpy/bin/python
    "$python" -c 'import numpy' 2>/dev/null || "$python" -m pip install --quiet numpy
fi
cargo build --manifest-path "$home/Cargo.toml" --release --locked --quiet --example figure-4
figure=$target/release/examples/figure-4

# Runs a command; adds "wall seconds, CPU seconds" to a list.
measure() {
    local list=$1
    shift
    TIMEFORMAT='%3R %3U %3S'
    { time "$@" 2>"$work/said"; } 2>"$work/took" || {
        cat "$work/said" >&2
        exit 1
    }
    awk '{ printf "%.3f %.3f\n", $1, $2 + $3 }' "$work/took" >>"$list"
}

# Median, least and most of a list's column.
spread() {
    sort -n -k "$2,$2" "$1" | awk -v column="$2" '{ v[NR] = $column }
        END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}

echo "$(date -I), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, Linux $(uname -r), load $(cut -d ' ' -f 1 /proc/loadavg)"
"$python" -c 'import sys, numpy; print("Python", sys.version.split()[0], "numpy", numpy.__version__)'

"$figure" devices >"$work/devices.csv"
for ((run = 1; run <= RUNS; run++)); do
    for jobs in 1 "$(nproc)"; do
        measure "$work/ours-$jobs" "$figure" "$jobs" >"$work/points.csv"
        sha256sum <"$work/points.csv" >>"$work/sums"
    done
done
[ "$(sort -u "$work/sums" | wc -l)" = 1 ] || {
    echo 'the runs differ' >&2
    exit 1
}
echo "all $(wc -l <"$work/sums") runs of ours gave the same bytes"
measure "$work/numpy" "$python" "$home/benches/figure_4.py" "$work/devices.csv" "$work/numpy.csv"
"$python" "$home/benches/figure_4.py" --compare "$work/points.csv" "$work/numpy.csv"

printf '\n| program | wall s | CPU s | device-seconds a CPU second |\n|---|---|---|---|\n'
row() {
    paste -d ' ' <(spread "$2" 1) <(spread "$2" 2) | awk -v name="$1" '{
        printf "| %s | %.2f (%.2f to %.2f) | %.2f (%.2f to %.2f) | %.2e |\n", name, $1, $2, $3, $4, $5, $6, 3 * 10 * 101 * 50 * 10000 / $4 }'
}
row 'stp-audit, 1 job' "$work/ours-1"
[ "$(nproc)" = 1 ] || row "stp-audit, $(nproc) jobs" "$work/ours-$(nproc)"
row 'numpy, 1 process' "$work/numpy"
awk 'NR == FNR { ours = $1; next } { printf "\nnumpy takes %.1f x the CPU time of stp-audit with 1 job\n", $1 / ours }' \
    <(spread "$work/ours-1" 2) <(spread "$work/numpy" 2)
