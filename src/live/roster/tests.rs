//! Inventories drawn up one after the other, and who is who in them.

use super::*;
use crate::activity::parameters::Parameters;
use crate::flow::key::Endpoint;
use crate::rate::{Cell, Grid};
use crate::units::Timestamp;
use std::time::Duration;

fn window(_: bool) -> Online {
    let grid = Grid::new(Timestamp(0), Duration::from_secs(1));
    Online::new(&Parameters::default(), grid, 1000, 0, 0)
}

/// A flow of a device (by the last byte of its address) with a server, whose number is `serial`.
fn flow(device: u8, server: u8, serial: u64) -> (FlowKey, Flow) {
    let end = |address: [u8; 4], port| Endpoint {
        address: address.into(),
        port,
    };
    let near = end([192, 168, 1, device], 50_000);
    let key = FlowKey::between(Protocol::TCP, near, end([198, 51, 100, server], 443));
    let local = match key.end(End::A) == near {
        true => End::A,
        false => End::B,
    };
    let mut macs = [None; 2];
    macs[local.index()] = Some(Mac([2, 0, 0, 0, 1, device]));
    let mut flow = Flow::new(Timestamp(0), local, local, macs);
    flow.serial = serial;
    flow.sent[local.index()].bytes = 100;
    (key, flow)
}

fn draft(flows: &[(FlowKey, Flow)], own: &[usize], mac: Option<u8>, id: Option<&str>) -> Draft {
    let candidate = |id: &str| Candidate {
        id: id.into(),
        name: id.into(),
        score: 0.9,
    };
    Draft {
        candidates: id.map(candidate).into_iter().collect(),
        evidence: Vec::new(),
        address: None,
        mac: mac.map(|last| Mac([2, 0, 0, 0, 1, last])),
        addresses: Vec::new(),
        rates: own.iter().map(|at| (*at, flows[*at].1.local)).collect(),
        own: own.to_vec(),
    }
}

fn ids(roster: &Roster) -> Vec<&str> {
    roster
        .members()
        .map(|(_, member)| member.id.as_str())
        .collect()
}

fn home(flows: &[(FlowKey, Flow)], vantage: Vantage) -> Home {
    Home::find(flows, Some(vantage), &["192.168.1.0/24".parse().unwrap()])
}

#[test]
fn a_device_keeps_its_place_by_card_and_its_name_follows_what_it_is() {
    let flows = [flow(7, 1, 1), flow(8, 2, 2)];
    let lan = || home(&flows, Vantage::Lan);
    let mut roster = Roster::default();
    let first = vec![
        draft(&flows, &[0], Some(7), None),
        draft(&flows, &[1], Some(8), None),
    ];
    let taken = roster.take(first, &flows, lan(), window);
    assert_eq!((taken.said.len(), taken.joined.len()), (2, 2));
    assert_eq!(ids(&roster), ["unknown-1", "unknown-2"]);
    let second = vec![
        draft(&flows, &[1], Some(8), Some("plug")),
        draft(&flows, &[0], Some(7), Some("plug")),
    ];
    let taken = roster.take(second, &flows, lan(), window);
    assert_eq!(ids(&roster), ["plug", "plug-2"]);
    assert!(taken.joined.is_empty() && taken.shaken.is_empty());
    assert!(matches!(&taken.said[0], What::DeviceChanged { was, .. } if was == "unknown-1"));
    // A new flow is its own at once, and one of a stranger is nobody's yet.
    let (key, new) = flow(7, 3, 9);
    let owner = roster.place(&key, &new).unwrap();
    assert_eq!(owner[0].map(|(slot, _)| slot), Some(0));
    let (key, strange) = flow(9, 3, 10);
    assert_eq!(roster.place(&key, &strange), None);
}

#[test]
fn who_is_found_to_be_a_part_of_another_leaves_it_flows_and_name() {
    let flows = [flow(7, 1, 1), flow(7, 2, 2)];
    let wan = || home(&flows, Vantage::Wan);
    let mut roster = Roster::default();
    let apart = vec![
        draft(&flows, &[0], None, None),
        draft(&flows, &[1], None, Some("cam")),
    ];
    roster.take(apart, &flows, wan(), window);
    assert_eq!(ids(&roster), ["unknown-1", "cam"]);
    let one = vec![draft(&flows, &[0, 1], None, Some("cam"))];
    let mut big = flows.clone();
    big[0].1.sent[0].bytes = 10_000;
    let taken = roster.take(one, &big, wan(), window);
    assert_eq!(ids(&roster), ["cam"]);
    assert_eq!(taken.joined, [(0, 1, flows[1].1.local)]);
    let said: Vec<String> = taken.said.iter().map(|what| format!("{what:?}")).collect();
    assert!(
        said[0].contains("DeviceGone") && said[0].contains("unknown-1"),
        "{said:?}"
    );
    assert!(said[1].contains("DeviceChanged"), "{said:?}");
    // What one device alone talks to is a sign of it.
    let (key, again) = flow(7, 2, 9);
    assert_eq!(
        roster.place(&key, &again).unwrap()[0].map(|(slot, _)| slot),
        Some(0)
    );
}

#[test]
fn windows_together_keep_the_bound() {
    let flows = [flow(7, 1, 1), flow(8, 2, 2)];
    let mut roster = Roster::default();
    let both = vec![
        draft(&flows, &[0], Some(7), None),
        draft(&flows, &[1], Some(8), None),
    ];
    roster.take(both, &flows, home(&flows, Vantage::Lan), window);
    for (slot, bins) in [(0, 300), (1, 20)] {
        let member = roster.member(slot).unwrap();
        for index in 0..bins {
            member.window.add(Cell {
                index,
                up: 5,
                down: 0,
            });
        }
    }
    roster.bound(200);
    let lengths: Vec<usize> = roster
        .members()
        .map(|(_, member)| member.window.len())
        .collect();
    // Three quarters of 300, and three quarters of that.
    assert_eq!(lengths, [169, 20]);
}

#[test]
fn numbered_names_are_of_their_base() {
    assert!(id_of("cam", "cam") && id_of("cam", "cam-2"));
    assert!(!id_of("cam", "camera") && !id_of("cam", "cam-x"));
}
