//! Bad parameters: refused with what is allowed, exit 2, nothing on standard output, nothing written, and at once, before
//! anything is read or allocated.

mod program;

use program::{program, run, Run};
use std::time::{Duration, Instant};

/// What is typed, and what the refusal must say.
const BAD: [(&str, &str); 86] = [
    ("defend --q nan", "a number from 0 to 1"),
    ("defend --q -0.1", "a number from 0 to 1"),
    ("defend --q 1.1", "a number from 0 to 1"),
    ("defend --q inf", "a number from 0 to 1"),
    ("defend --q", "a value is required"),
    ("defend --target-confidence 0", "above 0 and up to 1"),
    ("defend --target-confidence nan", "above 0 and up to 1"),
    ("defend --target-confidence 1.5", "above 0 and up to 1"),
    ("defend --data-cap -10GB/month", "above 0 and up to 1e18"),
    ("defend --data-cap 0", "above 0 and up to 1e18"),
    ("defend --data-cap 1e30", "above 0 and up to 1e18"),
    ("defend --data-cap 10GB/day", "as 10GB/month"),
    (
        "defend --q 0.1 --target-confidence 0.1",
        "cannot be used with",
    ),
    ("defend --q 0.1 --data-cap 1GB", "cannot be used with"),
    (
        "defend --target-confidence 0.1 --data-cap 1GB",
        "cannot be used with",
    ),
    ("defend --period 0", "from 1 ms to 365 days"),
    ("defend --period -1s", "time span"),
    ("defend --period nan", "time span"),
    ("defend --period 1e300", "time span"),
    ("defend --period 400d", "1 ms to 365 days"),
    ("defend --period 10000h", "1 ms to 365 days"),
    ("defend --period 0.0001", "1 ms to 365 days"),
    ("defend --rate-up 1e30", "above 0 and up to"),
    ("defend --rate-up 0", "above 0 and up to"),
    ("defend --rate-down -5KB/s", "above 0 and up to"),
    ("defend --rate-down nan", "above 0 and up to"),
    ("defend --ilp-rate 1e30GB/s", "above 0 and up to"),
    ("defend --cell 63", "64..=65535"),
    ("defend --cell 65536", "64..=65535"),
    ("defend --cell -1", "64..=65535"),
    ("defend --start-rates 0.5", "from 1 to 1000"),
    ("defend --start-rates nan", "from 1 to 1000"),
    (
        "defend --start-rates 2 --lower-every 0",
        "from 1 s to 365 days",
    ),
    ("defend --start-rates 2 --lower-every 1ms", "from 1 s to"),
    ("defend --bin 0", "from 1ns on"),
    (
        "defend --start-rates 2 --padding-shape replay",
        "cannot be lowered",
    ),
    ("defend --trials 0", "1..=100000"),
    ("defend --trials -1", "1..=100000"),
    ("defend --trials 100001", "1..=100000"),
    ("defend --trials 1e9", "invalid digit"),
    ("defend --mode nothing", "firewall, firewall-inside, vpn"),
    (
        "defend --mode stp,nothing",
        "firewall, firewall-inside, vpn",
    ),
    (
        "defend --adversary nobody",
        "threshold, every-padded-period",
    ),
    ("defend --model minute", "second and grid"),
    ("defend --rule mine", "phantom and paper"),
    (
        "defend --durations long",
        "empirical, fitted, lognormal and fixed",
    ),
    ("defend --decision oracle", "bernoulli, hourly and hmm"),
    ("defend --daily-budget 0", "write auto, or periods a day"),
    ("defend --daily-budget -3", "write auto, or periods a day"),
    ("defend --daily-budget some", "write auto, or periods a day"),
    (
        "defend --mode stp --daily-budget 1000000 --trials 1",
        "a daily budget of periods of 1000000: it must be 1 to",
    ),
    (
        "defend --daily-budget 9 --rule paper",
        "held under --rule phantom",
    ),
    ("defend --learn-habits 0", "not in 1..=1000000"),
    ("defend --learn-habits 9 --habits x", "cannot be used with"),
    ("defend --padding-shape round", "constant and replay"),
    ("defend --scope street", "device and home"),
    ("defend --trigger moon", "activity and any"),
    ("defend --tunnel ipsec", "wireguard and openvpn"),
    ("defend --decision oracle", "bernoulli"),
    (
        "defend --mode firewall --block nobody --duration 1h",
        "there is no device `nobody`",
    ),
    ("defend --max-confidence nan", "from 0 to 1"),
    ("defend --max-confidence 1.01", "from 0 to 1"),
    ("defend --max-overhead -1", "above 0"),
    ("defend --max-overhead inf", "above 0"),
    ("defend --max-added-latency -1s", "time span"),
    ("defend --max-added-latency 25h", "from 0 to 1 day"),
    ("defend --min-activities 0", "1.."),
    ("defend --baseline nowhere.json", "--save-baseline"),
    ("defend --baseline README.md", "no baseline"),
    ("defend --duration 0", "from 1s to 10 years"),
    ("defend --duration 1e12", "from 1s to 10 years"),
    ("defend --p 2", "a number from 0 to 1"),
    ("defend evening-lan.pcapng --p 0.1", "cannot be used with"),
    (
        "defend evening-lan.pcapng --duration 1h",
        "cannot be used with",
    ),
    ("defend --labels evening-labels.csv", "name one as INPUT"),
    ("defend --tolerance -1", "time span"),
    ("defend --weak-sigma 9", "at most sigma"),
    ("defend -w shaped.pcapng", "name one defense"),
    ("defend --mode stp -w -", "name a file"),
    (
        "defend --mode stp -w shaped.pcapng -o json=shaped.pcapng",
        "both want shaped.pcapng",
    ),
    (
        "defend --mode stp -w shaped.pcapng --labels-out shaped.pcapng",
        "both want shaped.pcapng",
    ),
    (
        "defend --format svg",
        "table, json, jsonl, csv, md, junit, sarif, html",
    ),
    ("score --before evening-lan.pcapng", "--after"),
    ("score --before - --after -", "can be read once"),
    ("sweep --device fridge", "wemo, nest and echo"),
    (
        "sweep --format junit",
        "table, json, jsonl, csv, md, svg, html",
    ),
];

const BAD_SWEEPS: [(&str, &str); 14] = [
    ("sweep --p nan", "no number"),
    ("sweep --p 1.5", "from 0 to 1"),
    ("sweep --p -0.5", "from 0 to 1"),
    ("sweep --q 0..1", "lacks a step"),
    ("sweep --q 0..1:0", "above 0"),
    ("sweep --q 1..0:0.1", "backwards"),
    ("sweep --q 0..1:1e-30", "100000"),
    ("sweep --q 0..1e30:1", "100000"),
    ("sweep --trials 0", "1..=1000000"),
    ("sweep --duration 0", "from 1s to 10 years"),
    ("sweep --duration 1e8", "10000000"),
    ("sweep --rule mine", "paper and phantom"),
    ("check --config nowhere.toml", "[[check]]"),
    ("check --config README.md", "README.md: line 3: "),
];

fn refused(words: &str, says: &str) {
    let before = Instant::now();
    let Run { code, out, err } = run(words.split_whitespace());
    assert_eq!((code, out.as_str()), (Some(2), ""), "{words}: {err}");
    // Long lines are wrapped.
    let err = err.split_whitespace().collect::<Vec<_>>().join(" ");
    let says = says.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        err.contains(&says),
        "{words}: `{err}` does not say `{says}`"
    );
    assert!(before.elapsed() < Duration::from_secs(10), "{words}");
}

#[test]
fn bad_parameters_are_refused_with_what_is_allowed() {
    for (words, says) in BAD.into_iter().chain(BAD_SWEEPS) {
        refused(words, says);
    }
    assert!(!program::fixtures().join("shaped.pcapng").exists());
}

/// In a gigabyte of memory: nothing is allocated for what is refused, nor for the largest of what is not.
#[test]
fn what_is_refused_takes_no_memory() {
    let binary = program().get_program().to_owned();
    for words in [
        "defend --rate-up 1e30",
        "sweep --q 0..1:1e-30",
        "sweep --p 0..1:0.00001 --q 0..1:0.00001",
    ] {
        let mut shell = std::process::Command::new("sh");
        let line = format!("ulimit -v 1000000; exec \"$0\" {words}");
        let output = shell.arg("-c").arg(line).arg(&binary).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}: {err}");
    }
}
