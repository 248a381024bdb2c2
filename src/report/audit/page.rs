//! What a report of a verdict is made of: the verdict, and for the page with pictures what they show.

pub use crate::report::plot::RatePlot;
use crate::tradeoff::TradeOff;
use crate::verdict::held::sound;
use crate::verdict::Verdict;

/// A verdict with the pictures that go with it; only HTML shows those.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What was found.
    pub verdict: &'a Verdict,
    /// The rates of each device before and after.
    pub plots: &'a [RatePlot],
    /// Privacy against bandwidth.
    pub curve: Option<&'a TradeOff>,
    /// The point on it that was chosen: overhead and confidence.
    pub chosen: Option<(f64, f64)>,
}

impl<'a> Page<'a> {
    /// A verdict without pictures.
    pub fn of(verdict: &'a Verdict) -> Self {
        Self {
            verdict,
            plots: &[],
            curve: None,
            chosen: None,
        }
    }
}

/// The verdict with `None` wherever a number is none, so that no format has to ask again.
pub(super) fn cleaned(verdict: &Verdict) -> Verdict {
    let mut verdict = verdict.clone();
    let finite = |number: &mut Option<f64>| *number = number.filter(|number| number.is_finite());
    for row in &mut verdict.results {
        row.confidence = row.confidence.filter(sound);
        row.auc = row.auc.filter(sound);
        row.shuffled = row.shuffled.filter(|s| {
            let dealt = [s.dealt.lift, s.dealt.low, s.dealt.high];
            [s.confidence, s.lift, s.low, s.high, s.chance]
                .iter()
                .chain(&dealt)
                .all(|n| n.is_finite())
        });
        let top = &mut row.precision_at;
        let c_min = &mut row.c_min;
        let cost = &mut row.overhead;
        let delay = &mut row.added_latency_ms;
        for number in [
            &mut row.recall,
            &mut row.activities_per_period,
            &mut row.genuine_periods_per_period,
            &mut top.top_1_percent,
            &mut top.top_5_percent,
            &mut top.top_10_percent,
            &mut c_min.time_fraction,
            &mut c_min.activities_per_period,
            &mut c_min.periods_touched,
            &mut cost.ratio,
            &mut cost.low,
            &mut cost.high,
            &mut delay.p50,
            &mut delay.p99,
            &mut delay.max,
        ] {
            finite(number);
        }
        if let Some(theory) = &mut row.theory {
            finite(&mut theory.confidence);
            finite(&mut theory.overhead);
        }
    }
    for gate in &mut verdict.gates {
        finite(&mut gate.observed);
        finite(&mut gate.bound);
    }
    verdict
}
