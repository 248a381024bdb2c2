//! The network stack behind a packet: what tells two hosts apart whatever they talk about.

use crate::flow::shape::{timestamp_option, ttl_class};
use crate::packet::dissect::{Packet, Protocol};

/// What another initial TTL than that of the line's other protocols costs, in nats: most stacks have one for all, but some
/// differ (a sprinkler controller was seen with 128 for TCP and 255 for UDP). Within one protocol it excludes.
const OTHER_TTL: f32 = 3.0;
/// The flag of a TCP reset.
const RESET: u8 = 4;

/// What a packet shows of its sender's network stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Time to live as seen.
    pub ttl: u8,
    /// Transport.
    pub protocol: Protocol,
    /// Whether its TCP sends timestamps; `None` for other protocols, and where the packet does not tell.
    pub timestamps: Option<bool>,
}

impl Stack {
    /// The stack a packet shows.
    pub fn of(packet: &Packet<'_>) -> Self {
        // A reset bears no timestamp whoever sends it, and cut options tell nothing.
        let telling = packet.tcp.filter(|tcp| tcp.flags & RESET == 0);
        Self {
            ttl: packet.ttl,
            protocol: packet.protocol,
            timestamps: telling.map(|tcp| timestamp_option(tcp.options).is_some()),
        }
    }
}

/// The stack of a line's host, as far as its packets told.
#[derive(Clone, Copy, Debug, Default)]
pub struct StackSeen {
    /// Initial TTL of TCP, UDP and the rest; 0 while unknown.
    ttls: [u8; 3],
    timestamps: Option<bool>,
}

impl StackSeen {
    fn place(protocol: Protocol) -> usize {
        match protocol {
            Protocol::TCP => 0,
            Protocol::UDP => 1,
            _ => 2,
        }
    }

    /// What a packet of `stack` costs on this line, in nats; `None` where it cannot be of this host.
    pub fn cost(&self, stack: &Stack) -> Option<f32> {
        let class = ttl_class(stack.ttl);
        let same = self.ttls[Self::place(stack.protocol)];
        let clock = self
            .timestamps
            .zip(stack.timestamps)
            .is_none_or(|(a, b)| a == b);
        if !clock || same != 0 && same != class {
            return None;
        }
        let foreign = same == 0 && !self.ttls.contains(&class);
        Some(if foreign { OTHER_TTL } else { 0.0 })
    }

    /// Takes over what a packet shows that was not known.
    pub fn learn(&mut self, stack: &Stack) {
        let ttl = &mut self.ttls[Self::place(stack.protocol)];
        if *ttl == 0 {
            *ttl = ttl_class(stack.ttl);
        }
        self.timestamps = self.timestamps.or(stack.timestamps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(protocol: Protocol, ttl: u8, timestamps: Option<bool>) -> Stack {
        Stack {
            ttl,
            protocol,
            timestamps,
        }
    }

    #[test]
    fn another_ttl_of_one_protocol_excludes_of_another_costs() {
        let mut seen = StackSeen::default();
        seen.learn(&stack(Protocol::TCP, 127, Some(false)));
        assert_eq!(
            seen.cost(&stack(Protocol::TCP, 128, Some(false))),
            Some(0.0)
        );
        assert_eq!(seen.cost(&stack(Protocol::TCP, 64, Some(false))), None);
        assert_eq!(seen.cost(&stack(Protocol::UDP, 255, None)), Some(OTHER_TTL));
        seen.learn(&stack(Protocol::UDP, 255, None));
        assert_eq!(seen.cost(&stack(Protocol::UDP, 255, None)), Some(0.0));
    }

    #[test]
    fn a_stack_either_sends_timestamps_or_does_not() {
        let mut seen = StackSeen::default();
        seen.learn(&stack(Protocol::TCP, 64, Some(true)));
        assert_eq!(seen.cost(&stack(Protocol::TCP, 64, Some(false))), None);
        assert_eq!(seen.cost(&stack(Protocol::TCP, 64, None)), Some(0.0));
    }
}
