//! Packets in cells: several small ones share a cell, a big one is split and rejoined.
//!
//! Genuine packets follow one another without anything between, for an IP packet tells its own length. A cell says where in
//! it the first packet begins, so that whoever missed a cell finds the next. A packet that does not end with its cell goes on
//! in the cell with the next counter.

use std::collections::{BTreeMap, VecDeque};

/// Most parts of packets that are kept until the rest comes, of each kind; the oldest go first.
pub const PARTS_AT_MOST: usize = 256;

/// How long an IP packet says it is; `None` where its first bytes do not tell yet.
///
/// # Errors
/// It is neither IPv4 nor IPv6, or shorter than its own header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Told(usize),
    /// More bytes are needed to tell.
    Untold,
    /// This is no IP packet.
    Wrong,
}

/// The length of the IP packet that begins here.
pub fn length(bytes: &[u8]) -> Length {
    let word = |at: usize| match bytes.get(at..at.saturating_add(2)) {
        Some(&[high, low]) => Some(usize::from(u16::from_be_bytes([high, low]))),
        _ => None,
    };
    let (told, least) = match bytes.first().map(|first| first >> 4) {
        Some(4) => (word(2), 20),
        Some(6) => (word(4).map(|payload| payload.saturating_add(40)), 40),
        Some(_) => return Length::Wrong,
        None => return Length::Untold,
    };
    match told {
        None => Length::Untold,
        Some(length) if length < least => Length::Wrong,
        Some(length) => Length::Told(length),
    }
}

/// Packets that wait for cells.
#[derive(Debug, Default)]
pub struct Outbox {
    packets: VecDeque<Vec<u8>>,
    /// Bytes of the first that have gone.
    gone: usize,
}

impl Outbox {
    /// Another packet waits.
    pub fn push(&mut self, packet: Vec<u8>) {
        self.packets.push_back(packet);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Takes so many bytes of what waits; where among them the first packet begins that does.
    pub fn take(&mut self, bytes: usize, into: &mut Vec<u8>) -> Option<usize> {
        let mut first = None;
        let mut taken = 0;
        while taken < bytes {
            let packet = self.packets.front()?;
            if self.gone == 0 {
                first = first.or(Some(taken));
            }
            let rest = packet.get(self.gone..).unwrap_or_default();
            let part = rest
                .get(..rest.len().min(bytes - taken))
                .unwrap_or_default();
            into.extend_from_slice(part);
            taken += part.len();
            self.gone += part.len();
            if self.gone >= packet.len() {
                self.packets.pop_front();
                self.gone = 0;
            }
        }
        first
    }
}

/// Packets that come together from cells, in whatever order those come.
#[derive(Debug, Default)]
pub struct Inbox {
    /// Begins of packets that go on in the cell after this one.
    begun: BTreeMap<u64, Vec<u8>>,
    /// What a cell has of a packet that began before it, and whether it has nothing else.
    rests: BTreeMap<u64, (Vec<u8>, bool)>,
    /// Parts that were given up.
    lost: u64,
}

impl Inbox {
    /// The packets that are whole now that a cell has come; of the other end's cells each has a counter one higher than the
    /// one before, and is given once.
    pub fn take(&mut self, counter: u64, first: Option<usize>, body: &[u8]) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        let (rest, mut begins) = body.split_at(first.unwrap_or(body.len()).min(body.len()));
        if !rest.is_empty() {
            self.rests.insert(counter, (rest.to_vec(), first.is_none()));
        }
        if let Some(before) = counter.checked_sub(1) {
            self.join(before, &mut whole);
        }
        while !begins.is_empty() {
            match length(begins) {
                Length::Told(length) if length <= begins.len() => {
                    let (packet, after) = begins.split_at(length);
                    whole.push(packet.to_vec());
                    begins = after;
                }
                Length::Told(_) | Length::Untold => {
                    self.begun.insert(counter, begins.to_vec());
                    break;
                }
                Length::Wrong => {
                    self.lost = self.lost.saturating_add(1);
                    break;
                }
            }
        }
        self.join(counter, &mut whole);
        while self.begun.len() > PARTS_AT_MOST {
            self.begun.pop_first();
            self.lost = self.lost.saturating_add(1);
        }
        while self.rests.len() > PARTS_AT_MOST {
            self.rests.pop_first();
        }
        whole
    }

    /// Joins what began in a cell with what follows it, as far as that has come.
    fn join(&mut self, mut cell: u64, whole: &mut Vec<Vec<u8>>) {
        while let Some(next) = cell.checked_add(1) {
            if !self.begun.contains_key(&cell) || !self.rests.contains_key(&next) {
                return;
            }
            let (Some(mut packet), Some((rest, goes_on))) =
                (self.begun.remove(&cell), self.rests.remove(&next))
            else {
                return;
            };
            packet.extend_from_slice(&rest);
            match length(&packet) {
                Length::Told(length) if length == packet.len() => {
                    whole.push(packet);
                    return;
                }
                Length::Told(length) if length > packet.len() && goes_on => {
                    self.begun.insert(next, packet);
                }
                Length::Untold if goes_on => {
                    self.begun.insert(next, packet);
                }
                _ => {
                    self.lost = self.lost.saturating_add(1);
                    return;
                }
            }
            cell = next;
        }
    }

    /// The other end began anew: its counters begin at the beginning again.
    pub fn clear(&mut self) {
        let parts = self.begun.len() as u64;
        self.lost = self.lost.saturating_add(parts);
        self.begun.clear();
        self.rests.clear();
    }

    /// Parts of packets that were given up: the rest did not come, or did not fit.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    /// An IPv4 packet of that length, its number in every byte behind the header.
    fn packet(length: u16, number: u8) -> Vec<u8> {
        let mut packet = vec![number; usize::from(length)];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet
    }

    #[test]
    fn an_ip_packet_tells_its_length() {
        assert_eq!(length(&packet(300, 1)), Length::Told(300));
        assert_eq!(length(&packet(300, 1)[..3]), Length::Untold);
        assert_eq!(length(&[0x60, 0, 0, 0, 0, 5]), Length::Told(45));
        assert_eq!(length(&[0x45, 0, 0, 19]), Length::Wrong);
        assert_eq!(
            [length(&[]), length(&[0x15])],
            [Length::Untold, Length::Wrong]
        );
    }

    #[test]
    fn small_packets_share_a_cell_and_a_big_one_is_split() {
        let mut outbox = Outbox::default();
        let packets = [packet(30, 1), packet(40, 2), packet(250, 3), packet(20, 4)];
        packets
            .iter()
            .cloned()
            .for_each(|packet| outbox.push(packet));
        let mut inbox = Inbox::default();
        let mut whole = Vec::new();
        let mut firsts = Vec::new();
        // Cells of 100: 30 + 40 + 30 of the third; 100; 100; 20 and the last one.
        for (counter, bytes) in [(7, 100), (8, 100), (9, 100), (10, 40)] {
            let mut body = Vec::new();
            let first = outbox.take(bytes, &mut body);
            assert_eq!(body.len(), bytes);
            firsts.push(first);
            whole.push(inbox.take(counter, first, &body).len());
        }
        assert_eq!(firsts, [Some(0), None, None, Some(20)]);
        assert_eq!((whole, inbox.lost()), (vec![2, 0, 0, 2], 0));
    }

    #[test]
    fn whatever_the_order_of_cells_every_packet_comes_once() {
        let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for lost in [0.0, 0.2] {
            let packets: Vec<Vec<u8>> = (0..200)
                .map(|number| packet(chance.gen_range(20..700), number))
                .collect();
            let mut outbox = Outbox::default();
            packets
                .iter()
                .cloned()
                .for_each(|packet| outbox.push(packet));
            let mut left: usize = packets.iter().map(Vec::len).sum();
            let (mut cells, mut counter) = (Vec::new(), 0u64);
            while left > 0 {
                let mut body = Vec::new();
                let first = outbox.take(left.min(150), &mut body);
                left -= body.len();
                cells.push((counter, first, body));
                counter += 1;
            }
            cells.retain(|_| !chance.gen_bool(lost));
            for window in cells.chunks_mut(40) {
                window.shuffle(&mut chance);
            }
            let mut inbox = Inbox::default();
            let mut whole: Vec<Vec<u8>> = cells
                .iter()
                .flat_map(|(counter, first, body)| inbox.take(*counter, *first, body))
                .collect();
            whole.sort_by_key(|packet| packet.last().copied());
            let unlost = whole.len();
            assert!(whole.iter().all(|packet| packets.contains(packet)));
            whole.dedup();
            assert_eq!(whole.len(), unlost, "each once");
            match lost > 0.0 {
                true => assert!((20..200).contains(&unlost), "{unlost}"),
                false => assert_eq!(unlost, 200),
            }
        }
    }

    #[test]
    fn parts_are_bounded_and_nonsense_is_dropped() {
        let mut inbox = Inbox::default();
        for counter in 0..10_000u64 {
            inbox.take(counter * 2, Some(0), &packet(300, 1)[..100]);
            inbox.take(counter * 2 + 20_001, None, &[9; 50]);
        }
        assert!(inbox.begun.len() <= PARTS_AT_MOST && inbox.rests.len() <= PARTS_AT_MOST);
        assert!(Inbox::default().take(0, Some(0), &[0xff; 60]).is_empty());
        assert!(Inbox::default().take(0, Some(900), &[0x45; 60]).is_empty());
    }
}
