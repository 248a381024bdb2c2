#!/usr/bin/env bash
# stp-audit infer beside its peers, on the same captures: CPU time, memory, ratios.
#
#     benches/peers.sh            makes two captures of an invented home, of 3 million whole packets and of 10 million cut
#                                 at 96 bytes, under $CAPTURES (target/captures), and measures on them
#     benches/peers.sh FILE...    measures on these, in little-endian classic pcap
#
# The programs take turns, RUNS (5) times each, tshark TSHARK_RUNS (3) times; what is told is the median, and in brackets
# the least and the most. CPU time is user and system of the whole process, the file being in memory already. It installs
# the peers from Debian's packages; the table is Markdown.
set -euo pipefail
home=$(cd "$(dirname "$0")/.." && pwd)
export PATH=$PATH:$HOME/.cargo/bin LC_ALL=C
target=${CARGO_TARGET_DIR:-$home/target}
captures=${CAPTURES:-$target/captures}
RUNS=${RUNS:-5} TSHARK_RUNS=${TSHARK_RUNS:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$home/.ci/setup" gcc libpcap-dev time tshark softflowd libndpi-bin
cargo build --manifest-path "$home/Cargo.toml" --release --locked --quiet --bin stp-audit --example walk --example generate
bin=$target/release

# What is compared: least work first, then we, then those who do a part of it.
programs=(walk stp-audit softflowd ndpiReader tshark)
command_of() {
    case $1 in
    walk) command=("$bin/examples/walk" "$2") ;;
    stp-audit) command=("$bin/stp-audit" infer "$2") ;;
    # Nobody listens there, and no control socket is wanted: reading a file with one, it may wait for ever.
    softflowd) command=(softflowd -r "$2" -d -n 127.0.0.1:9995 -c none) ;;
    ndpiReader) command=(ndpiReader -i "$2") ;;
    tshark) command=(tshark -q -r "$2" -z 'conv,ip' -z 'io,stat,1' -z hosts) ;;
    esac
}

# Runs a program on a capture; adds "CPU seconds, KiB" to its list.
measure() {
    local command
    command_of "$1" "$2"
    TIMEFORMAT='%3U %3S'
    { time /usr/bin/time -q -f %M -o "$work/memory" "${command[@]}" >/dev/null 2>"$work/said" </dev/null; } 2>"$work/cpu" || {
        echo "failed: ${command[*]}" >&2
        tail -n 5 "$work/said" >&2
        exit 1
    }
    awk '{ getline kib <memory; printf "%.3f %d\n", $1 + $2, kib }' memory="$work/memory" "$work/cpu" >>"$3"
}

# Median, least and most of a list's column.
spread() {
    sort -n -k "$2,$2" "$1" | awk -v column="$2" '{ v[NR] = $column }
        END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}

compare() {
    local file=$1 list=$work/$RANDOM run program ours
    mkdir "$list"
    cat "$file" >/dev/null
    for ((run = 1; run <= RUNS; run++)); do
        for program in "${programs[@]}"; do
            [ "$program" != tshark ] || ((run <= TSHARK_RUNS)) || continue
            measure "$program" "$file" "$list/$program"
        done
    done
    printf '\n%s: %s, %s bytes\n\n' "$(basename "$file")" "$("$bin/examples/walk" "$file")" "$(stat -Lc %s "$file")"
    printf '| program | CPU s | memory MB | CPU beside stp-audit infer |\n|---|---|---|---|\n'
    read -r ours _ <<<"$(spread "$list/stp-audit" 1)"
    for program in "${programs[@]}"; do
        [ -e "$list/$program" ] || continue
        command_of "$program" FILE
        echo "$(basename "${command[0]}") ${command[*]:1}" | tr '\n' ' ' >"$work/words"
        paste -d ' ' <(spread "$list/$program" 1) <(spread "$list/$program" 2) |
            awk -v ours="$ours" -v words="$(sed 's/ $//' "$work/words")" '{
                printf "| `%s` | %.2f (%.2f to %.2f) | %.1f | %.2f x |\n", words, $1, $2, $3, $4 * 1024 / 1e6, $1 / ours }'
    done
}

# The memory of one home's capture, and of the same home watched ten times as long.
flatness() {
    local file
    printf '\nMemory of stp-audit infer on the same home, watched ten times as long:\n\n| capture | packets | memory MB |\n|---|---|---|\n'
    for file in "$@"; do
        rm -f "$work/flat"
        measure stp-audit "$file" "$work/flat"
        printf '| %s | %s | %s |\n' "$(basename "$file")" "$("$bin/examples/walk" "$file" | cut -d ' ' -f 1)" \
            "$(awk '{ printf "%.1f", $2 * 1024 / 1e6 }' "$work/flat")"
    done
}

# A capture of our own, made where it is not there or its maker has changed.
make_capture() {
    local file=$captures/$1
    shift
    [ "$file" -nt "$bin/examples/generate" ] || {
        echo "making $file" >&2
        "$bin/examples/generate" "$@" "$file"
    }
}

echo "$(date -I), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, Linux $(uname -r), load $(cut -d ' ' -f 1 /proc/loadavg)"
for package in tshark softflowd libndpi-bin; do
    dpkg-query -W -f '${Package} ${Version}\n' "$package" 2>/dev/null || true
done
"$bin/stp-audit" --version

if [ $# -gt 0 ]; then
    for file in "$@"; do compare "$file"; done
else
    mkdir -p "$captures"
    make_capture whole.pcap --packets 3000000
    make_capture cut.pcap --packets 10000000 --snaplen 96
    make_capture cut-tenth.pcap --packets 1000000 --snaplen 96
    compare "$captures/whole.pcap"
    compare "$captures/cut.pcap"
    flatness "$captures/cut-tenth.pcap" "$captures/cut.pcap"
fi
