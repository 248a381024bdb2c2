//! How flows on the wire are shaped, and from when to when it was watched, told in the comment of a capture and heard from it.
//!
//! That an adversary knows the defense and its parameters, all but the coins it throws, is Kerckhoffs's principle; so `-w` says
//! them, and `score` believes them. Where a capture says nothing, shaping is read off the wire. Silence before the first packet
//! and after the last one is not on the wire at all. A line of that, in nanoseconds since 1970, and one a shaped flow:
//!
//! ```text
//! stp-audit window/1: 1577836800000000000 1577923200000000000
//! stp-audit shaping/1: 1 flows are shaped
//! udp 192.0.2.1:49152 203.0.113.254:51820 period_ns 6000000000 up 1170 down 780 cell_bytes 390
//! ```

use crate::flow::key::Endpoint;
use crate::packet::dissect::Protocol;
use crate::threat::{Observation, Shaping};
use crate::units::{Rate, Span, Timestamp};
use std::collections::HashMap;
use std::time::Duration;

const BEGINS: &str = "stp-audit shaping/1: ";
const WINDOW: &str = "stp-audit window/1: ";
/// Silence that is believed beyond as much time again as there are packets in.
const SILENCE: Duration = Duration::from_secs(86_400);
/// Longest list of flows told: the comment of a pcapng file is of 16-bit length, and others stand before it.
const LONGEST: usize = 24_000;

/// The two ends of a flow on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// What it bears.
    pub protocol: Protocol,
    /// The home's end.
    pub local: Endpoint,
    /// The far one.
    pub remote: Endpoint,
}

impl std::fmt::Display for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.protocol, self.local, self.remote)
    }
}

/// How flows are shaped and at which place they were told, by what [`Ends`] are written as; those that are not there are not
/// shaped.
pub type Told = HashMap<String, (usize, Shaping)>;

/// In words for a comment; nothing where there are too many flows.
pub fn tell(seen: &Observation, ends: &[Ends]) -> String {
    let shaped: Vec<String> = seen
        .flows
        .iter()
        .zip(ends)
        .filter_map(|(flow, ends)| Some((flow.shaping?, ends)))
        .map(|(shaping, ends)| {
            let period = shaping.period.map(|period| period.as_nanos().to_string());
            format!(
                "{ends} period_ns {} up {} down {} cell_bytes {}\n",
                period.as_deref().unwrap_or("endless"),
                shaping.up.bytes_per_s(),
                shaping.down.bytes_per_s(),
                shaping.cell_bytes,
            )
        })
        .collect();
    let text = format!(
        "{BEGINS}{} flows are shaped\n{}",
        shaped.len(),
        shaped.concat()
    );
    let Span { start, end } = seen.window;
    let window = format!("{WINDOW}{} {}\n", start.0, end.0);
    match text.len() > LONGEST {
        true => window,
        false => window + &text,
    }
}

/// From when to when a capture was watched, by its comment where that can be: it holds all `packets` and is not far longer.
pub fn watched(comment: &str, packets: Span) -> Option<Span> {
    let (_, told) = comment.split_once(WINDOW)?;
    let (start, end) = told.lines().next()?.split_once(' ')?;
    let told = Span::new(Timestamp(start.parse().ok()?), Timestamp(end.parse().ok()?));
    let length = packets.duration();
    let most = length.saturating_add(length).saturating_add(SILENCE);
    (told.union(packets) == told && told.duration() <= most).then_some(told)
}

/// What a comment tells; `None` where it tells nothing of shaping, or not all it says it does.
pub fn heard(comment: &str) -> Option<Told> {
    let (_, told) = comment.split_once(BEGINS)?;
    let mut lines = told.lines();
    let count: usize = lines.next()?.split(' ').next()?.parse().ok()?;
    let lines = lines.enumerate();
    let told =
        lines.map(|(place, text)| line(text).map(|(ends, shaping)| (ends, (place, shaping))));
    let told = told.collect::<Option<Told>>()?;
    (told.len() == count).then_some(told)
}

fn line(line: &str) -> Option<(String, Shaping)> {
    let words: Vec<&str> = line.split(' ').collect();
    let &[protocol, local, remote, "period_ns", period, "up", up, "down", down, "cell_bytes", cell] =
        words.as_slice()
    else {
        return None;
    };
    let rate = |text: &str| text.parse().ok().and_then(Rate::new);
    let shaping = Shaping {
        period: match period {
            "endless" => None,
            nanos => Some(Duration::from_nanos(
                nanos.parse().ok().filter(|nanos| *nanos > 0)?,
            )),
        },
        up: rate(up)?,
        down: rate(down)?,
        cell_bytes: cell.parse().ok().filter(|bytes| *bytes > 0)?,
    };
    Some((format!("{protocol} {local} {remote}"), shaping))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threat::{SeenFlow, Vantage};

    #[test]
    fn silence_at_the_ends_is_told() {
        let span = |from, to| Span::new(Timestamp::new(from, 0), Timestamp::new(to, 0));
        let seen = Observation {
            vantage: Vantage::Outside,
            window: span(100, 200),
            flows: Vec::new(),
            sightings: Vec::new(),
        };
        let told = format!("a home\n{}", tell(&seen, &[]));
        assert_eq!(watched(&told, span(130, 170)), Some(span(100, 200)));
        assert_eq!(heard(&told), Some(Told::new()));
        // Packets before it; longer than 2 * 40 s and a day; no numbers; nothing told.
        assert_eq!(watched(&told, span(99, 170)), None);
        let long = told.replace("200000000000", "86600000000001");
        assert_eq!(watched(&long, span(130, 170)), None);
        assert_eq!(watched(&told.replace("1000", "x"), span(130, 170)), None);
        assert_eq!(watched("a home", span(130, 170)), None);
    }

    #[test]
    fn what_is_told_is_heard() {
        let end = |port| Endpoint {
            address: [192, 0, 2, 1].into(),
            port,
        };
        let ends = |port| Ends {
            protocol: Protocol::UDP,
            local: end(port),
            remote: end(443),
        };
        let shaping = |period| Shaping {
            period,
            up: Rate::new(1.0 / 3.0).unwrap(),
            down: Rate::new(25_333.333_333_333_332).unwrap(),
            cell_bytes: 390,
        };
        let flow = |shaping| SeenFlow {
            far: "x".into(),
            shaping,
        };
        let (one, other) = (
            shaping(Some(Duration::from_nanos(5_999_999_999))),
            shaping(None),
        );
        let seen = Observation {
            vantage: Vantage::Outside,
            window: Span::at(Timestamp(0)),
            flows: vec![flow(Some(one)), flow(None), flow(Some(other))],
            sightings: Vec::new(),
        };
        let text = tell(&seen, &[ends(1), ends(2), ends(3)]);
        let told = heard(&format!("a capture\n{text}")).unwrap();
        assert_eq!(told.len(), 2);
        assert_eq!(told[&ends(1).to_string()], (0, one));
        assert_eq!(told[&ends(3).to_string()], (1, other));
        // Cut short it is not believed.
        assert_eq!(heard(text.split_once("\nudp").unwrap().0), None);
        for bad in [
            "",
            "stp-audit shaping/1: x",
            "stp-audit shaping/1: 1 flows are shaped\nudp a b period_ns 0 up 1 down 1 cell_bytes 1",
        ] {
            assert_eq!(heard(bad), None, "{bad}");
        }
        assert_eq!(
            heard("stp-audit shaping/1: 0 flows are shaped\n"),
            Some(Told::new())
        );
    }
}
