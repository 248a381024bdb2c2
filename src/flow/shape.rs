//! How a flow looks from outside once names and addresses are set aside: the traits of its sender's network stack and the
//! sizes it keeps using.
//!
//! A device's firmware fixes these for months, while the addresses of its servers move within weeks. They are gathered in
//! a fixed few bytes a flow, by a few compares a packet.

use crate::packet::dissect::Tcp;
use crate::units::Timestamp;

/// Payload sizes kept per direction.
const SLOTS: usize = 4;

/// The initial TTL a packet probably set out with: the smallest of the customary 32, 64, 128 and 255 that is not below
/// the one seen, since routers only ever count down and homes are few hops deep.
pub fn ttl_class(ttl: u8) -> u8 {
    match ttl {
        0..=32 => 32,
        33..=64 => 64,
        65..=128 => 128,
        129..=255 => 255,
    }
}

/// The commonest payload sizes of one direction, in order of frequency; approximate once more than four occur.
///
/// The first three places are kept for sizes that have come back; a newcomer has to outlast the last place
/// (after J. Misra and D. Gries, "Finding repeated elements", 1982, with the decrement limited to one place, so that a
/// flow of few and all different packets keeps its first three).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeSketch {
    places: [(u16, u16); SLOTS],
    total: u32,
}

impl SizeSketch {
    /// Counts one payload; empty ones (bare acknowledgements) are no payload.
    pub fn add(&mut self, payload_len: u32) {
        if payload_len == 0 {
            return;
        }
        let size = u16::try_from(payload_len).unwrap_or(u16::MAX);
        self.total = self.total.saturating_add(1);
        let mut before = u16::MAX;
        let mut found = None;
        for (place, slot) in self.places.iter_mut().enumerate() {
            if slot.1 == 0 {
                *slot = (size, 1);
                return;
            }
            if slot.0 == size {
                slot.1 = slot.1.saturating_add(1);
                found = (slot.1 > before).then_some(place);
                if found.is_none() {
                    return;
                }
                break;
            }
            before = slot.1;
        }
        match found {
            Some(place) => self.places.swap(place, place.saturating_sub(1)),
            None => {
                if let Some(last) = self.places.last_mut() {
                    last.1 = last.1.saturating_sub(1);
                    if last.1 == 0 {
                        *last = (size, 1);
                    }
                }
            }
        }
    }

    /// Payloads counted.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Sizes with their counts, the commonest first.
    pub fn sizes(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.places.iter().copied().filter(|&(_, count)| count > 0)
    }
}

/// A TCP timestamp with the instant it was seen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// The sender's TSval.
    pub ticks: u32,
    /// When the packet was seen.
    pub at: Timestamp,
}

/// What a flow looks like. Everything but `received` is of the local side, the home's device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Initial TTL by [`ttl_class`] of the first packet sent; 0 where none was.
    pub ttl: u8,
    /// Largest TCP receive window advertised, unscaled; 0 for other protocols.
    pub window: u16,
    /// What the opening SYN looked like; 0 where none was seen.
    pub syn: u32,
    /// First and last TCP timestamps sent; `None` where the sender uses none.
    pub clock: Option<(ClockReading, ClockReading)>,
    /// Payload sizes sent.
    pub sent: SizeSketch,
    /// Payload sizes received.
    pub received: SizeSketch,
}

impl Shape {
    /// Counts a packet the device sent.
    pub fn send(&mut self, at: Timestamp, ttl: u8, tcp: Option<&Tcp<'_>>, payload_len: u32) {
        if self.ttl == 0 {
            self.ttl = ttl_class(ttl);
        }
        if let Some(tcp) = tcp {
            self.window = self.window.max(tcp.window);
            if let Some(ticks) = timestamp_option(tcp.options) {
                let now = ClockReading { ticks, at };
                match &mut self.clock {
                    Some((_, last)) => *last = now,
                    None => self.clock = Some((now, now)),
                }
            }
            if tcp.is_syn() && self.syn == 0 {
                self.syn = syn_signature(tcp);
            }
        }
        self.sent.add(payload_len);
    }

    /// Counts a packet the device received.
    pub fn receive(&mut self, payload_len: u32) {
        self.received.add(payload_len);
    }
}

/// TSval of a TCP header's options, where the options begin with it: every stack in use lays an established connection's out as NOP NOP
/// timestamps (RFC 7323, appendix A), and a SYN's are walked.
pub fn timestamp_option(options: &[u8]) -> Option<u32> {
    match options {
        [] => None,
        [1, 1, 8, 10, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => walk(options).find_map(|(kind, value)| match (kind, value) {
            (8, [a, b, c, d, ..]) => Some(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => None,
        }),
    }
}

/// A number for the window, the window scale and the order of options of a SYN, never 0. The maximum segment size is left
/// out: routers on the way lower it.
fn syn_signature(tcp: &Tcp<'_>) -> u32 {
    // FNV-1a: small, and the same on every machine, since learned fingerprints store it.
    let mut hash: u32 = 0x811c_9dc5;
    let mut eat = |byte: u8| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    tcp.window.to_be_bytes().into_iter().for_each(&mut eat);
    for (kind, value) in walk(tcp.options) {
        eat(kind);
        if kind == 3 {
            eat(value.first().copied().unwrap_or(0));
        }
    }
    hash.max(1)
}

/// Kinds and values of TCP options, up to the first that makes no sense.
fn walk(mut options: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || match options {
        [] | [0, ..] => None,
        [1, rest @ ..] => {
            options = rest;
            Some((1, &[][..]))
        }
        [kind, length, ..] => {
            let option = options.get(..usize::from(*length))?;
            let value = option.get(2..)?;
            options = options.get(usize::from(*length)..)?;
            Some((*kind, value))
        }
        [_] => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(sizes: &[u32]) -> Vec<(u16, u16)> {
        let mut sketch = SizeSketch::default();
        sizes.iter().for_each(|&size| sketch.add(size));
        sketch.sizes().collect()
    }

    #[test]
    fn sizes_stand_in_order_of_frequency() {
        assert_eq!(sketch(&[90, 0, 74, 74, 0]), [(74, 2), (90, 1)]);
    }

    #[test]
    fn a_flow_of_different_sizes_keeps_its_first_three() {
        assert_eq!(
            sketch(&[1, 2, 3, 4, 5, 6]),
            [(1, 1), (2, 1), (3, 1), (6, 1)]
        );
    }

    #[test]
    fn a_heartbeat_that_comes_late_rises_to_the_first_place() {
        let mut sizes = vec![1, 2, 3, 4];
        sizes.extend([69; 20]);
        assert_eq!(sketch(&sizes).first(), Some(&(69, 20)));
    }

    #[test]
    fn ttls_are_rounded_up_to_where_they_started() {
        assert_eq!(
            [1, 32, 63, 64, 127, 128, 250].map(ttl_class),
            [32, 32, 64, 64, 128, 128, 255]
        );
    }

    fn tcp(window: u16, flags: u8, options: &[u8]) -> Tcp<'_> {
        Tcp {
            sequence: 0,
            flags,
            window,
            options,
        }
    }

    #[test]
    fn a_syn_is_told_by_window_scale_and_order_but_not_by_segment_size() {
        let lan = [2, 4, 5, 180, 1, 3, 3, 7];
        let clamped = [2, 4, 5, 172, 1, 3, 3, 7];
        let reordered = [1, 3, 3, 7, 2, 4, 5, 180];
        let of = |options| syn_signature(&tcp(4380, 2, options));
        assert_eq!(of(&lan), of(&clamped));
        assert_ne!(of(&lan), of(&reordered));
        assert_ne!(of(&lan), syn_signature(&tcp(4381, 2, &lan)));
    }

    #[test]
    fn clocks_are_read_from_any_layout_and_damage_reads_as_none() {
        assert_eq!(
            timestamp_option(&[1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0]),
            Some(256)
        );
        assert_eq!(
            timestamp_option(&[2, 4, 5, 180, 8, 10, 0, 0, 1, 1, 0, 0, 0, 0]),
            Some(257)
        );
        assert_eq!(timestamp_option(&[2, 0, 5, 180, 8, 10]), None);
        assert_eq!(timestamp_option(&[8]), None);
        let mut shape = Shape::default();
        let with_clock = [1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0];
        shape.send(Timestamp(5), 63, Some(&tcp(3555, 16, &with_clock)), 90);
        assert_eq!((shape.ttl, shape.window, shape.syn), (64, 3555, 0));
        assert_eq!(
            shape.clock.map(|(first, _)| (first.ticks, first.at)),
            Some((256, Timestamp(5)))
        );
    }
}
