//! Pseudonyms of IP addresses that keep prefixes: two addresses that share their first n bits, and no more, have pseudonyms
//! that share their first n bits, and no more.
//!
//! J. Xu, J. Fan, M. H. Ammar, S. B. Moon: "Prefix-Preserving IP Address Anonymization" (Crypto-PAn), ICNP 2002: each bit is
//! flipped or not as a secret function of the bits before it says. The function is that of ipcrypt-pfx (F. Denis, "Methods for
//! IP Address Encryption and Obfuscation", draft-denis-ipcrypt), by the ipcrypt-rs crate. Where we differ: an address keeps
//! its class. No bit is flipped as long as the bits before it may still become one of the prefixes below; so a private address
//! stays in its private range, no public one comes to lie there, and the law of prefixes holds all the same. Its price: of
//! addresses next to such a range the leading bits up to where they part stay as they are (192.169.0.0/16 stays itself).
//!
//! What prefix-preserving pseudonyms cannot hide: whoever knows some of the true addresses, by sending packets of their own
//! for instance, learns the prefixes that others share with them.

use super::key::Key;
use ipcrypt_rs::IpcryptPfx;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses whose pseudonyms are remembered, of each version. One costs 64 or 256 runs of AES to make.
const REMEMBERED: usize = 4096;

/// 2^64 over the golden ratio: multiplied by it, numbers that lie close come to lie apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A range that stays where it is.
struct Class {
    /// Its first address, as a number of as many bits as an address has, at the upper end.
    first: u128,
    /// Leading bits that make it.
    length: u32,
    /// Whether addresses within it stay as well: they are the same in every home.
    whole: bool,
}

const fn v4(first: [u8; 4], length: u32, whole: bool) -> Class {
    Class {
        first: (u32::from_be_bytes(first) as u128) << 96,
        length,
        whole,
    }
}

const fn v6(high: u64, low: u64, length: u32, whole: bool) -> Class {
    Class {
        first: (high as u128) << 64 | low as u128,
        length,
        whole,
    }
}

/// The classes of IPv4: "this host" (RFC 1122), private (RFC 1918), shared (RFC 6598), loopback, link-local, multicast and of
/// it the assigned groups of networks and of SSDP, broadcast.
const CLASSES_4: [Class; 10] = [
    v4([0, 0, 0, 0], 32, true),
    v4([10, 0, 0, 0], 8, false),
    v4([172, 16, 0, 0], 12, false),
    v4([192, 168, 0, 0], 16, false),
    v4([100, 64, 0, 0], 10, false),
    v4([127, 0, 0, 0], 8, true),
    v4([169, 254, 0, 0], 16, false),
    v4([224, 0, 0, 0], 23, true),
    v4([239, 255, 255, 250], 32, true),
    v4([255, 255, 255, 255], 32, true),
];

/// Multicast of IPv4: its first four bits stay.
const GROUPS_4: Class = v4([224, 0, 0, 0], 4, false);

/// The classes of IPv6: unspecified and loopback, unique local (RFC 4193), link-local (RFC 4291, section 2.5.6), the groups of
/// those that look for an address's owner (section 2.7.1), of which the last 24 bits are the address's.
const CLASSES_6: [Class; 4] = [
    v6(0, 0, 127, true),
    v6(0xfc00 << 48, 0, 7, false),
    v6(0xfe80 << 48, 0, 64, false),
    v6(0xff02 << 48, 0x1_ff00_0000, 104, false),
];

/// Bits of a group address of IPv6 that tell its flags and scope.
const GROUP_KIND: u32 = 16;
/// Groups that are assigned (RFC 4291, section 2.7; 2 and more in the 16 bits before the last are not) have no other bits but
/// the last 17.
const GROUP_ASSIGNED: u32 = 111;

/// Makes pseudonyms of addresses, and remembers some.
pub struct Addresses {
    cipher: IpcryptPfx,
    // Zero has the pseudonym zero, in both versions: a place of zeros says what is true.
    known_4: Box<[(u32, u32)]>,
    known_6: Box<[(u128, u128)]>,
}

impl Addresses {
    /// Pseudonyms under a key.
    pub fn new(key: &Key) -> Self {
        let mut secret = key.for_purpose("stp-audit addresses 1");
        // The cipher takes no key of two equal halves, which chance makes once in 2^128.
        if secret.first_chunk::<16>() == secret.last_chunk::<16>() {
            secret[0] ^= 1;
        }
        Self {
            cipher: IpcryptPfx::new(secret),
            known_4: vec![(0, 0); REMEMBERED].into(),
            known_6: vec![(0, 0); REMEMBERED].into(),
        }
    }

    /// The pseudonym of an address, of its version and class.
    pub fn of(&mut self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(address) => IpAddr::V4(self.of_v4(address.to_bits()).into()),
            IpAddr::V6(address) => IpAddr::V6(self.of_v6(address.to_bits()).into()),
        }
    }

    /// The pseudonym of an IPv4 address, as numbers.
    pub(super) fn of_v4(&mut self, address: u32) -> u32 {
        let place = u64::from(address).wrapping_mul(SPREAD) >> 32;
        let place = place as usize % REMEMBERED;
        if let Some((_, pseudonym)) = self.known_4.get(place).filter(|known| known.0 == address) {
            return *pseudonym;
        }
        let pseudonym = match self.cipher.encrypt_ipaddr(Ipv4Addr::from(address).into()) {
            IpAddr::V4(all) => {
                let bits = u128::from(address) << 96;
                let flips = u128::from(all.to_bits() ^ address) << 96;
                ((bits ^ (flips & below(kept_v4(bits)))) >> 96) as u32
            }
            IpAddr::V6(_) => 0,
        };
        if let Some(known) = self.known_4.get_mut(place) {
            *known = (address, pseudonym);
        }
        pseudonym
    }

    /// The pseudonym of an IPv6 address, as numbers.
    pub(super) fn of_v6(&mut self, address: u128) -> u128 {
        let folded = (address >> 64) as u64 ^ (address as u64).rotate_left(29);
        let place = (folded.wrapping_mul(SPREAD) >> 32) as usize % REMEMBERED;
        if let Some((_, pseudonym)) = self.known_6.get(place).filter(|known| known.0 == address) {
            return *pseudonym;
        }
        let all = match self.cipher.encrypt_ipaddr(Ipv6Addr::from(address).into()) {
            IpAddr::V6(all) => all,
            IpAddr::V4(mapped) => mapped.to_ipv6_mapped(),
        };
        let pseudonym = address ^ ((all.to_bits() ^ address) & below(kept_v6(address)));
        if let Some(known) = self.known_6.get_mut(place) {
            *known = (address, pseudonym);
        }
        pseudonym
    }
}

/// Every bit but the first `kept`.
fn below(kept: u32) -> u128 {
    u128::MAX.checked_shr(kept).unwrap_or(0)
}

/// How many leading bits of an address stay because of a class: all that make it; outside it those up to where they part, and
/// that one too. Whether a bit stays is so told by those before it alone, which is what keeps prefixes.
fn kept(address: u128, class: &Class) -> u32 {
    let common = (address ^ class.first).leading_zeros();
    if common < class.length {
        common + 1
    } else if class.whole {
        u128::BITS
    } else {
        class.length
    }
}

fn kept_v4(address: u128) -> u32 {
    let classes = CLASSES_4.iter().chain([&GROUPS_4]);
    classes.map(|class| kept(address, class)).max().unwrap_or(0)
}

fn kept_v6(address: u128) -> u32 {
    let classes = CLASSES_6.iter().map(|class| kept(address, class));
    let mut most = classes.max().unwrap_or(0);
    // Groups: flags and scope stay. Where the flags are 0 the group may be an assigned one.
    let kind = address >> (u128::BITS - GROUP_KIND);
    let groups = v6(0xff00 << 48, 0, 8, false);
    most = most.max(kept(address, &groups));
    if kind >> 8 == 0xff {
        most = most.max(GROUP_KIND);
    }
    if kind >> 4 == 0xff0 {
        let assigned = Class {
            first: kind << (u128::BITS - GROUP_KIND),
            length: GROUP_ASSIGNED,
            whole: true,
        };
        most = most.max(kept(address, &assigned));
    }
    most
}

impl std::fmt::Debug for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Addresses(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made() -> Addresses {
        Addresses::new(&Key::new(b"a key for tests, of 32 bytes, ok").unwrap())
    }

    /// The vectors of draft-denis-ipcrypt, appendix "ipcrypt-pfx": the crate does what was published.
    #[test]
    fn the_cipher_is_the_published_one() {
        let key = [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54,
            0x32, 0x10, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0xef, 0xcd, 0xab, 0x89,
            0x67, 0x45, 0x23, 0x01,
        ];
        let cipher = IpcryptPfx::new(key);
        for (plain, encrypted) in [
            ("0.0.0.0", "151.82.155.134"),
            ("255.255.255.255", "94.185.169.89"),
            ("192.0.2.1", "100.115.72.131"),
            ("2001:db8::1", "c180:5dd4:2587:3524:30ab:fa65:6ab6:f88"),
        ] {
            let address = cipher.encrypt_ipaddr(plain.parse().unwrap());
            assert_eq!(address.to_string(), encrypted, "{plain}");
        }
    }

    #[test]
    fn what_is_the_same_in_every_home_stays() {
        let mut addresses = made();
        for same in [
            "0.0.0.0",
            "127.0.0.1",
            "224.0.0.251",
            "224.0.1.129",
            "239.255.255.250",
            "255.255.255.255",
            "::",
            "::1",
            "ff02::1",
            "ff02::fb",
            "ff02::1:2",
            "ff05::1:3",
        ] {
            let address: IpAddr = same.parse().unwrap();
            for _ in 0..2 {
                assert_eq!(addresses.of(address), address);
            }
        }
        for other in [
            "8.8.8.8",
            "192.168.1.5",
            "10.0.0.2",
            "239.1.2.3",
            "2001:db8::1",
            "fe80::1",
            "ff02::1:ff12:3456",
            "ff12::beef",
        ] {
            let address: IpAddr = other.parse().unwrap();
            assert_ne!(addresses.of(address), address);
        }
    }

    #[test]
    fn another_key_gives_other_pseudonyms_and_the_same_key_the_same() {
        let address: IpAddr = "203.0.113.9".parse().unwrap();
        let other = Key::new(b"another key, also of 32 bytes ok").unwrap();
        assert_ne!(made().of(address), Addresses::new(&other).of(address));
        assert_eq!(made().of(address), made().of(address));
    }

    /// What an address is, whichever number it has.
    fn class(address: IpAddr) -> [bool; 6] {
        match address {
            IpAddr::V4(v4) => [
                v4.is_private(),
                v4.is_link_local(),
                v4.is_loopback(),
                v4.is_multicast(),
                v4.is_broadcast() || v4.is_unspecified(),
                v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64,
            ],
            IpAddr::V6(v6) => [
                v6.is_unique_local(),
                v6.is_unicast_link_local(),
                v6.is_loopback(),
                v6.is_multicast(),
                v6.is_unspecified(),
                v6.segments()[0] >> 13 == 1,
            ],
        }
    }

    /// Addresses near and within every class, and any.
    fn v4_near() -> impl Strategy<Value = u32> {
        let classes =
            prop::sample::select(CLASSES_4.map(|class| (class.first >> 96) as u32).to_vec());
        prop_oneof![
            any::<u32>(),
            (classes, 0u32..32, any::<u32>())
                .prop_map(|(first, keep, low)| first ^ (low & u32::MAX >> keep)),
        ]
    }

    fn v6_near() -> impl Strategy<Value = u128> {
        let mut firsts = CLASSES_6.map(|class| class.first).to_vec();
        firsts.extend([
            0xff02 << 112,
            0xff12 << 112,
            0x2001_0db8 << 96,
            0xffff << 32,
        ]);
        let firsts = prop::sample::select(firsts);
        prop_oneof![
            any::<u128>(),
            (firsts, 0u32..128, any::<u128>())
                .prop_map(|(first, keep, low)| first ^ (low & u128::MAX >> keep)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Exactly the common prefix is kept: so too no two addresses share a pseudonym.
        #[test]
        fn common_prefixes_of_ipv4_are_kept_to_the_bit(a in v4_near(), b in v4_near(), near in 0u32..33) {
            let mut addresses = made();
            let b = if b & 1 == 0 { b } else { a ^ u32::MAX.checked_shr(near).unwrap_or(0) & b };
            let (x, y) = (addresses.of_v4(a), addresses.of_v4(b));
            prop_assert_eq!((a ^ b).leading_zeros(), (x ^ y).leading_zeros());
            prop_assert_eq!(class(Ipv4Addr::from(a).into()), class(Ipv4Addr::from(x).into()));
        }

        #[test]
        fn common_prefixes_of_ipv6_are_kept_to_the_bit(a in v6_near(), b in v6_near(), near in 0u32..129) {
            let mut addresses = made();
            let b = if b & 1 == 0 { b } else { a ^ u128::MAX.checked_shr(near).unwrap_or(0) & b };
            let (x, y) = (addresses.of_v6(a), addresses.of_v6(b));
            prop_assert_eq!((a ^ b).leading_zeros(), (x ^ y).leading_zeros());
            prop_assert_eq!(class(Ipv6Addr::from(a).into()), class(Ipv6Addr::from(x).into()));
        }
    }
}
