//! `device-rate` attacks what it has not seen: it learns from the first half of a home's activities and is shown the second.

mod audits;

use audits::{labelled, lived, made, seeded};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stp_audit::adversary;
use stp_audit::model::home::HomeModel;
use stp_audit::score::tally::tally;
use stp_audit::score::truth::Truth;
use stp_audit::threat::Knowledge;
use stp_audit::trace::Trace;
use stp_audit::units::{Span, Timestamp};

/// Cut where half of the activities have begun.
fn halves(trace: &Trace) -> [Trace; 2] {
    let middle = &trace.activities[trace.activities.len() / 2];
    let cut = middle.span.start.min(middle.traffic.start) - Duration::from_secs(2);
    let part = |first: bool| {
        let within = |at: Timestamp| (at < cut) == first;
        let (start, end) = (trace.window.start, trace.window.end);
        let mut part = Trace {
            window: if first {
                Span::new(start, cut)
            } else {
                Span::new(cut, end)
            },
            ..trace.clone()
        };
        part.packets.retain(|packet| within(packet.at));
        part.activities
            .retain(|activity| within(activity.traffic.start));
        part.checked().unwrap()
    };
    [part(true), part(false)]
}

/// Claims, those that are right, and activities met, of activities.
fn attacked(trace: &Trace, defense: &str, tolerance: u64) -> [u64; 4] {
    let [learned, shown] = halves(trace);
    let attack = adversary::find("device-rate").unwrap();
    let attack = (attack.make)(Arc::new(Knowledge::study(&learned)), &Default::default());
    let defense = made(defense, &Default::default(), &shown);
    let wire = defense.shape(&shown, &mut seeded(1)).seen;
    let truth = Truth::of(&shown, Duration::from_secs(tolerance));
    let all = &tally(&attack.guess(&wire), &truth)[0];
    [all.claims, all.correct, all.hit, all.activities]
}

fn line(home: &str, defense: &str, of: [u64; 4]) -> String {
    let [claims, right, hit, all] = of;
    format!("{home:16}{defense:6}{right:4} of {claims:4} claims right, {hit:4} of {all:4} activities met\n")
}

#[test]
fn the_built_in_home_is_told_by_what_was_learned_of_its_morning() {
    let home = lived(&HomeModel::built_in(), 86_400, 1);
    let mut table = String::new();
    for (defense, least) in [("none", 0.95), ("vpn", 0.75)] {
        let of = attacked(&home, defense, 1);
        table += &line("built-in", defense, of);
        println!("{table}");
        assert!(of[1] as f64 > least * of[0] as f64, "{table}");
        assert!(of[2] as f64 > 0.7 * of[3] as f64, "{table}");
    }
    insta::assert_snapshot!(table);
}

#[test]
fn captures_are_told_by_what_was_learned_of_their_first_half() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let evening = fixtures.join("evening-lan.pcapng");
    let mut homes = vec![(
        "evening",
        labelled(&evening, &fixtures.join("evening-labels.csv"), &[]),
        60,
    )];
    if let Some(data) = std::env::var_os("STP_AUDIT_DATA") {
        let data = Path::new(&data);
        let of = |folder: &str, capture: &str, more: &[&str]| {
            let folder = data.join(folder);
            labelled(&folder.join(capture), &folder.join("labels.csv"), more)
        };
        let merged = ["--merge", "2s", "--tolerance", "3s"];
        let plug = of("plug-lifecycle", "plug.pcap", &merged);
        homes.push(("plug-lifecycle", plug, 3));
        homes.push(("camera-week", of("camera-week", "camera.pcap", &[]), 60));
    } else {
        println!("skipped: no real captures, STP_AUDIT_DATA is not set");
    }
    for (name, home, tolerance) in &homes {
        for defense in ["none", "vpn"] {
            let of = attacked(home, defense, *tolerance);
            print!("{}", line(name, defense, of));
            // Half right at the least, but for the plug, of which five uses are all there is to learn from.
            let least = if *name == "plug-lifecycle" { 0.3 } else { 0.5 };
            assert!(
                of[0] > 0 && of[1] as f64 >= least * of[0] as f64,
                "{name} {defense}: {of:?}"
            );
        }
    }
}
