//! What time it is, told by packets.
//!
//! A live capture's packets bear the time of now; a capture that is played again bears its own, at whatever speed it comes.
//! Either way the latest packet tells the time, and while none comes the feeder's waiting does. A single packet with a time
//! far off (a damaged record, a clock that was set) must not age all that is known by years, so the first few are not
//! believed.

use crate::units::Timestamp;
use std::time::Duration;

/// How far ahead of or behind the time a packet may be and be believed at once.
pub const FAR: Duration = Duration::from_secs(3600);
/// So many packets in a row that agree on a time far off are believed.
pub const WITNESSES: u32 = 8;

/// What a packet's time means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is now this late; or it is not later than it was, as the packet came a little out of order.
    Now(Timestamp),
    /// The packet's time is far off, and not believed.
    Doubted,
    /// The clock was set back, far: it is now this early.
    SetBack(Timestamp),
}

/// The time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    now: Option<Timestamp>,
    /// A time far off, and how many packets in a row agree on it.
    rumour: Option<(Timestamp, u32)>,
}

impl Clock {
    /// What time it is; none before the first packet.
    pub fn now(&self) -> Option<Timestamp> {
        self.now
    }

    /// A packet of this time came.
    pub fn hear(&mut self, at: Timestamp) -> Told {
        let Some(now) = self.now else {
            self.now = Some(at);
            return Told::Now(at);
        };
        let near = |a: Timestamp, b: Timestamp| a.since(b) <= FAR && b.since(a) <= FAR;
        if near(now, at) {
            self.rumour = None;
            self.now = Some(now.max(at));
            return Told::Now(now.max(at));
        }
        let witnesses = match self.rumour {
            Some((known, witnesses)) if near(known, at) => witnesses.saturating_add(1),
            _ => 1,
        };
        if witnesses < WITNESSES {
            self.rumour = Some((at, witnesses));
            return Told::Doubted;
        }
        self.rumour = None;
        self.now = Some(at);
        match at > now {
            true => Told::Now(at),
            false => Told::SetBack(at),
        }
    }

    /// It has become this late while no packet came.
    pub fn wait(&mut self, until: Timestamp) -> Option<Timestamp> {
        self.now = self.now.map(|now| now.max(until));
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::new(second, 0)
    }

    #[test]
    fn the_latest_packet_tells_the_time() {
        let mut clock = Clock::default();
        assert_eq!(clock.wait(at(5)), None);
        assert_eq!(clock.hear(at(10)), Told::Now(at(10)));
        assert_eq!(clock.hear(at(8)), Told::Now(at(10)));
        assert_eq!(clock.wait(at(12)), Some(at(12)));
        assert_eq!(clock.hear(at(11)), Told::Now(at(12)));
    }

    #[test]
    fn one_packet_from_2106_is_not_believed_but_a_gap_is() {
        let mut clock = Clock::default();
        clock.hear(at(10));
        assert_eq!(clock.hear(at(4_294_967_295)), Told::Doubted);
        assert_eq!(clock.hear(at(11)), Told::Now(at(11)));
        for second in 0..7 {
            assert_eq!(clock.hear(at(90_000 + second)), Told::Doubted);
        }
        assert_eq!(clock.hear(at(90_007)), Told::Now(at(90_007)));
        for _ in 0..7 {
            assert_eq!(clock.hear(at(100)), Told::Doubted);
        }
        assert_eq!(clock.hear(at(100)), Told::SetBack(at(100)));
    }
}
