//! Bytes of the bins that are not over, by flow: whose a flow is may become known within the second it began in.

use crate::flow::key::End;
use crate::flow::observer::Sight;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Flows of all open bins together; what more come are counted by the observer alone.
pub const FLOWS: usize = 65_536;

/// What a flow carried in one bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Its number.
    pub flow: u64,
    /// Where it was.
    pub index: usize,
    /// Bytes that each end sent.
    pub sent: [u64; 2],
}

impl Beat {
    /// Bytes up and down, where `local` is the device's end.
    pub fn from(self, local: End) -> (u64, u64) {
        (self.sent[local.index()], self.sent[local.other().index()])
    }
}

/// The bins that are not over.
#[derive(Debug, Default)]
pub struct Pulse {
    bins: BTreeMap<i64, HashMap<u64, Beat, RandomState>>,
    flows: usize,
    /// Bytes that found no room.
    pub crowded: u64,
}

impl Pulse {
    /// Counts a packet.
    pub fn add(&mut self, sight: Sight) {
        let beats = self.bins.entry(sight.bin).or_default();
        if self.flows >= FLOWS && !beats.contains_key(&sight.flow) {
            self.crowded = self.crowded.saturating_add(sight.bytes);
            return;
        }
        let known = beats.len();
        let beat = beats.entry(sight.flow).or_insert(Beat {
            flow: sight.flow,
            index: sight.index,
            sent: [0; 2],
        });
        let sent = &mut beat.sent[sight.sender.index()];
        *sent = sent.saturating_add(sight.bytes);
        self.flows += beats.len() - known;
    }

    /// The first bin there is.
    pub fn first(&self) -> Option<i64> {
        self.bins.keys().next().copied()
    }

    /// Takes the first bin out: its flows in the order they began.
    pub fn take(&mut self) -> Option<(i64, Vec<Beat>)> {
        let (bin, beats) = self.bins.pop_first()?;
        self.flows = self.flows.saturating_sub(beats.len());
        let mut beats: Vec<Beat> = beats.into_values().collect();
        beats.sort_unstable_by_key(|beat| beat.flow);
        Some((bin, beats))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(flow: u64, bin: i64, sender: End, bytes: u64) -> Sight {
        Sight {
            flow,
            index: 0,
            sender,
            bin,
            bytes,
        }
    }

    #[test]
    fn bins_are_given_in_order_with_their_bytes() {
        let mut pulse = Pulse::default();
        pulse.add(sight(7, 4, End::A, 100));
        pulse.add(sight(3, 5, End::B, 50));
        pulse.add(sight(7, 4, End::B, 30));
        pulse.add(sight(2, 4, End::A, 1));
        assert_eq!(pulse.first(), Some(4));
        let (bin, beats) = pulse.take().unwrap();
        let sent: Vec<_> = beats.iter().map(|beat| (beat.flow, beat.sent)).collect();
        assert_eq!((bin, sent), (4, vec![(2, [1, 0]), (7, [100, 30])]));
        assert_eq!(beats[1].from(End::B), (30, 100));
        assert_eq!(pulse.take().unwrap().0, 5);
        assert!(pulse.take().is_none());
    }

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let mut pulse = Pulse::default();
        for flow in 0..FLOWS as u64 + 100 {
            pulse.add(sight(flow, 1, End::A, 10));
        }
        pulse.add(sight(5, 1, End::A, 10));
        assert_eq!(pulse.crowded, 1000);
        let (_, beats) = pulse.take().unwrap();
        assert_eq!((beats.len(), beats[5].sent), (FLOWS, [20, 0]));
    }
}
