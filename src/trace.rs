//! A trace: what truly happened in a home, packet by packet, and when somebody used which device.
//!
//! The truth that defenses are applied to and claims are held against; nobody outside the home sees it. It comes from a
//! capture with labels, from a capture alone (its activities are then `infer`'s own claims, and the verdict says so), or
//! is generated.

use crate::flow::key::Endpoint;
use crate::packet::dissect::Protocol;
use crate::units::{Direction, Span, Timestamp};
use std::time::Duration;

/// Most packets of a trace: they are kept in memory, 24 bytes each.
pub const PACKETS_AT_MOST: usize = 100_000_000;

/// A device of the home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name within the trace, as `infer` and labels call it.
    pub id: String,
    /// What it is, for people.
    pub name: String,
}

/// A flow of the home, as the home itself sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Whose it is: a place in [`Trace::devices`]; `None` where nobody knows.
    pub device: Option<usize>,
    /// What its packets bear.
    pub protocol: Protocol,
    /// The home's end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// The name of the server, where one was heard.
    pub server: Option<String>,
}

impl Flow {
    /// What an observer can call the far end by: its name where one was heard, its address otherwise.
    pub fn far(&self) -> String {
        match &self.server {
            Some(name) => name.clone(),
            None => self.remote.address.to_string(),
        }
    }
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When.
    pub at: Timestamp,
    /// Its flow: a place in [`Trace::flows`].
    pub flow: u32,
    /// Which way.
    pub direction: Direction,
    /// Bytes of the IP packet, headers included.
    pub bytes: u32,
}

/// A genuine use of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Which device: a place in [`Trace::devices`].
    pub device: usize,
    /// When, as the truth tells; labels may be as coarse as a minute.
    pub span: Span,
    /// When its traffic flowed, as far as that can be told apart from background; within or near `span`.
    pub traffic: Span,
    /// What it was.
    pub label: String,
}

/// Where the activities of a trace come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Somebody wrote them down.
    Labels,
    /// They are what `infer` claims of the undefended capture.
    Inferred,
    /// They were generated together with their packets.
    Generated,
}

/// What truly happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// From its first instant to its last; all packets and all traffic of activities lie within.
    pub window: Span,
    /// The home's devices.
    pub devices: Vec<Device>,
    /// Its flows.
    pub flows: Vec<Flow>,
    /// Its packets, ascending in time.
    pub packets: Vec<Packet>,
    /// When devices were used, ascending by begin.
    pub activities: Vec<Activity>,
    /// Where the activities come from.
    pub source: Source,
}

/// Why something is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// Nothing to keep secret.
    #[error("no packets: there is nothing to defend")]
    Empty,
    /// Too much for the memory.
    #[error("more than {PACKETS_AT_MOST} packets: defend a part of the capture, by -f or by cutting it in time")]
    Many,
    /// A flow or device that does not exist is named.
    #[error("{what} {index} does not exist")]
    Nowhere {
        /// `flow` or `device`.
        what: &'static str,
        /// The place named.
        index: usize,
    },
}

impl Trace {
    /// The trace with packets and activities in order, once it is seen that all they name exists; its window grows to hold them.
    ///
    /// # Errors
    /// No packets, too many, or a place that does not exist.
    pub fn checked(mut self) -> Result<Self, TraceError> {
        let (Some(first), false) = (self.packets.first(), self.packets.len() > PACKETS_AT_MOST)
        else {
            return Err(match self.packets.is_empty() {
                true => TraceError::Empty,
                false => TraceError::Many,
            });
        };
        let mut window = self.window.union(Span::at(first.at));
        for packet in &self.packets {
            window.extend(packet.at);
            let index = packet.flow as usize;
            if index >= self.flows.len() {
                return Err(TraceError::Nowhere {
                    what: "flow",
                    index,
                });
            }
        }
        let of_flows = self.flows.iter().filter_map(|flow| flow.device);
        let of_activities = self.activities.iter().map(|activity| activity.device);
        for index in of_flows.chain(of_activities) {
            if index >= self.devices.len() {
                return Err(TraceError::Nowhere {
                    what: "device",
                    index,
                });
            }
        }
        for activity in &self.activities {
            window = window.union(activity.traffic);
        }
        self.window = window;
        // Stable: packets of one instant keep their order.
        self.packets.sort_by_key(|packet| packet.at);
        self.activities
            .sort_by_key(|activity| (activity.span, activity.device));
        Ok(self)
    }

    /// Whose packet it is, where that is known.
    pub fn device_of(&self, packet: &Packet) -> Option<usize> {
        self.flows.get(packet.flow as usize)?.device
    }

    /// How long it is in seconds.
    pub fn seconds(&self) -> f64 {
        self.window.duration().as_secs_f64()
    }

    /// Bytes of all packets.
    pub fn bytes(&self) -> u64 {
        self.packets
            .iter()
            .map(|packet| u64::from(packet.bytes))
            .sum()
    }

    /// Activities of one device, ascending by begin.
    pub fn activities_of(&self, device: usize) -> impl Iterator<Item = &Activity> {
        self.activities
            .iter()
            .filter(move |activity| activity.device == device)
    }

    /// The same home on a day when nobody was there: without its activities and the packets that belong to them.
    ///
    /// A packet belongs to an activity when it is of the same device and within the span of the activity's traffic.
    pub fn away(&self) -> Self {
        let mut busy: Vec<Vec<Span>> = vec![Vec::new(); self.devices.len()];
        for activity in &self.activities {
            if let Some(spans) = busy.get_mut(activity.device) {
                spans.push(activity.traffic);
            }
        }
        let busy: Vec<Vec<Span>> = busy.into_iter().map(disjoint).collect();
        let genuine = |packet: &Packet| {
            let spans = self.device_of(packet).and_then(|device| busy.get(device));
            spans.is_some_and(|spans| holds(spans, packet.at))
        };
        Self {
            packets: self
                .packets
                .iter()
                .filter(|packet| !genuine(packet))
                .copied()
                .collect(),
            activities: Vec::new(),
            ..self.clone()
        }
    }

    /// How long the longest traffic of an activity of these devices lasts; `None` without one.
    pub fn longest_activity(&self, of: impl Fn(usize) -> bool) -> Option<Duration> {
        let of = self.activities.iter().filter(|a| of(a.device));
        of.map(|activity| activity.traffic.duration()).max()
    }
}

/// The same instants in spans that neither touch nor overlap, ascending.
pub fn disjoint(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => *last = last.union(span),
            _ => merged.push(span),
        }
    }
    merged
}

/// Whether one of the [`disjoint`] spans holds an instant.
pub fn holds(spans: &[Span], at: Timestamp) -> bool {
    let after = spans.partition_point(|span| span.start <= at);
    after
        .checked_sub(1)
        .and_then(|before| spans.get(before))
        .is_some_and(|span| span.contains(at))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A trace of one device and one flow: packets as (second, upwards, bytes), activities as (first, last second).
    pub(crate) fn tiny(packets: &[(i64, bool, u32)], activities: &[(i64, i64)]) -> Trace {
        let end = |address: [u8; 4], port| Endpoint {
            address: address.into(),
            port,
        };
        let span =
            |&(from, to): &(i64, i64)| Span::new(Timestamp::new(from, 0), Timestamp::new(to, 0));
        Trace {
            window: Span::at(Timestamp::new(packets[0].0, 0)),
            devices: vec![Device {
                id: "plug".into(),
                name: "A plug".into(),
            }],
            flows: vec![Flow {
                device: Some(0),
                protocol: Protocol::TCP,
                local: end([192, 168, 1, 9], 50_000),
                remote: end([203, 0, 113, 7], 443),
                server: None,
            }],
            packets: packets
                .iter()
                .map(|&(second, up, bytes)| Packet {
                    at: Timestamp::new(second, 0),
                    flow: 0,
                    direction: if up { Direction::Up } else { Direction::Down },
                    bytes,
                })
                .collect(),
            activities: activities
                .iter()
                .map(|pair| Activity {
                    device: 0,
                    span: span(pair),
                    traffic: span(pair),
                    label: "on".into(),
                })
                .collect(),
            source: Source::Generated,
        }
        .checked()
        .unwrap()
    }

    #[test]
    fn a_trace_is_put_in_order_and_its_window_holds_all() {
        let trace = tiny(&[(9, true, 40), (3, false, 60), (5, true, 50)], &[(8, 12)]);
        let bytes: Vec<u32> = trace.packets.iter().map(|packet| packet.bytes).collect();
        assert_eq!(bytes, [60, 50, 40]);
        assert_eq!(
            trace.window,
            Span::new(Timestamp::new(3, 0), Timestamp::new(12, 0))
        );
        assert_eq!((trace.bytes(), trace.seconds()), (150, 9.0));
    }

    #[test]
    fn a_day_away_lacks_what_belongs_to_activities() {
        let trace = tiny(
            &[
                (1, true, 40),
                (3, true, 500),
                (4, false, 600),
                (9, true, 40),
            ],
            &[(3, 4)],
        );
        let away = trace.away();
        let seconds: Vec<i64> = away
            .packets
            .iter()
            .map(|p| p.at.0 / 1_000_000_000)
            .collect();
        assert_eq!((seconds, away.activities.len()), (vec![1, 9], 0));
        assert_eq!(away.window, trace.window);
    }

    #[test]
    fn places_that_do_not_exist_are_refused() {
        let trace = tiny(&[(1, true, 40)], &[]);
        let astray = Trace {
            flows: Vec::new(),
            ..trace.clone()
        };
        assert_eq!(
            astray.checked().unwrap_err(),
            TraceError::Nowhere {
                what: "flow",
                index: 0
            }
        );
        let lost = Trace {
            devices: Vec::new(),
            ..trace.clone()
        };
        assert_eq!(
            lost.checked().unwrap_err(),
            TraceError::Nowhere {
                what: "device",
                index: 0
            }
        );
        let empty = Trace {
            packets: Vec::new(),
            ..trace
        };
        assert_eq!(empty.checked().unwrap_err(), TraceError::Empty);
    }

    #[test]
    fn spans_that_touch_are_one() {
        let span = |from, to| Span::new(Timestamp(from), Timestamp(to));
        let spans = disjoint(vec![span(20, 30), span(0, 5), span(5, 9), span(25, 26)]);
        assert_eq!(spans, [span(0, 9), span(20, 30)]);
        let held = [0, 9, 10, 20, 31].map(|at| holds(&spans, Timestamp(at)));
        assert_eq!(held, [true, true, false, true, false]);
    }
}
