//! What was read, what was skipped and why: the reader of a result sees every count.

use crate::packet::dissect::{Damage, Packet};
use crate::packet::link::Skip;
use std::collections::BTreeMap;

/// Distinct reasons kept apart; a capture may name 65,536 Ethernet types.
const REASONS_AT_MOST: usize = 64;

/// Counts of frames by what became of them.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Frames seen.
    pub read: u64,
    /// Frames whose outermost IP header is version 4.
    pub ipv4: u64,
    /// Frames whose outermost IP header is version 6.
    pub ipv6: u64,
    /// Sum of the outermost IP packets' lengths.
    pub ip_bytes: u64,
    /// DNS messages over port 53, readable or not.
    pub dns_messages: u64,
    /// Multicast DNS and LLMNR messages.
    pub local_dns_messages: u64,
    /// DNS messages over TCP of which a segment held only a part.
    pub dns_split: u64,
    /// DNS messages of which nothing or only a part could be read.
    pub dns_damaged: u64,
    /// Packets whose IP header gave no length: the frame's was taken.
    pub length_from_wire: u64,
    /// Fragments after the first, which have no ports.
    pub later_fragments: u64,
    /// IP within IP.
    pub tunnelled: u64,
    /// Frames without a readable IP header, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// Frames with an IP header but a damaged inside, by damage.
    pub damaged: BTreeMap<Damage, u64>,
}

impl Census {
    /// Counts a frame that bears no readable IP packet.
    pub fn skip(&mut self, reason: Skip) {
        let reason = match reason {
            Skip::EtherType(_) if self.skipped.len() >= REASONS_AT_MOST => Skip::EtherType(0),
            reason => reason,
        };
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Counts an everyday packet: IPv4 with nothing odd about it.
    #[inline(always)]
    pub fn count_everyday(&mut self, length: u16) {
        self.ipv4 += 1;
        self.ip_bytes += u64::from(length);
    }

    /// Counts an IP packet.
    #[inline]
    pub fn count(&mut self, packet: &Packet<'_>) {
        if packet.version == 4 {
            self.ipv4 += 1;
        } else {
            self.ipv6 += 1;
        }
        self.ip_bytes += u64::from(packet.length);
        let plain = !packet.length_from_wire
            && !packet.later_fragment
            && !packet.tunnelled
            && packet.damaged.is_none();
        if !plain {
            self.count_odd(packet);
        }
    }

    #[cold]
    fn count_odd(&mut self, packet: &Packet<'_>) {
        self.length_from_wire += u64::from(packet.length_from_wire);
        self.later_fragments += u64::from(packet.later_fragment);
        self.tunnelled += u64::from(packet.tunnelled);
        if let Some(damage) = packet.damaged {
            *self.damaged.entry(damage).or_default() += 1;
        }
    }
}
