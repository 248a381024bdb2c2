//! Claims against labels: how often the observer is right, and how much it misses.
//!
//! A claim is *correct* when a label of its device is within the tolerance of it, and a label is *hit* when a claim is within
//! the tolerance of it. One claim may hit several labels and the other way round, so correct claims over claims (precision:
//! the paper's adversary confidence) and labels hit over labels (recall) come with the number of pairs that can be formed
//! when each is used once.

use super::claim::Activity;
use super::labels::Label;
use crate::units::{Span, Timestamp};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::time::Duration;

/// The count of one device, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Labels in the file.
    pub labels: usize,
    /// Those of them inside the capture; the rest is left out of all that follows.
    pub in_window: usize,
    /// Labels within the tolerance of a claim.
    pub hit: usize,
    /// Claims made.
    pub claims: usize,
    /// Claims within the tolerance of a label.
    pub correct: usize,
    /// Pairs of a claim and a label, each used once.
    pub one_to_one: usize,
}

impl Truth {
    /// Labels inside the capture that no claim is near.
    pub fn missed(&self) -> usize {
        self.in_window - self.hit.min(self.in_window)
    }

    /// Labels outside the capture.
    pub fn outside(&self) -> usize {
        self.labels - self.in_window.min(self.labels)
    }

    /// Correct claims over claims; nothing where nothing was claimed.
    pub fn precision(&self) -> Option<f64> {
        share(self.correct, self.claims)
    }

    /// Labels hit over labels inside the capture; nothing where there are none.
    pub fn recall(&self) -> Option<f64> {
        share(self.hit, self.in_window)
    }

    fn add(&mut self, other: &Self) {
        self.labels += other.labels;
        self.in_window += other.in_window;
        self.hit += other.hit;
        self.claims += other.claims;
        self.correct += other.correct;
        self.one_to_one += other.one_to_one;
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// How the claims of a capture fare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scores {
    /// All labelled devices together, and the labels of devices nobody found, which are missed.
    pub overall: Truth,
    /// Each device; `None` for those the labels do not speak of, whose claims nobody can judge.
    pub devices: Vec<Option<Truth>>,
    /// Claims of devices the labels do not speak of; in no count.
    pub unjudged: usize,
    /// Names in the labels that are no device of the capture, each once, in the file's order.
    pub unknown: Vec<String>,
}

/// Compares `claims`, one list a device, with `labels`, and writes the label's activity into each claim that is correct.
///
/// `device_of` gives the number of the device a label names. `window` is the capture's first to last packet: a label that
/// shares no instant with it is counted and left out.
pub fn score(
    labels: &[Label],
    claims: &mut [Vec<Activity>],
    device_of: impl Fn(&str) -> Option<usize>,
    window: Span,
    tolerance: Duration,
) -> Scores {
    let mut scores = Scores {
        devices: vec![None; claims.len()],
        ..Scores::default()
    };
    let mut truths: Vec<Vec<&Label>> = vec![Vec::new(); claims.len()];
    let mut unknown: HashSet<&str> = HashSet::new();
    for label in labels {
        let inside = label.span.touches(window, Duration::ZERO);
        let device = device_of(&label.device).filter(|&device| device < claims.len());
        let truth = match device {
            Some(device) => scores.devices[device].get_or_insert_default(),
            None => {
                if unknown.insert(&label.device) {
                    scores.unknown.push(label.device.clone());
                }
                &mut scores.overall
            }
        };
        truth.labels += 1;
        truth.in_window += usize::from(inside);
        if let Some(device) = device.filter(|_| inside) {
            truths[device].push(label);
        }
    }
    for ((truth, labels), claims) in scores.devices.iter_mut().zip(&mut truths).zip(claims) {
        match truth {
            Some(truth) => {
                judge(truth, labels, claims, tolerance);
                scores.overall.add(truth);
            }
            None => scores.unjudged += claims.len(),
        }
    }
    scores
}

/// Judges one device.
fn judge(truth: &mut Truth, labels: &mut [&Label], claims: &mut [Activity], tolerance: Duration) {
    labels.sort_by_key(|label| label.span);
    let spans: Vec<Span> = claims.iter().map(|claim| claim.span).collect();
    let truths: Vec<Span> = labels.iter().map(|label| label.span).collect();
    truth.claims = claims.len();
    truth.hit = Reach::of(&spans, tolerance)
        .count(&truths)
        .filter(|&near| near)
        .count();
    truth.correct = Reach::of(&truths, tolerance)
        .count(&spans)
        .filter(|&near| near)
        .count();
    truth.one_to_one = pairs(&spans, &truths, tolerance);

    let reach = Reach::of(&truths, tolerance);
    for claim in claims {
        claim.label = reach
            .near(claim.span)
            .map(|i| (distance(claim.span, truths[i]), i))
            .min()
            .map(|(_, i)| labels[i].activity.clone());
    }
}

/// How far apart two spans are, then how little they share, then how far their starts are: least is best.
fn distance(a: Span, b: Span) -> (Duration, Reverse<Duration>, Duration) {
    let gap = a.start.since(b.end).max(b.start.since(a.end));
    let shared = a.end.min(b.end).since(a.start.max(b.start));
    let starts = a.start.since(b.start).max(b.start.since(a.start));
    (gap, Reverse(shared), starts)
}

/// Spans sorted so that those near another are found by bisection.
struct Reach<'a> {
    spans: &'a [Span],
    /// Positions by start.
    order: Vec<usize>,
    /// The latest end of those up to each position of the order.
    ends: Vec<Timestamp>,
    tolerance: Duration,
}

impl<'a> Reach<'a> {
    fn of(spans: &'a [Span], tolerance: Duration) -> Self {
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|&i| spans[i]);
        let ends = order
            .iter()
            .scan(Timestamp(i64::MIN), |latest, &i| {
                *latest = (*latest).max(spans[i].end);
                Some(*latest)
            })
            .collect();
        Self {
            spans,
            order,
            ends,
            tolerance,
        }
    }

    /// Which spans are within the tolerance of `span`.
    fn near(&self, span: Span) -> impl Iterator<Item = usize> + '_ {
        let from = self
            .ends
            .partition_point(|&end| end + self.tolerance < span.start);
        self.order
            .iter()
            .skip(from)
            .copied()
            .take_while(move |&i| self.spans[i].start <= span.end + self.tolerance)
            .filter(move |&i| self.spans[i].touches(span, self.tolerance))
    }

    /// For each of `others`, whether a span is near.
    fn count<'b>(&'b self, others: &'b [Span]) -> impl Iterator<Item = bool> + 'b {
        others
            .iter()
            .map(|&other| self.near(other).next().is_some())
    }
}

/// How many pairs of a claim and a label within the tolerance can be formed, each used once: the most there are where claims
/// do not overlap one another. Claims are gone through by their end, and each takes, of the labels it is near, the one that
/// ends first (F. Glover, "Maximum Matching in a Convex Bipartite Graph", Naval Research Logistics Quarterly 14, 1967).
fn pairs(claims: &[Span], labels: &[Span], tolerance: Duration) -> usize {
    let mut claims = claims.to_vec();
    claims.sort_by_key(|claim| (claim.end, claim.start));
    let mut coming: Vec<Span> = labels.to_vec();
    coming.sort_by_key(|label| Reverse(label.start));
    let mut open: BinaryHeap<Reverse<(Timestamp, Timestamp)>> = BinaryHeap::new();
    let mut pairs = 0;
    for claim in claims {
        while let Some(label) = coming.pop_if(|label| label.start <= claim.end + tolerance) {
            open.push(Reverse((label.end, label.start)));
        }
        while let Some(Reverse((end, _))) = open.pop() {
            if end + tolerance >= claim.start {
                pairs += 1;
                break;
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::super::claim::{Shape, Side};
    use super::*;
    use proptest::prelude::*;

    fn span(start: i64, end: i64) -> Span {
        Span::new(Timestamp::new(start, 0), Timestamp::new(end, 0))
    }

    fn label(start: i64, end: i64, device: &str, activity: &str) -> Label {
        Label {
            span: span(start, end),
            device: device.to_owned(),
            activity: activity.to_owned(),
            tolerance: None,
            traffic: None,
        }
    }

    fn claim(start: i64, end: i64) -> Activity {
        Activity {
            span: span(start, end),
            shape: Shape::Spike,
            direction: Side::Up,
            peak_bytes_per_s: 1.0,
            sigma: 4.0,
            label: None,
        }
    }

    fn number(name: &str) -> Option<usize> {
        ["plug", "camera", "lamp"].iter().position(|&n| n == name)
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn counts_worked_by_hand() {
        let labels = [
            label(10, 12, "plug", "on"),
            label(20, 20, "plug", "off"),
            label(60, 61, "plug", "on"),
            // Ends before the capture begins: said and left out.
            label(-9, -5, "plug", "on"),
            label(50, 55, "camera", "motion"),
            label(70, 70, "kettle", "on"),
        ];
        let mut claims = [
            // Near both on and off; near nothing; off's one-to-one partner is the first claim.
            vec![claim(13, 18), claim(40, 41)],
            vec![],
            vec![claim(1, 2)],
        ];
        let scores = score(&labels, &mut claims, number, span(0, 100), secs(3));
        let plug = Truth {
            labels: 4,
            in_window: 3,
            hit: 2,
            claims: 2,
            correct: 1,
            one_to_one: 1,
        };
        assert_eq!(scores.devices[0], Some(plug));
        assert_eq!((plug.missed(), plug.outside()), (1, 1));
        assert_eq!(plug.precision(), Some(0.5));
        assert_eq!(plug.recall(), Some(2.0 / 3.0));
        let camera = scores.devices[1].unwrap();
        assert_eq!((camera.in_window, camera.missed()), (1, 1));
        assert_eq!(camera.precision(), None);
        assert_eq!(scores.devices[2], None);
        assert_eq!(scores.unjudged, 1);
        assert_eq!(scores.unknown, ["kettle"]);
        assert_eq!(
            scores.overall,
            Truth {
                labels: 6,
                in_window: 5,
                hit: 2,
                claims: 2,
                correct: 1,
                one_to_one: 1,
            }
        );
        // Both are 1 and 2 s away: the nearer one names it.
        assert_eq!(claims[0][0].label.as_deref(), Some("on"));
        assert_eq!(claims[0][1].label, None);
    }

    #[test]
    fn nothing_claimed_is_no_precision() {
        let scores = score(&[], &mut [], number, span(0, 1), secs(1));
        assert_eq!(scores.overall.precision(), None);
        assert_eq!(scores.overall.recall(), None);
    }

    #[test]
    fn the_tolerance_counts_on_both_ends_and_is_included() {
        for (start, end, hit) in [(13, 14, 1), (14, 15, 0), (5, 7, 1), (5, 6, 0)] {
            let labels = [label(10, 10, "plug", "on")];
            let mut claims = [vec![claim(start, end)]];
            let scores = score(&labels, &mut claims, number, span(0, 100), secs(3));
            assert_eq!(scores.overall.hit, hit, "{start}-{end}");
            assert_eq!(scores.overall.correct, hit);
        }
    }

    #[test]
    fn each_label_is_paired_once() {
        // Two claims near one label, one claim near two labels.
        let claims = [span(9, 9), span(11, 11), span(50, 50)];
        let labels = [span(10, 10), span(49, 49), span(51, 51)];
        assert_eq!(pairs(&claims, &labels, secs(2)), 2);
        // A greedy choice by start would give the long label to the first claim and leave the second alone.
        let claims = [span(10, 11), span(30, 31)];
        let labels = [span(0, 40), span(9, 10)];
        assert_eq!(pairs(&claims, &labels, secs(0)), 2);
    }

    proptest! {
        /// Against the definition, by trying every pair; and the most pairs, by trying every matching.
        #[test]
        fn as_by_definition(
            claims in prop::collection::vec((1i64..9, 0i64..6), 0..6),
            labels in prop::collection::vec((0i64..50, 0i64..8), 0..6),
            tolerance in 0u64..4,
        ) {
            // Claims that do not overlap: each starts after the last one's end.
            let mut at = 0;
            let claims: Vec<Span> = claims.into_iter().map(|(gap, length)| {
                let claim = span(at + gap, at + gap + length);
                at += gap + length;
                claim
            }).collect();
            let labels: Vec<Span> = labels.into_iter().map(|(start, length)| span(start, start + length)).collect();
            let tolerance = secs(tolerance);
            let near = |c: &Span, l: &Span| c.touches(*l, tolerance);
            let hit = labels.iter().filter(|l| claims.iter().any(|c| near(c, l))).count();
            let reach = Reach::of(&claims, tolerance);
            prop_assert_eq!(reach.count(&labels).filter(|&x| x).count(), hit);
            fn most(claims: &[Span], labels: &[Span], used: u32, near: &dyn Fn(&Span, &Span) -> bool) -> usize {
                let Some((first, rest)) = claims.split_first() else { return 0 };
                let skipped = most(rest, labels, used, near);
                (0..labels.len())
                    .filter(|&i| used & (1 << i) == 0 && near(first, &labels[i]))
                    .map(|i| 1 + most(rest, labels, used | 1 << i, near))
                    .fold(skipped, usize::max)
            }
            prop_assert_eq!(pairs(&claims, &labels, tolerance), most(&claims, &labels, 0, &near));
        }
    }
}
