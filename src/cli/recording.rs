//! Every packet of a capture, kept while it is watched: standard input and FIFOs cannot be read twice.
//!
//! Whose a flow is and which end is the home's is known only when all was seen; until then a packet bears the number of its
//! key and which end sent it. 24 bytes a packet, the same that become the trace's.

use crate::capture::Frame;
use crate::flow::key::{End, FlowKey};
use crate::packet::dissect::{dissect, Packet};
use crate::trace::{self, PACKETS_AT_MOST};
use crate::units::Direction;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// Flows told apart, 100 bytes each; as many as can be listed at most (`--max-flows`).
const KEYS_AT_MOST: usize = 4_000_000;

/// What was recorded so far.
#[derive(Debug, Default)]
pub struct Recorder {
    packets: Vec<trace::Packet>,
    keys: Vec<FlowKey>,
    numbers: HashMap<FlowKey, u32, RandomState>,
    last: Option<(FlowKey, u32)>,
    keyless: u64,
    full: bool,
}

/// What was recorded.
#[derive(Debug, Default)]
pub struct Recording {
    /// Packets in the order they came; `flow` is a place in `keys`, and `direction` is up where the key's end A sent it.
    pub packets: Vec<trace::Packet>,
    /// Keys, each once.
    pub keys: Vec<FlowKey>,
    /// Packets left out because there were too many flows.
    pub keyless: u64,
    /// Whether there were too many packets; those that came first were kept.
    pub full: bool,
}

impl Recorder {
    /// Whether nothing more is kept.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Keeps a frame's packet; what bears none is counted by the observer.
    #[inline(never)] // not in the loop of those who keep none
    pub fn keep(&mut self, frame: &Frame<'_>) {
        let mut packet = Packet::blank();
        if dissect(frame, &mut packet).is_err() {
            return;
        }
        let (key, sender) = FlowKey::of(&packet);
        let Some(flow) = self.number(key) else {
            self.keyless += 1;
            return;
        };
        if self.packets.len() >= PACKETS_AT_MOST {
            self.full = true;
            return;
        }
        self.packets.push(trace::Packet {
            at: frame.at,
            flow,
            direction: match sender {
                End::A => Direction::Up,
                End::B => Direction::Down,
            },
            bytes: packet.length,
        });
    }

    fn number(&mut self, key: FlowKey) -> Option<u32> {
        // Packets come in bursts of one flow.
        if let Some((_, number)) = self.last.filter(|(last, _)| *last == key) {
            return Some(number);
        }
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.keys.len()).ok()?;
                if self.keys.len() >= KEYS_AT_MOST {
                    return None;
                }
                self.keys.push(key);
                self.numbers.insert(key, number);
                number
            }
        };
        self.last = Some((key, number));
        Some(number)
    }

    /// What was recorded, once there is no more to come.
    pub fn finish(self) -> Recording {
        Recording {
            packets: self.packets,
            keys: self.keys,
            keyless: self.keyless,
            full: self.full,
        }
    }
}
