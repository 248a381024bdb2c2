//! What the whole program finds in real captures whose truth is known, by the figures README tells.

mod program;

use program::{real, run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use stp_audit::activity::{read_labels, Label};
use stp_audit::units::{Span, Timestamp};

/// The report of `infer`, or of another command, as JSON.
fn report(command: &str, capture: &Path, rest: &[&str]) -> Value {
    let capture = capture.to_str().unwrap();
    let arguments = [command, capture, "--format", "json"];
    run(arguments.iter().chain(rest)).ends(0).json()
}

fn labels(file: &Path) -> Vec<Label> {
    read_labels(std::fs::File::open(file).unwrap(), "labels").unwrap()
}

/// When the program says that anything was used.
fn claims(report: &Value) -> Vec<Span> {
    let instant = |value: &Value| -> Timestamp {
        let time: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
        Timestamp(time.as_nanosecond().try_into().unwrap())
    };
    let devices = report["devices"].as_array().unwrap().iter();
    devices
        .flat_map(|device| device["activities"].as_array().unwrap())
        .map(|claim| {
            let mut span = Span::at(instant(&claim["start"]));
            span.extend(instant(&claim["end"]));
            span
        })
        .collect()
}

/// A field of the report's overall truth.
fn truth(report: &Value, field: &str) -> u64 {
    report["truth"][field].as_u64().unwrap()
}

#[test]
fn a_cameras_week_by_default() {
    let (Some(capture), Some(file)) = (
        real("camera-week/camera.pcap"),
        real("camera-week/labels.csv"),
    ) else {
        return;
    };
    let report = report("infer", &capture, &["--labels", file.to_str().unwrap()]);
    let counts = ["labels", "in_window", "claims", "correct", "hit"].map(|f| truth(&report, f));
    assert_eq!(counts, [39, 39, 25, 25, 37]);
    // Some events are in the file more than once.
    let mut distinct = labels(&file);
    distinct.sort_by_key(|label| label.span.start);
    distinct.dedup_by_key(|label| label.span.start);
    let claims = claims(&report);
    let hit = |label: &&Label| {
        let near = |claim: &Span| label.span.touches(*claim, Duration::from_secs(60));
        claims.iter().any(near)
    };
    assert_eq!(
        (distinct.iter().filter(hit).count(), distinct.len()),
        (28, 30)
    );
}

/// Labels hit, of them on or off, and claims in the hour of idle, of the plug's life.
fn plug(flags: &str) -> Option<[usize; 3]> {
    let capture = real("plug-lifecycle/plug.pcap")?;
    let file = real("plug-lifecycle/labels.csv")?;
    let idle = labels(&real("plug-lifecycle/idle.csv")?);
    let flags = format!("--merge 2s --tolerance 3s {flags}");
    let mut rest: Vec<&str> = flags.split_whitespace().collect();
    rest.extend(["--labels", file.to_str().unwrap()]);
    let report = report("infer", &capture, &rest);
    let claims = claims(&report);
    let near = |label: &Label, by| claims.iter().any(|claim| label.span.touches(*claim, by));
    let switched = labels(&file)
        .iter()
        .filter(|label| label.activity.starts_with("on_") || label.activity.starts_with("off_"))
        .filter(|label| near(label, Duration::from_secs(3)))
        .count();
    let idle = claims
        .iter()
        .filter(|claim| idle.iter().any(|i| i.span.touches(**claim, Duration::ZERO)))
        .count();
    assert_eq!(truth(&report, "in_window"), 11);
    Some([truth(&report, "hit") as usize, switched, idle])
}

#[test]
fn a_plug_by_mean_and_three_sigma() {
    let Some(up) = plug("--direction up") else {
        return;
    };
    assert_eq!(up, [10, 7, 7]);
    assert_eq!(plug("--direction down").unwrap()[2], 22);
}

#[test]
fn a_plug_without_its_rhythms() {
    let Some(figures) = plug("--ignore-periodic") else {
        return;
    };
    assert_eq!(figures, [11, 8, 2]);
}

/// Bytes and flows given to their true device, to another, and all; with the fingerprints of a folder.
fn behind_nat(fingerprints: &Path) -> Option<[(u64, usize); 3]> {
    let capture = real("home-nat/home-wan.pcap")?;
    let mut rows = BTreeMap::new();
    for row in csv::Reader::from_path(real("home-nat/truth.csv")?)
        .unwrap()
        .records()
    {
        let row = row.unwrap();
        let key = [0, 1, 2, 3].map(|column| row[column].to_owned());
        rows.insert(key, row[4].to_owned());
    }
    let folder = fingerprints.to_str().unwrap();
    let report = report("infer", &capture, &["--fingerprints", folder]);
    let mut names = BTreeMap::new();
    for device in report["devices"].as_array().unwrap() {
        // A name where there is but one candidate left to choose.
        if let [only] = device["candidates"].as_array().unwrap().as_slice() {
            names.insert(
                device["id"].as_str().unwrap(),
                only["name"].as_str().unwrap(),
            );
        }
    }
    let mut counts = [(0, 0); 3];
    for flow in report["flows"].as_array().unwrap() {
        let text = |field: &str| match &flow[field] {
            Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        let key = ["protocol", "local_port", "remote", "remote_port"].map(text);
        let truth = rows
            .get(&key)
            .unwrap_or_else(|| panic!("no truth for {key:?}"));
        let bytes = flow["up_bytes"].as_u64().unwrap() + flow["down_bytes"].as_u64().unwrap();
        let mut count = |which: usize| {
            counts[which].0 += bytes;
            counts[which].1 += 1;
        };
        count(2);
        match flow["device"].as_str().and_then(|id| names.get(id)) {
            Some(name) if name == truth => count(0),
            Some(_) => count(1),
            None => {}
        }
    }
    Some(counts)
}

#[test]
fn a_home_behind_nat_by_fingerprints_learned_at_its_lan() {
    let (Some(capture), Some(macs)) = (real("home-lan/home-lan.pcapng"), real("home-lan/macs.csv"))
    else {
        return;
    };
    let learned = tempfile::tempdir().unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let [capture, macs, out] = [path(&capture), path(&macs), path(learned.path())];
    run([
        "fingerprint",
        "learn",
        &capture,
        "--macs",
        &macs,
        "--out",
        &out,
    ])
    .ends(0);
    let Some([right, wrong, all]) = behind_nat(learned.path()) else {
        return;
    };
    let share = |part: u64| part as f64 / all.0 as f64;
    println!(
        "{:.2} % of bytes and {} of {} flows right, {:.2} % and {} wrong",
        100.0 * share(right.0),
        right.1,
        all.1,
        100.0 * share(wrong.0),
        wrong.1
    );
    assert_eq!(all.1, 55);
    assert!(
        share(right.0) >= 0.97 && right.1 * 100 >= 55 * all.1,
        "{right:?} of {all:?}"
    );
    assert!(share(wrong.0) <= 0.01, "{wrong:?} of {all:?}");
}

/// The names of the candidates of the device with this hardware address; the first is the likeliest.
fn candidates(capture: &Path, mac: &str) -> Vec<String> {
    let report = report("devices", capture, &[]);
    let devices = report["devices"].as_array().unwrap();
    let device = devices.iter().find(|device| device["mac"] == mac);
    let device = device.unwrap_or_else(|| panic!("{} has no {mac}", capture.display()));
    let candidates = device["candidates"].as_array().unwrap();
    candidates
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_plug_tapped_before_and_behind_its_access_point() {
    for tap in ["plug-taps/wan.pcap", "plug-taps/wlan2.4.pcap"] {
        let Some(capture) = real(tap) else { return };
        let names = candidates(&capture, "50:c7:bf:ed:0a:54");
        println!("{tap}: {names:?}");
        assert_eq!(names[0], "TP-Link Smart Plug HS110", "{tap}");
    }
}

/// Dozens of first starts: the device is the likeliest candidate, or one of equals, each time.
#[test]
fn devices_being_set_up() {
    for (folder, name) in [
        ("setup/HueBridge", "Philips Hue Bridge"),
        ("setup/TP-LinkPlugHS110", "TP-Link Smart Plug HS110"),
        ("setup/WeMoSwitch", "Belkin WeMo Switch"),
    ] {
        let Some(folder) = real(folder) else { return };
        let mut first = 0;
        let mut all = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "pcap") {
                continue;
            }
            let report = report("devices", &path, &[]);
            let named = |device: &Value| {
                let candidates = device["candidates"].as_array().unwrap();
                let score = |one: &Value| one["score"].as_f64().unwrap();
                let best = candidates.first().map(score).unwrap_or_default();
                candidates
                    .iter()
                    .any(|one| one["name"] == name && score(one) >= best)
            };
            assert!(
                report["devices"].as_array().unwrap().iter().any(named),
                "{}",
                path.display()
            );
            let single = |device: &&Value| {
                device["candidates"][0]["name"] == name
                    && device["candidates"].as_array().unwrap().len() == 1
            };
            first += report["devices"]
                .as_array()
                .unwrap()
                .iter()
                .filter(single)
                .count();
            all += 1;
        }
        println!("{name}: the only candidate in {first} of {all}");
        assert!(all > 0);
    }
}
