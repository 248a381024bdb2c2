#!/usr/bin/env bash
# stp-audit capture beside dumpcap and tcpdump, on the two ends of a cable between network namespaces.
#
#     benches/capture.sh                 a million frames of 200 bytes at 50,000 a second, 200,000 a second, and as they come
#     RATES='100000 0' benches/capture.sh   other rates; 0 is as fast as the sender goes
#
# The programs take turns, RUNS (3) times each, all with a snaplen of 256, a kernel buffer of 16 MiB, and pcapng (tcpdump: pcap)
# into a file in memory. Told are the median of packets recorded, of packets lost, and of CPU time (user and system of the whole
# process) a packet recorded, with the least and the most in brackets. Needs root; installs the peers from Debian's packages.
set -euo pipefail
home=$(cd "$(dirname "$0")/.." && pwd)
export PATH=$PATH:$HOME/.cargo/bin LC_ALL=C
target=${CARGO_TARGET_DIR:-$home/target}
RUNS=${RUNS:-3} PACKETS=${PACKETS:-1000000} RATES=${RATES:-50000 200000 0}
work=$(mktemp -d -p /dev/shm)
here=stp-bench-$$-here there=stp-bench-$$-there
cleanup() {
    ip netns del "$here" 2>/dev/null || true
    ip netns del "$there" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
[ "$(id -u)" = 0 ] || { echo "benches/capture.sh: network namespaces need root" >&2; exit 1; }

"$home/.ci/setup" gcc libpcap-dev time iproute2 tcpdump tshark
cargo build --manifest-path "$home/Cargo.toml" --release --locked --quiet --bin stp-audit --example sender
bin=$target/release

ip netns add "$here"
ip netns add "$there"
for of in "$here" "$there"; do
    ip netns exec "$of" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
done
ip -n "$here" link add out type veth peer name in netns "$there"
ip -n "$here" link set out up
ip -n "$there" link set in up
# What comes in is nobody's: the kernel drops it behind the capture.
programs=(stp-audit dumpcap tcpdump)
command_of() {
    case $1 in
    stp-audit) command=("$bin/stp-audit" capture -i in -s 256 -B 16 -w "$work/out") ;;
    dumpcap) command=(dumpcap -q -i in -s 256 -B 16 -w "$work/out") ;;
    tcpdump) command=(tcpdump -n -i in -s 256 -B 16384 -w "$work/out") ;;
    esac
}

# One run at a rate: adds "recorded lost nanoseconds-a-packet" to the program's list.
measure() {
    local command lost recorded spent
    command_of "$1"
    rm -f "$work/out"
    TIMEFORMAT='%3U %3S'
    # dumpcap drops root's rights to files; its output folder is open to it.
    chmod 777 "$work"
    { time /usr/bin/time -q -f %P -o "$work/share" ip netns exec "$there" "${command[@]}" 2>"$work/said"; } 2>"$work/cpu" &
    local shell=$!
    for ((wait = 0; wait < 200; wait++)); do
        [ -s "$work/out" ] && break
        sleep 0.05
    done
    ip netns exec "$here" "$bin/examples/sender" out "$PACKETS" "$2" 200 >"$work/sent"
    sleep 2
    pkill -INT -f -- "-w $work/out" || true
    wait "$shell" || true
    recorded=$(capinfos -c -M "$work/out" 2>/dev/null | awk '/Number of packets/ { print $NF }')
    spent=$(awk '{ print $1 + $2 }' "$work/cpu")
    awk -v recorded="$recorded" -v sent="$PACKETS" -v spent="$spent" \
        'BEGIN { printf "%d %d %.0f\n", recorded, sent - recorded, 1e9 * spent / (recorded ? recorded : 1) }' >>"$3"
}

# Median, least and most of a list's column.
spread() {
    sort -n -k "$2,$2" "$1" | awk -v column="$2" '{ v[NR] = $column }
        END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}

echo '| rate | program | recorded | lost | CPU a packet |'
echo '|---|---|---|---|---|'
for rate in $RATES; do
    for ((run = 1; run <= RUNS; run++)); do
        for program in "${programs[@]}"; do
            measure "$program" "$rate" "$work/$program.$rate"
        done
    done
    name=$rate/s
    [ "$rate" = 0 ] && name="as they come ($(awk '{ printf "%.0f", $1 / $7 }' "$work/sent")/s)"
    for program in "${programs[@]}"; do
        list=$work/$program.$rate
        read -r recorded _ _ < <(spread "$list" 1)
        read -r lost least most < <(spread "$list" 2)
        read -r spent low high < <(spread "$list" 3)
        echo "| $name | $program | $recorded | $lost [$least-$most] | $spent ns [$low-$high] |"
    done
done
