//! What can be seen of a padded period, or a burst, and around it, in numbers.
//!
//! Times are counted by their logarithm, so that a second more matters after a second and not after a day; the clock is UTC,
//! as the capture's. Whoever knows where the home is shifts it, which no tree and no line minds.

use super::questions::{held, tracks, Held, Track, Unit};
use super::wire::Wire;
use crate::threat::{Knowledge, Sighting};
use crate::units::{Span, Timestamp, NANOS};
use std::f64::consts::TAU;

/// The name of each number of a row, in its order.
pub const NAMES: [&str; 41] = [
    "run_periods",
    "position",
    "periods_after",
    "seconds",
    "gap_before_s",
    "gap_after_s",
    "day_sine",
    "day_cosine",
    "hour",
    "week_sine",
    "week_cosine",
    "up_bytes",
    "down_bytes",
    "up_packets",
    "down_packets",
    "up_to_100",
    "up_to_300",
    "up_to_700",
    "up_above",
    "down_to_100",
    "down_to_300",
    "down_to_700",
    "down_above",
    "second_phase",
    "period_phase",
    "first_half",
    "others_now",
    "others_begun_before",
    "others_begun_after",
    "own_10_min_before",
    "own_1_h_before",
    "own_6_h_before",
    "own_1_h_after",
    "all_10_min_before",
    "all_1_h_before",
    "all_24_h_around",
    "quiet_packets_before",
    "quiet_packets_after",
    "quiet_bytes_before",
    "quiet_bytes_after",
    "track",
];

/// The places in a row that tell the hour or the day.
pub const CLOCK: std::ops::Range<usize> = 6..11;
/// The place that tells the hour, 0 to below 24.
pub const HOUR: usize = 8;

/// How long before and after a unit packets outside of padding are counted.
const AROUND_S: i64 = 10;
/// Longest gap that is told from longer ones: a week.
const GAP_AT_MOST_S: f64 = 604_800.0;

/// A question: what it is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// When.
    pub span: Span,
    /// Whose use of a device; `None`: of any.
    pub device: Option<usize>,
    /// Which model answers it, where there is one for each device; 0 where there is but one.
    pub part: u32,
}

/// All begins and ends of what is on the wire, for counting.
struct Moments {
    begins: Vec<Timestamp>,
    ends: Vec<Timestamp>,
}

impl Moments {
    fn of(units: impl Iterator<Item = Unit> + Clone) -> Self {
        let mut begins: Vec<Timestamp> = units.clone().map(|unit| unit.span.start).collect();
        let mut ends: Vec<Timestamp> = units.map(|unit| unit.span.end).collect();
        begins.sort_unstable();
        ends.sort_unstable();
        Self { begins, ends }
    }

    /// How many begin within `seconds` from `from`, which may be negative.
    fn begun(&self, from: Timestamp, seconds: i64) -> f64 {
        let other = Timestamp(from.0.saturating_add(seconds.saturating_mul(NANOS)));
        let span = Span::new(from, other);
        let before = |at| self.begins.partition_point(|&begin| begin < at);
        before(span.end).saturating_sub(before(span.start)) as f64
    }

    /// How many touch a span.
    fn during(&self, span: Span) -> f64 {
        let begun = self.begins.partition_point(|&begin| begin <= span.end);
        let ended = self.ends.partition_point(|&end| end < span.start);
        begun.saturating_sub(ended) as f64
    }
}

/// Packets outside of padding, to be summed up from one instant to another.
struct Quiet {
    at: Vec<Timestamp>,
    packets: Vec<u64>,
    bytes: Vec<u64>,
}

impl Quiet {
    fn of(outside: &[(Timestamp, u32, u64)]) -> Self {
        let (mut packets, mut bytes) = (vec![0u64], vec![0u64]);
        let (mut all_packets, mut all_bytes) = (0u64, 0u64);
        for &(_, count, volume) in outside {
            all_packets = all_packets.saturating_add(u64::from(count));
            all_bytes = all_bytes.saturating_add(volume);
            packets.push(all_packets);
            bytes.push(all_bytes);
        }
        Self {
            at: outside.iter().map(|of| of.0).collect(),
            packets,
            bytes,
        }
    }

    /// Packets and bytes from one instant to before another.
    fn between(&self, from: Timestamp, to: Timestamp) -> (f64, f64) {
        let place = |at: Timestamp| self.at.partition_point(|&of| of < at);
        let (from, to) = (place(from), place(to));
        let sum = |of: &[u64]| {
            let at = |place: usize| of.get(place).copied().unwrap_or_default();
            at(to).saturating_sub(at(from)) as f64
        };
        (sum(&self.packets), sum(&self.bytes))
    }
}

/// Shows every question of a wire and its row, by track and then by time.
pub fn each(wire: &Wire, knowledge: &Knowledge, show: &mut dyn FnMut(&Question, &[f64])) {
    let tracks = tracks(wire, knowledge);
    let every = tracks.iter().flat_map(|track| track.units.iter().copied());
    let all = Moments::of(every);
    // Only runs begin: a period that follows another is no new event.
    let runs = |track: &Track| {
        let units = track.units.clone().into_iter();
        Moments::of(units.filter(|unit| unit.position == 0))
    };
    let begun = Moments::of(
        tracks
            .iter()
            .flat_map(|track| track.units.iter().copied())
            .filter(|unit| unit.position == 0),
    );
    for track in &tracks {
        let around = Around {
            all: &all,
            begun: &begun,
            own: Moments::of(track.units.iter().copied()),
            own_runs: runs(track),
        };
        of_track(track, &around, &wire.seen.sightings, show);
    }
}

/// What is counted around a unit.
struct Around<'a> {
    all: &'a Moments,
    begun: &'a Moments,
    own: Moments,
    own_runs: Moments,
}

fn of_track(
    track: &Track,
    around: &Around,
    sightings: &[Sighting],
    show: &mut dyn FnMut(&Question, &[f64]),
) {
    let (held, outside) = held(track, sightings);
    let quiet = Quiet::of(&outside);
    let place = track.device.map_or(0.0, |device| device as f64 + 1.0);
    let units = &track.units;
    for (nth, (unit, held)) in units.iter().zip(&held).enumerate() {
        // Of the run, not of the period: what is before its begin and after its end.
        let first = nth.saturating_sub(unit.position as usize);
        let left = unit.of_run.saturating_sub(unit.position + 1);
        let before = first.checked_sub(1).and_then(|before| units.get(before));
        let after = units.get(nth + left as usize + 1);
        let begin = units.get(first).map_or(unit.span.start, |of| of.span.start);
        let end = units.get(nth + left as usize);
        let end = end.map_or(unit.span.end, |of| of.span.end);
        let gap = |gap: Option<f64>| logarithm(gap.unwrap_or(GAP_AT_MOST_S).min(GAP_AT_MOST_S));
        let clock = clock(unit.span.start);
        let start = unit.span.start;
        let period = track.period.map_or(1.0, |period| period.as_secs_f64());
        let phase = |of: f64| start.as_secs_f64().rem_euclid(of) / of;
        let others = |all: &Moments, own: &Moments, seconds: i64| {
            all.begun(begin, seconds) - own.begun(begin, seconds)
        };
        let around_ns = AROUND_S * NANOS;
        let (packets_before, bytes_before) =
            quiet.between(Timestamp(begin.0.saturating_sub(around_ns)), begin);
        let (packets_after, bytes_after) =
            quiet.between(end, Timestamp(end.0.saturating_add(around_ns)));
        let [size_up, size_down] = [&held.up, &held.down].map(|amount| {
            let all = amount.packets.max(1) as f64;
            amount.sizes.map(|of| of as f64 / all)
        });
        let row = [
            logarithm(f64::from(unit.of_run)),
            logarithm(f64::from(unit.position)),
            logarithm(f64::from(left)),
            logarithm(unit.span.duration().as_secs_f64()),
            gap(before.map(|of| seconds(of.span.end, begin))),
            gap(after.map(|of| seconds(end, of.span.start))),
            clock[0],
            clock[1],
            clock[2],
            clock[3],
            clock[4],
            logarithm(held.up.bytes as f64),
            logarithm(held.down.bytes as f64),
            logarithm(held.up.packets as f64),
            logarithm(held.down.packets as f64),
            size_up[0],
            size_up[1],
            size_up[2],
            size_up[3],
            size_down[0],
            size_down[1],
            size_down[2],
            size_down[3],
            phase(1.0),
            phase(period),
            half(held),
            around.all.during(unit.span) - around.own.during(unit.span),
            others(around.begun, &around.own_runs, -60),
            others(around.begun, &around.own_runs, 60),
            logarithm(around.own.begun(begin, -600)),
            logarithm(around.own.begun(begin, -3_600)),
            logarithm(around.own.begun(begin, -21_600)),
            logarithm(around.own.begun(end, 3_600)),
            logarithm(around.all.begun(begin, -600)),
            logarithm(around.all.begun(begin, -3_600)),
            logarithm(around.all.begun(begin, -43_200) + around.all.begun(begin, 43_200)),
            logarithm(packets_before),
            logarithm(packets_after),
            logarithm(bytes_before),
            logarithm(bytes_after),
            place,
        ];
        let question = Question {
            span: unit.span,
            device: track.device,
            part: 0,
        };
        show(&question, &row);
    }
}

fn half(held: &Held) -> f64 {
    let all = held.up.bytes.saturating_add(held.down.bytes);
    match all {
        0 => 0.5,
        all => held.first_half as f64 / all as f64,
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.0.saturating_sub(from.0).max(0) as f64 / NANOS as f64
}

/// ln(1 + x) of what is not below 0.
fn logarithm(value: f64) -> f64 {
    value.max(0.0).ln_1p()
}

/// Sine and cosine of the time of day, the hour, and sine and cosine of the day of the week, in UTC.
pub fn clock(at: Timestamp) -> [f64; 5] {
    let seconds = at.0.div_euclid(NANOS);
    let day = seconds.rem_euclid(86_400) as f64 / 86_400.0;
    // 1970-01-01 was a Thursday: any day may be the first.
    let week = seconds.div_euclid(86_400).rem_euclid(7) as f64 / 7.0;
    let (day_sine, day_cosine) = (TAU * day).sin_cos();
    let (week_sine, week_cosine) = (TAU * week).sin_cos();
    [day_sine, day_cosine, day * 24.0, week_sine, week_cosine]
}

#[cfg(test)]
mod tests {
    use super::super::sample::{knowledge, seen};
    use super::*;
    use std::time::Duration;

    #[test]
    fn rows_by_hand() {
        let (seen, knowledge) = (seen(), knowledge());
        let wire = Wire::new(&seen, &knowledge, Duration::from_secs(1));
        let mut rows: Vec<(Question, Vec<f64>)> = Vec::new();
        each(&wire, &knowledge, &mut |question, row| {
            rows.push((*question, row.to_vec()));
        });
        assert_eq!(rows.len(), 5);
        let of = |nth: usize, name: &str| {
            let column = NAMES.iter().position(|of| *of == name).unwrap();
            rows[nth].1[column]
        };
        let count = |value: f64| value.exp_m1().round();
        // The second period of the run of two from 10 s to 18 s; the next begins at 30 s, 12 s later.
        assert_eq!(count(of(1, "run_periods")), 2.0);
        assert_eq!(
            (count(of(1, "position")), count(of(1, "periods_after"))),
            (1.0, 0.0)
        );
        assert_eq!(count(of(1, "gap_after_s")), 12.0);
        assert_eq!(count(of(1, "gap_before_s")), GAP_AT_MOST_S);
        assert_eq!(count(of(2, "gap_before_s")), 12.0);
        assert_eq!(count(of(2, "own_10_min_before")), 2.0);
        // The heartbeat at 20 s is 2 s after the run, and 10 s before the next, from which it is counted.
        assert_eq!(count(of(1, "quiet_packets_after")), 1.0);
        assert_eq!(count(of(2, "quiet_bytes_before")), 60.0);
        assert_eq!(count(of(0, "up_bytes")), 400.0);
        assert_eq!((of(0, "up_to_100"), of(0, "first_half")), (1.0, 0.5));
        // 30 s and 50 s: within a minute of one another, on different tracks.
        assert_eq!(
            (of(2, "others_begun_after"), of(3, "others_begun_before")),
            (2.0, 2.0)
        );
        // 30 s is on the second, and half of 4 s past a multiple of it.
        assert_eq!((of(2, "second_phase"), of(2, "period_phase")), (0.0, 0.5));
        assert_eq!((of(0, "track"), of(3, "track")), (1.0, 0.0));
        assert!(rows.iter().all(|(_, row)| row.len() == NAMES.len()));
        assert!(rows
            .iter()
            .all(|(_, row)| row.iter().all(|x| x.is_finite())));
    }

    #[test]
    fn the_clock_by_hand() {
        // 1970-01-03, 18:00: three quarters of a day, two sevenths of a week.
        let [sine, cosine, hour, week_sine, _] = clock(Timestamp::new(2 * 86_400 + 64_800, 0));
        assert!((sine + 1.0).abs() < 1e-9 && cosine.abs() < 1e-9);
        assert_eq!(hour, 18.0);
        assert!((week_sine - (TAU * 2.0 / 7.0).sin()).abs() < 1e-12);
    }
}
