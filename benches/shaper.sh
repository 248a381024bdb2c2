#!/bin/sh
# How well the tunnel keeps time, what it costs, and how much it carries. Wants an otherwise idle machine, and the right to
# SCHED_FIFO (root, or an rtprio limit) to show what a gateway does.
set -eu
cd "$(dirname "$0")/.."
cargo run --release --locked --example shaper -- "${1:-60}"
