//! How many machines were heard: the hardware addresses that frames came from, each once.

use crate::capture::{Frame, LinkType};
use foldhash::fast::RandomState;
use hashbrown::HashSet;

/// Addresses told apart: more than any home has, and less than anybody could fill memory with.
const SENDERS_AT_MOST: usize = 4_096;

/// The senders heard so far.
#[derive(Debug, Default)]
pub struct Senders {
    heard: HashSet<[u8; 6], RandomState>,
    /// Frames come in bursts of one sender.
    last: [u8; 6],
}

impl Senders {
    /// Hears a frame.
    #[inline]
    pub fn hear(&mut self, frame: &Frame<'_>) {
        match sender(frame) {
            Some(address) if address != self.last => {
                self.last = address;
                if self.heard.len() < SENDERS_AT_MOST {
                    self.heard.insert(address);
                }
            }
            _ => {}
        }
    }

    /// How many there were, and `+` where there may have been more.
    pub fn told(&self) -> String {
        match self.heard.len() {
            SENDERS_AT_MOST.. => format!("{SENDERS_AT_MOST}+ devices"),
            1 => "1 device".to_owned(),
            some => format!("{some} devices"),
        }
    }
}

/// Whom a frame came from: a single machine's address, and not nobody's.
fn sender(frame: &Frame<'_>) -> Option<[u8; 6]> {
    // Of cooked frames, the length of an address is told, and other lengths are no Ethernet's.
    let (at, length) = match frame.link {
        LinkType::ETHERNET => (6, 6),
        LinkType::SLL => (6, *frame.data.get(5)?),
        LinkType::SLL2 => (12, *frame.data.get(11)?),
        _ => return None,
    };
    let address: [u8; 6] = frame.data.get(at..at + 6)?.try_into().ok()?;
    let is_one = length == 6 && address[0] & 1 == 0 && address != [0; 6];
    is_one.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    fn frame(link: LinkType, data: &[u8]) -> Frame<'_> {
        Frame {
            at: Timestamp(0),
            link,
            wire_len: 60,
            data,
            interface: 0,
        }
    }

    #[test]
    fn each_sender_counts_once() {
        let mut senders = Senders::default();
        assert_eq!(senders.told(), "0 devices");
        let mut ethernet = [0; 14];
        for last in [1, 1, 2, 1] {
            ethernet[6..12].copy_from_slice(&[2, 0, 0, 0, 0, last]);
            senders.hear(&frame(LinkType::ETHERNET, &ethernet));
        }
        assert_eq!(senders.told(), "2 devices");
        // A group's address and nobody's are no senders; a cut frame tells none.
        ethernet[6] = 3;
        senders.hear(&frame(LinkType::ETHERNET, &ethernet));
        senders.hear(&frame(LinkType::ETHERNET, &[0; 14]));
        senders.hear(&frame(LinkType::ETHERNET, &[2; 11]));
        assert_eq!(senders.told(), "2 devices");
        // The same machine, heard through "any".
        let mut cooked = [0; 20];
        cooked[11] = 6;
        cooked[12..18].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        senders.hear(&frame(LinkType::SLL2, &cooked));
        assert_eq!(senders.told(), "2 devices");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut senders = Senders::default();
        let mut ethernet = [0; 14];
        for number in 0..5_000u16 {
            let [a, b] = number.to_be_bytes();
            ethernet[6..12].copy_from_slice(&[2, 0, 0, 0, a, b]);
            senders.hear(&frame(LinkType::ETHERNET, &ethernet));
        }
        assert_eq!(senders.told(), "4096+ devices");
    }
}
