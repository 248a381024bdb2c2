//! What a tunnel did that was really run, beside what the simulator said of it.

use crate::stats::Interval;
use serde::Serialize;
use std::time::Duration;

/// Overheads that differ by no more than this share agree: what handshakes and requests take, and a scheduler's missed cells.
pub const NEAR: f64 = 0.05;

/// Tunnels over real sockets, all together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loopback {
    /// Seconds of the trace that were lived.
    pub seconds: f64,
    /// The trace's seconds in one of the clock.
    pub time_scale: f64,
    /// Tunnels: devices, or the home.
    pub tunnels: u64,
    /// Whether cells were sent under SCHED_FIFO.
    pub real_time: bool,
    /// `pass` or `constant`.
    pub quiet_traffic: String,
    /// Genuine packets that came to an end.
    pub offered: u64,
    /// Of them, those that came out at the other, once, byte for byte.
    pub delivered: u64,
    /// Of them, all others, but for those that were on their way.
    pub dropped: u64,
    /// Of them, those on their way when the run was stopped before its time.
    pub unfinished: u64,
    /// Packets that came out otherwise than they went in.
    pub altered: u64,
    /// Packets that came out again.
    pub repeated: u64,
    /// Packets that came out after a later one of their flow.
    pub disordered: u64,
    /// Datagrams that the relay saw.
    pub datagrams: u64,
    /// Sizes of their IP packets, each once; a tunnel has one.
    pub datagram_sizes: Vec<u64>,
    /// Handshakes that were completed.
    pub handshakes: u64,
    /// Cells that were due and not sent, for the next was due as well: a machine too busy.
    pub missed_cells: u64,
    /// What a capture on lo saw; `None` where there was none.
    pub capture: Option<Captured>,
    /// Why there was none.
    pub no_capture: Option<String>,
    /// b, of what the relay saw.
    pub overhead_wire: Option<f64>,
    /// b, of the simulator with the same seed.
    pub overhead_simulated: Option<f64>,
    /// How much later than planned a cell of padding was sent, in microseconds of the clock.
    pub schedule_error_us: Tail,
    /// How much later a packet came out than it came, in milliseconds of the trace.
    pub added_latency_ms: Ways,
    /// Each adversary on the wire and on the simulator.
    pub agreement: Vec<Agreement>,
    /// Whether overheads are within 5 % and no two intervals are apart.
    pub agrees: bool,
    /// What this wire shows by its nature, in words.
    pub leaks: Vec<String>,
}

/// What libpcap saw on lo of datagrams on their way from an end to a relay.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Captured {
    /// Datagrams.
    pub datagrams: u64,
    /// Sizes of their IP packets, each once.
    pub datagram_sizes: Vec<u64>,
    /// Packets of lo, of whomever, that the kernel had no room to hand over.
    pub dropped: u64,
    /// How far its time of a datagram is from the relay's, in microseconds of the clock.
    pub apart_us: Tail,
    /// Whether it saw what the relays saw: as many datagrams each way, of the same sizes.
    pub agrees: bool,
}

/// Three numbers of many; `None` of none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Tail {
    /// Half are no more than this.
    pub p50: Option<f64>,
    /// 99 % are no more than this.
    pub p99: Option<f64>,
    /// The most.
    pub max: Option<f64>,
}

/// By direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ways {
    /// From the devices.
    pub up: Tail,
    /// To them.
    pub down: Tail,
}

/// One adversary at all devices together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Who.
    pub adversary: String,
    /// c on the wire; `None` without a claim.
    pub wire: Option<Interval>,
    /// c on the simulator; `None` without a claim.
    pub simulated: Option<Interval>,
    /// Whether the intervals meet; `None` where there are not two.
    pub meet: Option<bool>,
}

impl Tail {
    /// Of durations in nanoseconds, in any order; told in the unit that so many nanoseconds make.
    pub fn of(nanos: &mut [u64], unit: f64) -> Self {
        let delay = crate::threat::Delay::of(nanos);
        let told = |of: Duration| (!nanos.is_empty()).then(|| of.as_nanos() as f64 / unit);
        Self {
            p50: told(delay.p50),
            p99: told(delay.p99),
            max: told(delay.max),
        }
    }
}

impl Agreement {
    /// Of two intervals.
    pub fn of(adversary: &str, wire: Option<Interval>, simulated: Option<Interval>) -> Self {
        let both = wire.zip(simulated);
        Self {
            adversary: adversary.to_owned(),
            wire,
            simulated,
            meet: both.map(|(a, b)| a.low <= b.high && b.low <= a.high),
        }
    }
}

/// Whether a wire and a simulator agree: overheads within [`NEAR`], and no two intervals apart. Nothing to compare agrees with
/// nothing.
pub fn agree(wire: Option<f64>, simulated: Option<f64>, agreement: &[Agreement]) -> bool {
    let near = |(a, b): (f64, f64)| b > 0.0 && (a / b - 1.0).abs() <= NEAR;
    let apart = agreement.iter().any(|one| one.meet == Some(false));
    wire.zip(simulated).is_some_and(near) && !apart
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::wilson;

    #[test]
    fn a_wire_and_a_simulator_agree_where_intervals_meet_and_overheads_are_near() {
        let (some, near, far) = (wilson(5, 10), wilson(60, 100), wilson(99, 100));
        let one = Agreement::of("a", some, near);
        assert_eq!(one.meet, Some(true));
        let other = Agreement::of("b", some, far);
        assert_eq!(other.meet, Some(false));
        assert_eq!(Agreement::of("c", None, far).meet, None);
        assert!(agree(Some(4.1), Some(4.0), std::slice::from_ref(&one)));
        assert!(!agree(Some(4.3), Some(4.0), std::slice::from_ref(&one)));
        assert!(!agree(Some(4.0), Some(4.0), &[one, other]));
        assert!(!agree(None, Some(4.0), &[]));
    }

    #[test]
    fn tails_are_told_in_their_unit() {
        let tail = Tail::of(&mut [3_000, 1_000, 2_000], 1e3);
        assert_eq!(
            (tail.p50, tail.p99, tail.max),
            (Some(2.0), Some(3.0), Some(3.0))
        );
        assert_eq!(Tail::of(&mut [], 1e3), Tail::default());
    }
}
