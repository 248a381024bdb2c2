//! What is padded as one, a device or the home, and what a trace tells of it.

use super::framing::framed;
use super::settings::{Scope, Settings, Trigger};
use super::vpn::TUNNEL;
use crate::stp::durations::DURATIONS_AT_MOST;
use crate::trace::{disjoint, Trace};
use crate::units::{nanos, Direction, Span, Timestamp, NANOS};
use std::time::Duration;

/// Packets this near one another are one burst where any packet counts as activity.
const BURST: Duration = Duration::from_secs(1);

/// What is padded as one.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// What reports call it.
    pub(super) id: String,
    /// What its far end is called.
    pub(super) far: String,
    /// When it is used, apart from one another and ascending.
    pub(super) spans: Vec<Span>,
    /// How long each use lasts; of very many, a sample.
    pub(super) durations: Vec<Duration>,
    /// The longest of them.
    pub(super) longest: Option<Duration>,
    /// Most bytes in any second of use, up and down.
    pub(super) peaks: [u64; 2],
    /// Bytes second by second of the largest use, up and down.
    pub(super) profile: [Vec<u64>; 2],
    /// All bytes, up and down.
    pub(super) ways: [u64; 2],
    /// All bytes.
    pub(super) bytes: u64,
    /// Bytes outside use, as they are on the wire while nothing is padded.
    pub(super) idle_wire_bytes: u64,
}

pub(super) fn way(direction: Direction) -> usize {
    usize::from(direction == Direction::Down)
}

/// Which stream each flow of a trace belongs to.
pub(super) fn streams_of_flows(trace: &Trace, scope: Scope) -> Vec<Option<usize>> {
    let of = trace.flows.iter().map(|flow| match scope {
        Scope::PerDevice => flow.device,
        Scope::Home => Some(0),
    });
    of.collect()
}

/// When the devices of each stream are truly used, apart from one another and ascending.
pub(super) fn activity_spans(trace: &Trace, scope: Scope) -> Vec<Vec<Span>> {
    let count = match scope {
        Scope::PerDevice => trace.devices.len(),
        Scope::Home => 1,
    };
    let mut spans: Vec<Vec<Span>> = vec![Vec::new(); count];
    for activity in &trace.activities {
        let stream = match scope {
            Scope::PerDevice => activity.device,
            Scope::Home => 0,
        };
        if let Some(spans) = spans.get_mut(stream) {
            spans.push(activity.traffic);
        }
    }
    spans.into_iter().map(disjoint).collect()
}

/// Looks at a trace once, and says what there is to pad: every device, or the home.
pub(super) fn measure(trace: &Trace, settings: &Settings) -> Vec<Stream> {
    let scope = settings.scope;
    let of_flows = streams_of_flows(trace, scope);
    let mut spans = activity_spans(trace, scope);
    let count = spans.len();
    let mut durations: Vec<Vec<Duration>> = vec![Vec::new(); count];
    if settings.trigger == Trigger::Any {
        spans = bursts(trace, &of_flows, count);
        for (spans, durations) in spans.iter().zip(&mut durations) {
            durations.extend(spans.iter().map(|span| span.duration()));
        }
    } else {
        for activity in &trace.activities {
            let stream = match scope {
                Scope::PerDevice => activity.device,
                Scope::Home => 0,
            };
            if let Some(durations) = durations.get_mut(stream) {
                durations.push(activity.traffic.duration());
            }
        }
    }

    let mut meters: Vec<Meter> = vec![Meter::default(); count];
    let mut of_far: Vec<u64> = vec![0; trace.flows.len()];
    for packet in &trace.packets {
        let flow = packet.flow as usize;
        if let Some(bytes) = of_far.get_mut(flow) {
            *bytes += u64::from(packet.bytes);
        }
        let Some(Some(stream)) = of_flows.get(flow) else {
            continue;
        };
        let (Some(meter), Some(spans)) = (meters.get_mut(*stream), spans.get(*stream)) else {
            continue;
        };
        let idle = match scope {
            Scope::PerDevice => u64::from(packet.bytes),
            Scope::Home => framed(settings.tunnel, packet.bytes).bytes(),
        };
        meter.note(spans, packet.at, way(packet.direction), packet.bytes, idle);
    }

    let parts = spans.into_iter().zip(durations).zip(meters).enumerate();
    parts
        .map(|(index, ((spans, durations), mut meter))| {
            meter.close();
            let (id, far) = match (scope, trace.devices.get(index)) {
                (Scope::PerDevice, Some(device)) => {
                    (device.id.clone(), busiest(trace, &of_far, index))
                }
                _ => ("home".to_owned(), TUNNEL.to_owned()),
            };
            let sampled = durations.len().div_ceil(DURATIONS_AT_MOST).max(1);
            Stream {
                id,
                far,
                spans,
                longest: durations.iter().max().copied(),
                durations: durations.into_iter().step_by(sampled).collect(),
                peaks: meter.peaks,
                profile: meter.largest,
                ways: meter.bytes,
                bytes: meter.bytes.iter().sum(),
                idle_wire_bytes: meter.idle,
            }
        })
        .collect()
}

/// The server that most bytes of a device go to or come from; the first of those alike.
fn busiest(trace: &Trace, of_flows: &[u64], device: usize) -> String {
    let mut servers: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for (flow, &bytes) in trace.flows.iter().zip(of_flows) {
        if flow.device == Some(device) {
            *servers.entry(flow.far()).or_default() += bytes;
        }
    }
    let most = servers
        .into_iter()
        .max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)));
    most.map(|(name, _)| name).unwrap_or_default()
}

/// Bursts of packets, of each stream.
fn bursts(trace: &Trace, of_flows: &[Option<usize>], count: usize) -> Vec<Vec<Span>> {
    let mut spans: Vec<Vec<Span>> = vec![Vec::new(); count];
    for packet in &trace.packets {
        let stream = of_flows.get(packet.flow as usize).copied().flatten();
        let Some(spans) = stream.and_then(|stream| spans.get_mut(stream)) else {
            continue;
        };
        match spans.last_mut() {
            Some(last) if packet.at.since(last.end) <= BURST => last.extend(packet.at),
            _ => spans.push(Span::at(packet.at)),
        }
    }
    spans
}

/// Bytes of one stream as its packets pass.
#[derive(Clone, Debug, Default)]
struct Meter {
    /// Which span is looked at.
    place: usize,
    /// Which second of it.
    second: i64,
    within: [u64; 2],
    peaks: [u64; 2],
    /// Seconds of the span that is looked at, and of the largest so far.
    current: [Vec<u64>; 2],
    largest: [Vec<u64>; 2],
    most: u64,
    bytes: [u64; 2],
    idle: u64,
}

/// Longest profile that is kept, in seconds: a day.
const PROFILE_AT_MOST: usize = 86_400;

impl Meter {
    fn note(&mut self, spans: &[Span], at: Timestamp, way: usize, bytes: u32, idle: u64) {
        if let Some(sum) = self.bytes.get_mut(way) {
            *sum += u64::from(bytes);
        }
        while spans.get(self.place).is_some_and(|span| span.end < at) {
            self.place += 1;
            self.close();
        }
        let Some(span) = spans.get(self.place).filter(|span| span.start <= at) else {
            self.idle += idle;
            return;
        };
        let second = at.0.saturating_sub(span.start.0) / NANOS;
        if second != self.second {
            self.second = second;
            self.within = [0; 2];
        }
        let Some((within, peak)) = self.within.get_mut(way).zip(self.peaks.get_mut(way)) else {
            return;
        };
        *within += u64::from(bytes);
        *peak = (*peak).max(*within);
        let index = usize::try_from(second).unwrap_or(usize::MAX);
        if index < PROFILE_AT_MOST {
            for seconds in &mut self.current {
                seconds.resize(seconds.len().max(index + 1), 0);
            }
            if let Some(sum) = self.current.get_mut(way).and_then(|s| s.get_mut(index)) {
                *sum += u64::from(bytes);
            }
        }
    }

    /// The span is over.
    fn close(&mut self) {
        let total: u64 = self.current.iter().flatten().sum();
        let current = std::mem::take(&mut self.current);
        if total > self.most {
            self.most = total;
            self.largest = current;
        }
        self.second = 0;
        self.within = [0; 2];
    }
}

/// Bytes of each stream in those spans of it.
pub(super) fn bytes_within(trace: &Trace, scope: Scope, spans: &[Vec<Span>]) -> Vec<u64> {
    let of_flows = streams_of_flows(trace, scope);
    let mut places = vec![(0usize, 0u64); spans.len()];
    for packet in &trace.packets {
        let stream = of_flows.get(packet.flow as usize).copied().flatten();
        let Some((spans, (place, sum))) =
            stream.and_then(|stream| spans.get(stream).zip(places.get_mut(stream)))
        else {
            continue;
        };
        while spans.get(*place).is_some_and(|span| span.end < packet.at) {
            *place += 1;
        }
        if spans
            .get(*place)
            .is_some_and(|span| span.start <= packet.at)
        {
            *sum += u64::from(packet.bytes);
        }
    }
    places.into_iter().map(|(_, sum)| sum).collect()
}

/// The periods of the grid that these spans touch, as spans, and how many there are.
pub(super) fn touched(spans: &[Span], origin: Timestamp, period: Duration) -> (Vec<Span>, u64) {
    let length = nanos(period).max(1);
    let place = |at: Timestamp| at.0.saturating_sub(origin.0).div_euclid(length);
    let mut periods: Vec<(i64, i64)> = Vec::new();
    for span in spans {
        let (from, to) = (place(span.start), place(span.end));
        match periods.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => periods.push((from, to)),
        }
    }
    let count = periods
        .iter()
        .map(|(from, to)| from.abs_diff(*to) + 1)
        .sum();
    let begin = |n: i64| origin.0.saturating_add(n.saturating_mul(length));
    let spans = periods.iter().map(|&(from, to)| {
        let end = begin(to).saturating_add(length - 1);
        Span::new(Timestamp(begin(from)), Timestamp(end))
    });
    (spans.collect(), count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::tests::tiny;

    #[test]
    fn a_stream_is_measured_in_seconds_of_use() {
        // One use from 3 to 5: 500 up in its first second, 600 down and 70 in its third; 40 at 1 and 9 outside.
        let trace = tiny(
            &[
                (1, true, 40),
                (3, true, 500),
                (5, false, 600),
                (5, false, 70),
                (9, true, 40),
            ],
            &[(3, 5)],
        );
        let [stream] = &measure(&trace, &Settings::default())[..] else {
            panic!()
        };
        assert_eq!(stream.peaks, [500, 670]);
        assert_eq!(stream.profile, [vec![500, 0, 0], vec![0, 0, 670]]);
        assert_eq!((stream.bytes, stream.idle_wire_bytes), (1250, 80));
        assert_eq!(stream.longest, Some(Duration::from_secs(2)));
        assert_eq!((&*stream.id, &*stream.far), ("plug", "203.0.113.7"));
        let any = Settings {
            trigger: Trigger::Any,
            scope: Scope::Home,
            ..Settings::default()
        };
        let [stream] = &measure(&trace, &any)[..] else {
            panic!()
        };
        assert_eq!((stream.spans.len(), stream.idle_wire_bytes), (4, 0));
        assert_eq!((&*stream.id, &*stream.far), ("home", "tunnel"));
    }

    #[test]
    fn periods_are_touched_once() {
        let span = |from, to| Span::new(Timestamp::new(from, 0), Timestamp::new(to, 0));
        let origin = Timestamp::new(1, 0);
        // Periods of 10 s from 1: 1-10 and 11-20 by the first, 11-20 again by the second, 41-50 by the third.
        let spans = [span(5, 12), span(15, 16), span(42, 42)];
        let (periods, count) = touched(&spans, origin, Duration::from_secs(10));
        assert_eq!(count, 3);
        let ends: Vec<(i64, i64)> = periods
            .iter()
            .map(|s| (s.start.0 / NANOS, s.end.0 / NANOS))
            .collect();
        assert_eq!(ends, [(1, 20), (41, 50)]);
    }
}
