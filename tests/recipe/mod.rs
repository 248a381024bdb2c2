//! The recipe of everything under fixtures/: an invented home, its evening, and files in every format, whole and broken.
//!
//! The same bytes come out on every machine: chance is a seeded stream of whole numbers, time is what the recipe says, and
//! nothing is measured. [`files`] is the whole list.

// Each test binary uses a part of it.
#![allow(dead_code)]

pub mod chance;
pub mod devices;
pub mod diary;
pub mod dns;
pub mod file;
pub mod flood;
pub mod formats;
pub mod home;
pub mod local;
pub mod malformed;
pub mod nat;
pub mod packet;
pub mod people;
pub mod quic;
pub mod readme;
pub mod strange;
pub mod tcp;
pub mod tls;
pub mod world;
pub mod zone;

use packet::{Bytes, Packet, Seen, MICRO};

/// The evening as the home's own network sees it, and as the provider does.
pub struct Evening {
    pub lan: Vec<Packet>,
    pub wan: Vec<Packet>,
}

/// The evening.
pub fn evening() -> Evening {
    let mut world = world::World::new(home::hosts());
    devices::all(&mut world);
    people::all(&mut world);
    people::small_talk(&mut world);
    let packets = world.finish();
    let wan = nat::outside(&packets);
    let lan = packets
        .into_iter()
        .filter(|packet| packet.seen != Seen::Wan);
    Evening {
        lan: lan.collect(),
        wan,
    }
}

/// Packets as a capture keeps them.
pub fn captured(packets: &[Packet]) -> Vec<Bytes> {
    packets.iter().map(Packet::captured).collect()
}

const LAN_NOTE: &str = "SYNTHETIC: an evening of an invented home, seen at its LAN. Made by tests/recipe of stp-audit.";
const WAN_NOTE: &str = "SYNTHETIC: the same evening behind NAT, seen by the provider. Made by tests/recipe of stp-audit.";

/// Every file under fixtures/ with its bytes.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let evening = evening();
    let (formats, cases) = (formats::formats(&evening.lan), malformed::cases());
    let lan = file::pcapng(LAN_NOTE, "br-lan", MICRO, &captured(&evening.lan));
    let wan = file::pcapng(WAN_NOTE, "wan0", 1, &captured(&evening.wan));
    let page = readme::page(&evening, &formats, &cases);
    let mut files = vec![
        ("README.md".to_owned(), page.into_bytes()),
        ("evening-lan.pcapng".to_owned(), lan),
        ("evening-wan.pcapng".to_owned(), wan),
        (
            "evening-labels.csv".to_owned(),
            diary::labels().into_bytes(),
        ),
    ];
    for format in formats {
        files.push((format!("formats/{}", format.name), format.bytes));
    }
    for case in cases {
        files.push((format!("malformed/{}", case.name), case.bytes));
    }
    files
}
