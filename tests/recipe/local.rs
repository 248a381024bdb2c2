//! What devices say at home: DHCP, ARP, the TP-Link plug's own protocol, time.

use super::packet::{Mac, Nanos};
use std::net::Ipv4Addr;

/// A DHCP message (RFC 2131).
pub struct Dhcp<'a> {
    /// 1 asks, 2 answers.
    pub op: u8,
    /// 1 discover, 2 offer, 3 request, 5 acknowledge.
    pub kind: u8,
    pub transaction: u32,
    pub mac: Mac,
    /// The address the client has, on renewal.
    pub has: Option<Ipv4Addr>,
    /// The address the server gives.
    pub given: Option<Ipv4Addr>,
    pub asks_for: Option<Ipv4Addr>,
    pub server: Option<Ipv4Addr>,
    pub host_name: &'a str,
    pub vendor_class: &'a str,
}

impl Dhcp<'_> {
    /// The message on the wire, 300 bytes at least.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, 1, 6, 0];
        bytes.extend(self.transaction.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.has.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
        bytes.extend(self.given.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
        bytes.extend([0; 8]);
        bytes.extend(self.mac);
        bytes.resize(236, 0);
        bytes.extend([0x63, 0x82, 0x53, 0x63]);
        bytes.extend([53, 1, self.kind]);
        if let Some(address) = self.asks_for {
            bytes.extend([50, 4]);
            bytes.extend(address.octets());
        }
        if let Some(address) = self.server {
            bytes.extend([54, 4]);
            bytes.extend(address.octets());
        }
        if self.op == 2 {
            bytes.extend([51, 4, 0, 1, 0x51, 0x80]);
            bytes.extend([
                1, 4, 255, 255, 255, 0, 3, 4, 192, 168, 1, 1, 6, 4, 192, 168, 1, 1,
            ]);
        }
        for (code, text) in [(12, self.host_name), (60, self.vendor_class)] {
            if !text.is_empty() && self.op == 1 {
                bytes.extend([code, text.len() as u8]);
                bytes.extend(text.bytes());
            }
        }
        if self.op == 1 {
            bytes.extend([55, 4, 1, 3, 6, 15]);
        }
        bytes.push(255);
        bytes.resize(bytes.len().max(300), 0);
        bytes
    }
}

/// ARP (RFC 826): `op` 1 asks, 2 answers.
pub fn arp(op: u8, from: (Mac, Ipv4Addr), to: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, op];
    bytes.extend(from.0);
    bytes.extend(from.1.octets());
    bytes.extend(to.0);
    bytes.extend(to.1.octets());
    bytes
}

/// TP-Link's plugs hide their words by a running exclusive or that starts with 171.
fn veil(words: &str) -> Vec<u8> {
    let mut key = 171;
    let veiled = words.bytes().map(|byte| {
        key ^= byte;
        key
    });
    veiled.collect()
}

/// A word to or from a TP-Link plug, over UDP.
pub fn tp_link_datagram(words: &str) -> Vec<u8> {
    veil(words)
}

/// The same over TCP, with its length before it.
pub fn tp_link_message(words: &str) -> Vec<u8> {
    [&(words.len() as u32).to_be_bytes()[..], &veil(words)].concat()
}

/// Seconds from 1900, where NTP counts from, to 1970.
const NTP_1970: i64 = 2_208_988_800;

fn ntp_time(at: Nanos) -> [u8; 8] {
    let seconds = (at.div_euclid(1_000_000_000) + NTP_1970) as u64;
    let fraction = ((at.rem_euclid(1_000_000_000) as u128) << 32) / 1_000_000_000;
    (seconds << 32 | fraction as u64).to_be_bytes()
}

/// A question for the time (RFC 5905) sent at `at`.
pub fn ntp_question(at: Nanos) -> Vec<u8> {
    let mut bytes = vec![0x23, 0, 6, 0xec];
    bytes.resize(40, 0);
    bytes.extend(ntp_time(at));
    bytes
}

/// Its answer by a server of the second stratum.
pub fn ntp_answer(asked: Nanos, at: Nanos) -> Vec<u8> {
    let mut bytes = vec![0x24, 2, 6, 0xec, 0, 0, 2, 0, 0, 0, 1, 0, 192, 0, 2, 200];
    bytes.extend(ntp_time(at - 64_000_000_000));
    bytes.extend(ntp_time(asked));
    bytes.extend(ntp_time(at));
    bytes.extend(ntp_time(at + 40_000));
    bytes
}
