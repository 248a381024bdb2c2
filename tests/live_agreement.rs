//! What a watch claims as it goes, held against labels beside what `infer` says of the whole capture: the price of not knowing
//! what is to come, in figures.

mod program;

use insta::assert_snapshot;
use program::{fixtures, real};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use stp_audit::activity::claim::{Activity, Shape, Side};
use stp_audit::activity::detect::detect;
use stp_audit::activity::parameters::Parameters;
use stp_audit::activity::{read_labels, score, Scores};
use stp_audit::capture::{Options, Reader};
use stp_audit::cli::ending::named;
use stp_audit::device::catalog::Catalog;
use stp_audit::device::inventory::{take, Inventory};
use stp_audit::flow::home::Home;
use stp_audit::flow::observer::Observer;
use stp_audit::live::engine::{Engine, Settings};
use stp_audit::live::event::{Event, What};
use stp_audit::live::finish::Finished;
use stp_audit::units::Span;

const MINUTE: Duration = Duration::from_secs(60);

/// What a watch of a capture told, and what it knew at the end.
fn watched(capture: &Path, parameters: &Parameters, warm_up: Duration) -> (Vec<Event>, Finished) {
    let settings = Settings {
        observer: Default::default(),
        vantage: None,
        parameters: parameters.clone(),
        window: Duration::from_secs(24 * 3600),
        warm_up,
    };
    let mut engine = Engine::new(settings, Catalog::embedded().unwrap()).unwrap();
    let mut reader = Reader::open(&[capture.to_owned()], &Options::default()).unwrap();
    let mut events = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        engine.watch(&frame);
        events.extend(engine.events());
    }
    engine.end();
    events.extend(engine.events());
    (events, engine.finish())
}

/// The uses a watch told, by what their device is called at the end.
fn claims(events: &[Event]) -> BTreeMap<String, Vec<Activity>> {
    let mut all: BTreeMap<String, Vec<Activity>> = BTreeMap::new();
    for event in events {
        match &event.what {
            What::ActivityEnded(one) => {
                let told = &one.activity;
                all.entry(one.device.clone()).or_default().push(Activity {
                    span: Span::new(told.start, told.end),
                    shape: told.shape.parse::<Shape>().unwrap(),
                    direction: told.direction.parse::<Side>().unwrap(),
                    peak_bytes_per_s: told.peak_bytes_per_s,
                    sigma: told.sigma,
                    label: None,
                });
            }
            What::DeviceChanged { was, is } => {
                let own = all.remove(was).unwrap_or_default();
                all.entry(is.device.clone()).or_default().extend(own);
            }
            What::DeviceGone {
                device,
                into: Some(into),
            } => {
                let own = all.remove(device).unwrap_or_default();
                all.entry(into.clone()).or_default().extend(own);
            }
            _ => {}
        }
    }
    all
}

fn figures(what: &str, scores: &Scores) -> String {
    let all = &scores.overall;
    let percent =
        |share: Option<f64>| share.map_or("-".to_owned(), |s| format!("{:.1} %", s * 100.0));
    format!(
        "{what:<28} {:>4} claims  {:>4} correct  precision {:>7}  {:>2} of {:>2} labels hit  recall {:>7}",
        all.claims,
        all.correct,
        percent(all.precision()),
        all.hit,
        all.in_window,
        percent(all.recall()),
    )
}

/// The whole capture, as `infer` has it.
fn whole(capture: &Path) -> (Inventory, Span) {
    let mut reader = Reader::open(&[capture.to_owned()], &Options::default()).unwrap();
    let mut observer = Observer::new(Default::default());
    while let Some(frame) = reader.next().unwrap() {
        observer.watch(&frame);
    }
    let mut observed = observer.finish();
    let home = Home::find(&observed.flows, None, &[]);
    let inventory = take(&mut observed, &home, &Catalog::embedded().unwrap());
    (inventory, observed.window.unwrap())
}

/// Live beside offline, with and without rhythms taken off.
fn beside(capture: &Path, truth: &Path, warm_up: Duration) -> String {
    let labels = read_labels(File::open(truth).unwrap(), "labels").unwrap();
    let (inventory, window) = whole(capture);
    let device_of = |name: &str| named(&inventory, name);
    let mut text = String::new();
    for ignore_periodic in [false, true] {
        let parameters = Parameters {
            ignore_periodic,
            ..Parameters::default()
        };
        let mut offline: Vec<Vec<Activity>> = Vec::new();
        let mut live: Vec<Vec<Activity>> = vec![Vec::new(); inventory.devices.len()];
        for device in &inventory.devices {
            offline.push(
                detect(&device.series, window, &parameters)
                    .unwrap()
                    .activities,
            );
        }
        let (events, _) = watched(capture, &parameters, warm_up);
        let macs = macs(&events);
        for (id, own) in claims(&events) {
            // By hardware address where there is one, else by name, as people would.
            let place = macs.get(&id).and_then(|mac| device_of(mac));
            if let Some(place) = place.or_else(|| device_of(&id)) {
                live[place].extend(own);
            }
        }
        live.iter_mut()
            .for_each(|own| own.sort_by_key(|one| one.span));
        let how = if ignore_periodic { ", rhythms off" } else { "" };
        let of =
            |claims: &mut Vec<Vec<Activity>>| score(&labels, claims, device_of, window, MINUTE);
        writeln!(
            text,
            "{}",
            figures(&format!("offline{how}"), &of(&mut offline))
        )
        .unwrap();
        writeln!(text, "{}", figures(&format!("live{how}"), &of(&mut live))).unwrap();
    }
    text
}

/// The hardware address of each device a watch told of, by its latest name.
fn macs(events: &[Event]) -> BTreeMap<String, String> {
    let named = events.iter().filter_map(|event| match &event.what {
        What::DeviceFound(is) | What::DeviceChanged { is, .. } => Some(is),
        _ => None,
    });
    let told = named.filter_map(|is| Some((is.device.clone(), is.mac.clone()?)));
    told.collect()
}

const WARM_UP: Duration = Duration::from_secs(600);

#[test]
fn an_evening_live_beside_offline() {
    let folder = fixtures();
    let truth = folder.join("evening-labels.csv");
    let of = |capture: &str| beside(&folder.join(capture), &truth, WARM_UP);
    assert_snapshot!("evening_lan", of("evening-lan.pcapng"));
    assert_snapshot!("evening_wan", of("evening-wan.pcapng"));
}

#[test]
fn a_cameras_week_live_beside_offline() {
    if let Some(camera) = real("camera-week/camera.pcap") {
        let truth = camera.with_file_name("labels.csv");
        assert_snapshot!("camera_week", beside(&camera, &truth, WARM_UP));
    }
}

#[test]
#[ignore = "prints what other times of watching before the first claim would give"]
fn other_warm_ups() {
    for minutes in [0, 2, 5, 10, 20, 60] {
        let warm_up = MINUTE * minutes;
        println!("warm-up {minutes} min");
        let folder = fixtures();
        let truth = folder.join("evening-labels.csv");
        println!(
            "{}",
            beside(&folder.join("evening-lan.pcapng"), &truth, warm_up)
        );
        println!(
            "{}",
            beside(&folder.join("evening-wan.pcapng"), &truth, warm_up)
        );
        if let Some(camera) = real("camera-week/camera.pcap") {
            let truth = camera.with_file_name("labels.csv");
            println!("{}", beside(&camera, &truth, warm_up));
        }
    }
}
