//! Pseudonyms of hardware addresses that keep the vendor.
//!
//! The first three bytes are the vendor's (OUI) and stay; the other three are a serial number and are permuted by FF1
//! (format-preserving encryption, NIST SP 800-38G, by the fpe crate) under a key, with the first three as its tweak: so no two
//! devices of a vendor come to share a pseudonym. An address that a device made up (randomised, or written by hand: Docker
//! writes IP addresses into them) has no vendor, and all but its two flags is permuted. Groups that protocols assign stay;
//! of groups that are made from an IP address, the part that comes from there is replaced.

use super::key::Key;
use crate::units::Mac;
use aes::Aes256;
use fpe::ff1::{FlexibleNumeralString, FF1};

/// Addresses whose pseudonyms are remembered.
const REMEMBERED: usize = 1024;

/// 2^64 over the golden ratio: multiplied by it, numbers that lie close come to lie apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bits of a serial number, and of an address without its two flags.
const TAIL: u32 = 24;
const ALL_BUT_FLAGS: u32 = 46;

const IPV4_GROUPS: [u8; 3] = [0x01, 0x00, 0x5e];
/// Whose whole addresses protocols assign: IEEE 802.1 (spanning tree, LLDP, flow control), Cisco's (CDP), IEEE 1588.
const ASSIGNED_GROUPS: [[u8; 3]; 3] = [[0x01, 0x80, 0xc2], [0x01, 0x00, 0x0c], [0x01, 0x1b, 0x19]];
/// Groups 224.0.0.0/23, and SSDP's 239.255.255.250, as the last three bytes of a hardware address.
const IPV4_ASSIGNED: u64 = 0x1ff;
const SSDP: u64 = 0x7f_fffa;
/// Groups ff0X::0 to ff0X::1:ffff.
const IPV6_ASSIGNED: u64 = 0x1_ffff;

/// Makes pseudonyms of hardware addresses, and remembers some.
pub struct Macs {
    cipher: FF1<Aes256>,
    // No address at all (zeros) has itself for a pseudonym: a place of zeros says what is true.
    known: Box<[(u64, u64)]>,
}

impl Macs {
    /// Pseudonyms under a key.
    pub fn new(key: &Key) -> Self {
        let secret = key.for_purpose("stp-audit hardware addresses 1");
        Self {
            cipher: FF1::new(&secret, 2).expect("2 is a radix of FF1"),
            known: vec![(0, 0); REMEMBERED].into(),
        }
    }

    /// The pseudonym of an address, with its vendor and flags. The last three bytes of a group that looks for the owner of an
    /// IPv6 address (33:33:ff) are that address's: ask [`super::Addresses`] for them.
    pub fn of(&mut self, mac: Mac) -> Mac {
        let [a, b, c, d, e, f] = mac.0;
        let address = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let place = (address.wrapping_mul(SPREAD) >> 40) as usize % REMEMBERED;
        if let Some((_, pseudonym)) = self.known.get(place).filter(|known| known.0 == address) {
            return bytes(*pseudonym);
        }
        let pseudonym = self.make(mac, address);
        if let Some(known) = self.known.get_mut(place) {
            *known = (address, pseudonym);
        }
        bytes(pseudonym)
    }

    fn make(&self, mac: Mac, address: u64) -> u64 {
        let (head, tail) = (address >> TAIL, address & 0xff_ffff);
        if is_kept(mac.oui(), tail) {
            return address;
        }
        if mac.is_local() && !is_ipv6_group(mac.oui()) {
            // The flags are the two lowest bits of the first byte, in the middle of the number.
            let flags = address & 0x0300_0000_0000;
            let above = address >> 42;
            let rest = above << 40 | address & 0xff_ffff_ffff;
            let rest = self.permute(&[(flags >> 40) as u8], rest, ALL_BUT_FLAGS);
            return rest >> 40 << 42 | flags | rest & 0xff_ffff_ffff;
        }
        let mut tail = tail;
        // What stays is no other's pseudonym: walking on from it, a permutation comes back to where it may stop.
        loop {
            tail = self.permute(&mac.oui(), tail, TAIL);
            if !is_kept(mac.oui(), tail) {
                return head << TAIL | tail;
            }
        }
    }

    /// A permutation of all numbers of `bits` bits, another for each tweak.
    fn permute(&self, tweak: &[u8], number: u64, bits: u32) -> u64 {
        let numerals: Vec<u16> = (0..bits)
            .rev()
            .map(|bit| (number >> bit & 1) as u16)
            .collect();
        let permuted = self
            .cipher
            .encrypt(tweak, &FlexibleNumeralString::from(numerals));
        // It fails on numerals that are none, or too few; should it ever, nothing is passed on.
        let numerals: Vec<u16> = permuted.map(Into::into).unwrap_or_default();
        numerals
            .iter()
            .fold(0, |number, bit| number << 1 | u64::from(*bit))
    }
}

fn bytes(address: u64) -> Mac {
    let [_, _, a, b, c, d, e, f] = address.to_be_bytes();
    Mac([a, b, c, d, e, f])
}

fn is_ipv6_group(oui: [u8; 3]) -> bool {
    oui.starts_with(&[0x33, 0x33])
}

/// Whether an address is the same in every home: no address, broadcast, an assigned group.
fn is_kept(oui: [u8; 3], tail: u64) -> bool {
    match oui {
        [0, 0, 0] => tail == 0,
        [0xff, 0xff, 0xff] => tail == 0xff_ffff,
        IPV4_GROUPS => tail <= IPV4_ASSIGNED || tail == SSDP,
        [0x33, 0x33, 0] => tail <= IPV6_ASSIGNED,
        other => ASSIGNED_GROUPS.contains(&other),
    }
}

impl std::fmt::Debug for Macs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Macs(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn made() -> Macs {
        Macs::new(&Key::new(b"a key for tests, of 32 bytes, ok").unwrap())
    }

    fn mac(text: &str) -> Mac {
        text.parse().unwrap()
    }

    #[test]
    fn the_vendor_stays_and_the_serial_number_goes() {
        let mut macs = made();
        let pseudonym = macs.of(mac("18:b4:30:01:02:03"));
        assert_eq!(pseudonym.oui(), [0x18, 0xb4, 0x30]);
        assert_ne!(pseudonym, mac("18:b4:30:01:02:03"));
        let other = macs.of(mac("18:b4:31:01:02:03"));
        assert_ne!(pseudonym.0[3..], other.0[3..], "each vendor has its own");
    }

    #[test]
    fn what_is_the_same_in_every_home_stays() {
        for same in [
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:fb",
            "01:00:5e:7f:ff:fa",
            "33:33:00:00:00:fb",
            "33:33:00:01:00:02",
            "01:80:c2:00:00:0e",
        ] {
            assert_eq!(made().of(mac(same)), mac(same));
        }
        for other in [
            "01:00:5e:01:02:03",
            "33:33:ff:01:02:03",
            "01:0d:de:01:02:03",
        ] {
            assert_ne!(made().of(mac(other)), mac(other));
        }
    }

    #[test]
    fn an_address_made_up_keeps_its_flags_alone() {
        let mut macs = made();
        let made_up: Vec<Mac> = (0..64)
            .map(|n| macs.of(Mac([2, 0x42, 0xac, 17, 0, n])))
            .collect();
        assert!(made_up.iter().all(|mac| mac.is_local() && !mac.is_group()));
        let vendors: BTreeSet<[u8; 3]> = made_up.iter().map(|mac| mac.oui()).collect();
        assert!(vendors.len() > 60, "{} of 64", vendors.len());
    }

    proptest! {
        /// No two addresses of a vendor share a pseudonym, whatever kind of vendor it is.
        #[test]
        fn no_two_addresses_share_a_pseudonym(
            oui in prop::sample::select(vec![[0, 0, 0], [0x18, 0xb4, 0x30], [1, 0, 0x5e], [0x33, 0x33, 0], [2, 1, 2], [255; 3]]),
            tails in prop::collection::btree_set(prop_oneof![0u32..0x400, 0xff_0000u32..0x100_0000, 0u32..0x100_0000], 2..40),
        ) {
            let mut macs = made();
            let pseudonyms: BTreeSet<[u8; 6]> = tails.iter().map(|tail| {
                let [_, d, e, f] = tail.to_be_bytes();
                let [a, b, c] = oui;
                macs.of(Mac([a, b, c, d, e, f])).0
            }).collect();
            prop_assert_eq!(pseudonyms.len(), tails.len());
        }

        #[test]
        fn flags_stay(bytes in any::<[u8; 6]>()) {
            let (mac, pseudonym) = (Mac(bytes), made().of(Mac(bytes)));
            prop_assert_eq!((mac.is_local(), mac.is_group()), (pseudonym.is_local(), pseudonym.is_group()));
            if !mac.is_local() {
                prop_assert_eq!(mac.oui(), pseudonym.oui());
            }
        }
    }
}
