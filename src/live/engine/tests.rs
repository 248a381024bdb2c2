//! A watch, second by second, of packets that were made by hand.

use super::*;
use crate::capture::LinkType;

fn engine() -> Engine {
    let settings = Settings {
        observer: observer::Settings::default(),
        vantage: None,
        parameters: Parameters {
            merge: Duration::from_secs(3),
            ..Parameters::default()
        },
        window: Duration::from_secs(3600),
        warm_up: Duration::ZERO,
    };
    Engine::new(settings, Catalog::embedded().unwrap()).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::new(1_000_000 + second, 500_000_000)
}

/// A packet of so many bytes that a device sends to its server.
fn packet(engine: &mut Engine, second: i64, device: u8, length: u16) {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, device, 8, 0, 0x45, 0];
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 192, 168, 1, device]);
    frame.extend([
        198, 51, 100, device, 0x80, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1,
    ]);
    frame.extend([0x50, 0x10, 0x20, 0, 0, 0, 0, 0]);
    engine.watch(&Frame {
        at: at(second),
        link: LinkType::ETHERNET,
        wire_len: 14 + u32::from(length),
        data: &frame,
        interface: 0,
    });
}

/// What was said, with when, in seconds.
fn said(engine: &mut Engine) -> Vec<(f64, String)> {
    let events = engine.events().into_iter();
    events
        .map(|event| {
            let what = match event.what {
                What::Watching(_) => "watching".to_owned(),
                What::DeviceFound(is) => format!("found {}", is.device),
                What::DeviceChanged { was, is } => format!("{was} is {}", is.device),
                What::DeviceGone { device, into } => format!("gone {device} into {into:?}"),
                What::ActivityStarted(one) => format!("{} began", one.device),
                What::ActivityEnded(one) => format!("{} ended", one.device),
                What::ClockSetBack { .. } => "set back".to_owned(),
                What::Ended(_) => "ended".to_owned(),
            };
            (event.at.as_secs_f64() - 1_000_000.0, what)
        })
        .collect()
}

#[test]
fn a_second_is_judged_once_it_is_over_and_the_grace_has_passed() {
    let mut engine = engine();
    for second in 0..60 {
        packet(&mut engine, second, 7, 60);
    }
    assert_eq!(
        said(&mut engine),
        [
            (0.5, "watching".to_owned()),
            (1.5, "found unknown-1".to_owned())
        ]
    );
    packet(&mut engine, 60, 7, 1_400);
    engine.tick(at(60) + Duration::from_millis(700));
    assert_eq!(said(&mut engine), []);
    engine.tick(at(60) + Duration::from_millis(750));
    assert_eq!(said(&mut engine), [(61.25, "unknown-1 began".to_owned())]);
    // Nothing comes any more, and that is how the end is known: four seconds without.
    engine.tick(at(64));
    assert_eq!(said(&mut engine), []);
    engine.tick(at(65));
    assert_eq!(said(&mut engine), [(65.5, "unknown-1 ended".to_owned())]);
    let counts = engine.counts();
    assert_eq!(
        (counts.packets, counts.devices, counts.activities),
        (61, 1, 1)
    );
    let finished = engine.finish();
    assert_eq!(finished.inventory.devices[0].id, "unknown-1");
    assert_eq!(finished.activities[0].len(), 1);
}

#[test]
fn a_new_flow_of_a_known_device_is_its_own_at_once() {
    let mut engine = engine();
    for second in 0..60 {
        packet(&mut engine, second, 7, 60);
        packet(&mut engine, second, 8, 60);
    }
    assert_eq!(said(&mut engine).len(), 3);
    let bytes = |engine: &Engine| -> Vec<(u64, u64)> {
        let members = engine.roster().members();
        members.map(|(_, member)| member.window.bytes()).collect()
    };
    engine.tick(at(62));
    assert_eq!(bytes(&engine), [(3600, 0), (3600, 0)]);
}

#[test]
fn one_packet_from_far_off_ages_nothing_and_a_clock_that_is_set_back_begins_anew() {
    let mut engine = engine();
    for second in 0..60 {
        packet(&mut engine, second, 7, 60);
    }
    said(&mut engine);
    packet(&mut engine, 3_000_000_000, 7, 60);
    packet(&mut engine, 60, 7, 60);
    engine.tick(at(62));
    assert_eq!(said(&mut engine), []);
    assert_eq!(
        (engine.now(), engine.counts().doubted_packets),
        (Some(at(62)), 1)
    );
    for second in 0..10 {
        packet(&mut engine, second - 90_000, 7, 60);
    }
    assert_eq!(said(&mut engine)[0].1, "set back");
    assert_eq!(engine.now(), Some(at(9 - 90_000)));
}

#[test]
fn who_is_silent_for_a_window_is_gone_and_bears_its_name_when_back() {
    let mut engine = engine();
    packet(&mut engine, 0, 7, 60);
    for second in 0..8_000 {
        packet(&mut engine, second, 8, 60);
    }
    let first = said(&mut engine);
    let gone: Vec<_> = first
        .iter()
        .filter(|(_, what)| what.contains("gone"))
        .collect();
    assert_eq!(gone.len(), 1, "{first:?}");
    assert_eq!(gone[0].1, "gone unknown-1 into None");
    // Within a window and a twenty-fourth of it.
    assert!((3600.0..3900.0).contains(&gone[0].0), "{gone:?}");
    for second in 8_000..8_010 {
        packet(&mut engine, second, 7, 60);
    }
    let told = said(&mut engine);
    assert!(
        told.iter().any(|(_, what)| what == "found unknown-1"),
        "{told:?}"
    );
}
