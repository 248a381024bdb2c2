//! What `defend` wrote, wires and their truth, is read back: by `score`, which finds the numbers of `defend`, and by others.

mod program;

use program::{line, rows, valid, words};
use serde_json::Value;

/// `score` of what `defend -w` wrote gives the numbers of `defend`, for every defense whose wire shows anything.
#[test]
fn what_was_written_is_scored_alike() {
    let folder = tempfile::tempdir().unwrap();
    let evening = [
        "none",
        "firewall-inside",
        "vpn",
        "ilp",
        "ilp-random",
        "stp",
        "stp --model grid",
        "stp --model grid --scope home",
    ];
    let mut homes: Vec<(String, String, &[&str])> = ["evening-lan.pcapng", "evening-wan.pcapng"]
        .map(|home| (home.into(), "evening-labels.csv".into(), &evening[..]))
        .into();
    // One device and one server: each looks as much like the home as the other.
    let data = std::env::var("STP_AUDIT_DATA").unwrap_or_default();
    let plug = std::path::Path::new(&data).join("plug-lifecycle");
    match plug.join("plug.pcap").exists() {
        true => homes.push((
            plug.join("plug.pcap").display().to_string(),
            plug.join("labels.csv").display().to_string(),
            &["stp", "stp --model grid"],
        )),
        false => println!("skipped: no plug-lifecycle in $STP_AUDIT_DATA"),
    }
    for (home, labels, modes) in &homes {
        let (home, labels) = (home.as_str(), labels.as_str());
        for mode in *modes {
            let wire = folder.path().join("shaped.pcapng");
            let truth = folder.path().join("truth.csv");
            let (wire, truth) = (wire.to_str().unwrap(), truth.to_str().unwrap());
            let first = "--trials 1 --format json --mode";
            let defended = words(
                &format!("defend {first} {mode}"),
                &[home, "--labels", labels, "-w", wire, "--labels-out", truth],
            );
            let defended = defended.ends(0).json();
            let name = mode.split(' ').next().unwrap();
            let line = format!("score --format json --name {name} --before {home}");
            // Of real labels, what is read of them is not all that was written.
            let truth = if home.starts_with("evening") {
                truth
            } else {
                labels
            };
            let scored = words(&line, &["--after", wire, "--labels", truth])
                .ends(0)
                .json();
            valid(&scored, "verdict.schema.json");
            let mut compared = 0;
            for row in rows(&defended)
                .into_iter()
                .filter(|row| row["adversary"] != "count")
            {
                let same = |other: &&Value| {
                    other["adversary"] == row["adversary"] && other["device"] == row["device"]
                };
                let other = rows(&scored).into_iter().find(same);
                let other = other.unwrap_or_else(|| panic!("{home} {mode}: no row like {row}"));
                // Of a home that is watched from the WAN, nobody could tell that somebody stood inside.
                if home != "evening-wan.pcapng" || *mode != "firewall-inside" {
                    assert_eq!(row["vantage"], other["vantage"], "{home} {mode}");
                }
                for field in NUMBERS {
                    assert_eq!(
                        row[field], other[field],
                        "{home} {mode} {} {}: {field}",
                        row["adversary"], row["device"]
                    );
                }
                assert_eq!(row["overhead"]["ratio"], other["overhead"]["ratio"]);
                compared += 1;
            }
            assert!(compared >= 8, "{home} {mode}");
        }
    }
}

/// What `score` tells as `defend` did.
const NUMBERS: [&str; 11] = [
    "claims",
    "correct",
    "activities",
    "hit",
    "confidence",
    "recall",
    "precision_at",
    "activities_per_period",
    "genuine_periods_per_period",
    "c_min",
    "shuffled",
];

/// The made-up home, written with its truth, is a capture like any other: all devices are found, and all that they did.
#[test]
fn a_made_up_home_is_read_back_with_its_labels() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (plain, shaped, truth) = (file("g0.pcapng"), file("gs.pcapng"), file("g.csv"));
    let made_up = "defend --trials 1 --duration 6h --format json --mode";
    let first = words(
        &format!("{made_up} none"),
        &["-w", &plain, "--labels-out", &truth],
    );
    let of_all = |found: &Value| {
        let all = rows(found).into_iter().find(|row| row["device"] == "all");
        all.unwrap()["activities"].as_u64().unwrap()
    };
    let truly = of_all(&first.ends(0).json());
    assert!(truly > 50);
    let defended = words(&format!("{made_up} stp"), &["-w", &shaped]);
    let defended = defended.ends(0).json();
    let again = words(
        "defend --trials 1 --format json --mode stp",
        &[&plain, "--labels", &truth],
    );
    assert_eq!(of_all(&again.ends(0).json()), truly);
    let scored = words(
        "score --format json",
        &["--before", &plain, "--after", &shaped, "--labels", &truth],
    );
    let scored = scored.ends(0).json();
    assert_eq!(of_all(&scored), truly);
    let padded = rows(&scored)
        .into_iter()
        .find(|row| row["adversary"] == "every-padded-period" && row["device"] == "all");
    assert!(padded.unwrap()["hit"].as_u64().unwrap() * 2 > truly);
    // Its devices have no names any more; together they are the same, number by number.
    let together = |verdict: &Value| -> Vec<Value> {
        let all = rows(verdict).into_iter();
        let all = all.filter(|row| row["device"] == "all" && row["adversary"] != "count");
        all.cloned().collect()
    };
    let (defended, scored) = (together(&defended), together(&scored));
    assert_eq!((defended.len(), scored.len()), (4, 4));
    for (row, other) in defended.iter().zip(&scored) {
        // Devices come in another order: the control deals its marks otherwise, and a mean over devices is rounded otherwise.
        for field in NUMBERS {
            if ["c_min", "shuffled"].contains(&field) {
                continue;
            }
            assert_eq!(row[field], other[field], "{}: {field}", row["adversary"]);
        }
        for min in ["time_fraction", "activities_per_period", "periods_touched"] {
            let of = |row: &Value| row["c_min"][min].as_f64().unwrap();
            assert!((of(row) - of(other)).abs() < 1e-12, "{min}: {row} {other}");
        }
    }
}

#[test]
fn tshark_counts_what_was_written() {
    let tshark = std::process::Command::new("tshark")
        .arg("--version")
        .output();
    if tshark.is_err() {
        println!("skipped: tshark is absent");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let wire = folder.path().join("shaped.pcapng");
    let typed = "defend evening-lan.pcapng --labels evening-labels.csv --trials 3 --mode stp";
    words(typed, &["-w", wire.to_str().unwrap()]).ends(0);
    let ours = line(&format!("infer {} --format json", wire.display()))
        .ends(0)
        .json();
    let mut tshark = std::process::Command::new("tshark");
    tshark
        .args(["-n", "-q", "-z", "io,stat,0", "-r"])
        .arg(&wire);
    let output = tshark.output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let packets = ours["census"]["read"].as_u64().unwrap();
    let bytes = ours["census"]["ip_bytes"].as_u64().unwrap();
    assert!(packets > 10_000);
    let is_row = |line: &&str| {
        line.contains(&format!("| {packets} |")) && line.contains(&format!("| {bytes} |"))
    };
    assert!(
        text.lines().any(|line| is_row(&line)),
        "{packets} {bytes}\n{text}"
    );
}

/// A made-up home's truth is known to the packet, and its labels say so to whoever reads them.
#[test]
fn labels_say_how_far_claims_may_lie() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (before, after, truth) = (
        path("before.pcapng"),
        path("after.pcapng"),
        path("truth.csv"),
    );
    let home = "defend --duration 6h --trials 1 --format json --mode";
    words(&format!("{home} none"), &["-w", &before]).ends(0);
    let defended = words(
        &format!("{home} stp"),
        &["-w", &after, "--labels-out", &truth],
    );
    let defended = defended.ends(0).json();
    let scored = ["--before", &before, "--after", &after, "--labels", &truth];
    let score = |more: &[&str]| {
        let found = words("score --format json", &[&scored[..], more].concat());
        found.ends(0).json()
    };
    let found = score(&[]);
    assert_eq!(defended["parameters"]["tolerance_s"], 1.0);
    assert_eq!(found["parameters"]["tolerance_s"], 1.0);
    assert!(found["caveats"]
        .to_string()
        .contains("headers and filling of a tunnel"));
    // What is typed has the last word.
    assert_eq!(
        score(&["--tolerance", "60s"])["parameters"]["tolerance_s"],
        60.0
    );
    // Readers of plain CSV find the columns they always found.
    let text = std::fs::read_to_string(&truth).unwrap();
    assert!(text.starts_with("start,end,device,activity,"), "{text}");
}
