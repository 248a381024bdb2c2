//! Arbitrary bytes as the frames of a capture, watched to the end and told about: nothing panics, every frame is counted
//! once, and every flow has its row.
//!
//! The first byte chooses where the observer stands; of each frame four bytes come first: link, seconds since the frame
//! before, length, bytes cut off.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use stp_audit::activity::{detect, Parameters};
use stp_audit::capture::{Frame, LinkType};
use stp_audit::device::catalog::Catalog;
use stp_audit::device::inventory::take;
use stp_audit::flow::home::{Home, Vantage};
use stp_audit::flow::observer::{Observer, Settings};
use stp_audit::units::Timestamp;

const LINKS: [LinkType; 8] = [
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::NULL,
    LinkType::LOOP,
    LinkType::SLL,
    LinkType::SLL2,
    LinkType::PPP,
    LinkType::IPV6,
];

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| Catalog::embedded().expect("the built-in fingerprints"))
}

fuzz_target!(|data: &[u8]| {
    let Some((&how, mut rest)) = data.split_first() else {
        return;
    };
    let vantage = [None, Some(Vantage::Lan), Some(Vantage::Wan)][usize::from(how) % 3];
    let mut observer = Observer::new(Settings {
        flows: 16,
        traits: vantage == Some(Vantage::Wan),
        ..Settings::default()
    });
    let (mut at, mut frames) = (0i64, 0u64);
    while let Some((&[link, seconds, length, cut], behind)) = rest.split_first_chunk::<4>() {
        let (data, behind) = behind.split_at(usize::from(length).min(behind.len()));
        // Signed: captures go back in time too.
        at += i64::from(seconds as i8) * 100_000_000;
        observer.watch(&Frame {
            at: Timestamp(at),
            link: LINKS[usize::from(link) % LINKS.len()],
            wire_len: data.len() as u32 + u32::from(cut) * 16,
            data,
            interface: 0,
        });
        frames += 1;
        rest = behind;
    }
    let mut observed = observer.finish();
    let census = &observed.census;
    assert_eq!(census.read, frames);
    assert_eq!(
        census.ipv4 + census.ipv6 + census.skipped.values().sum::<u64>(),
        frames
    );
    let Some(window) = observed.window else {
        return;
    };
    let home = Home::find(&observed.flows, vantage, &[]);
    let inventory = take(&mut observed, &home, catalog());
    assert_eq!(inventory.owners.len(), observed.flows.len());
    for device in &inventory.devices {
        detect(&device.series, window, &Parameters::default()).expect("the defaults are sound");
    }
});
