//! Which device of one home is which of another, or of the same home on another day: so that what was learned of a device is
//! asked about that one, wherever it stands in the list.
//!
//! A device is called by what it was recognised as, numbered where several are of one kind (`wemo`, `wemo-2`), and `unknown-1`
//! and so on where it was not recognised. Numbers follow the order of appearance, which is another on another day. Its address
//! at home, where the capture shows one that it has alone, outlives that. So devices are first found by address, as far as what
//! they were recognised as does not contradict, and those left by what they were recognised as.

use crate::trace::Trace;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Addresses of one device that are kept at most: IPv6 has several for each, and new ones every day.
const ADDRESSES_AT_MOST: usize = 8;
/// What devices are called that were not recognised, before their number.
const UNKNOWN: &str = "unknown";

/// What a device is found by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What it is called.
    pub id: String,
    /// Addresses at home that no other device has; none behind NAT.
    pub addresses: BTreeSet<String>,
}

/// The devices of a trace, in their order.
pub fn of(trace: &Trace) -> Vec<Identity> {
    let mut users: BTreeMap<String, BTreeSet<Option<usize>>> = BTreeMap::new();
    for flow in &trace.flows {
        let address = flow.local.address.to_string();
        users.entry(address).or_default().insert(flow.device);
    }
    let devices = trace.devices.iter().enumerate();
    devices
        .map(|(place, device)| {
            let own = users
                .iter()
                .filter(|(_, users)| users.len() == 1 && users.contains(&Some(place)));
            Identity {
                id: device.id.clone(),
                addresses: own
                    .map(|(address, _)| address.clone())
                    .take(ADDRESSES_AT_MOST)
                    .collect(),
            }
        })
        .collect()
}

impl Identity {
    /// What it was recognised as: the id without its number; `None` where it was not recognised.
    fn kind(&self) -> Option<&str> {
        let numbered = self.id.rsplit_once('-').filter(|(_, number)| {
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        });
        let kind = numbered.map_or(self.id.as_str(), |(kind, _)| kind);
        (kind != UNKNOWN).then_some(kind)
    }

    /// Whether both may be the same by what they were recognised as.
    fn may_be(&self, other: &Self) -> bool {
        match (self.kind(), other.kind()) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        }
    }

    /// Whether it is one that a trace could have.
    pub fn is_sound(&self) -> bool {
        !self.id.is_empty() && self.addresses.len() <= ADDRESSES_AT_MOST
    }
}

/// Whether one device is another.
type Rule = fn(&Identity, &Identity) -> bool;

/// For each of the known devices its place among those here; none is found twice.
pub fn found(known: &[Identity], here: &[Identity]) -> Vec<Option<usize>> {
    let by_address_and_id =
        |a: &Identity, b: &Identity| a.id == b.id && !a.addresses.is_disjoint(&b.addresses);
    let by_address =
        |a: &Identity, b: &Identity| !a.addresses.is_disjoint(&b.addresses) && a.may_be(b);
    let by_id = |a: &Identity, b: &Identity| a.id == b.id && a.kind().is_some();
    // Those that were not recognised and have no address of their own: all that is left is their order.
    let by_order = |a: &Identity, b: &Identity| {
        a.id == b.id && a.addresses.is_empty() && b.addresses.is_empty()
    };
    let mut found = vec![None; known.len()];
    let mut taken = BTreeSet::new();
    let rules: [Rule; 4] = [by_address_and_id, by_address, by_id, by_order];
    for rule in rules {
        for (known, found) in known.iter().zip(&mut found) {
            let free = here.iter().enumerate().find(|(place, here)| {
                found.is_none() && !taken.contains(place) && rule(known, here)
            });
            if let Some((place, _)) = free {
                *found = Some(place);
                taken.insert(place);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, address: &str) -> Identity {
        Identity {
            id: id.into(),
            addresses: address.split_whitespace().map(String::from).collect(),
        }
    }

    #[test]
    fn devices_are_found_in_another_order_and_with_fewer() {
        let known = [
            device("unknown-1", "10.0.0.5"),
            device("unknown-2", "10.0.0.6"),
            device("wemo", "10.0.0.7"),
            device("wemo-2", "10.0.0.8"),
            device("echo", "10.0.0.9"),
        ];
        // The first is gone, so that the second is numbered anew; so is the first plug. The speaker has a new address, and
        // its own has a lamp now. The last is new.
        let here = [
            device("unknown-1", "10.0.0.6 2001:db8::6"),
            device("wemo", "10.0.0.8"),
            device("lamp", "10.0.0.9"),
            device("echo", "10.0.0.20"),
            device("unknown-2", "10.0.0.30"),
        ];
        let places = found(&known, &here);
        assert_eq!(places, [None, Some(0), None, Some(1), Some(3)]);
        // Recognised on one day only: the address tells.
        let again = found(&known[4..], &[device("unknown-7", "10.0.0.9")]);
        assert_eq!(again, [Some(0)]);
        // Behind NAT there is nothing but what they were recognised as, and their order.
        let nat = [device("echo", ""), device("unknown-1", "")];
        assert_eq!(
            found(&nat, &[nat[1].clone(), nat[0].clone()]),
            [Some(1), Some(0)]
        );
        assert_eq!(device("hs-110", "").kind(), Some("hs"));
    }
}
