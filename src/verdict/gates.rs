//! Gates: limits on what an adversary may learn and a defense may cost, and the exit code that says how they were kept.
//!
//! A gate fails only when the whole 95 % interval is beyond its limit, passes only when the whole interval is within, and
//! is inconclusive between. Nothing passes on an empty or partial result, on what is no number, or on so few activities
//! that the next day could tell another story. One broken gate outweighs any number of inconclusive ones, and one
//! inconclusive gate any number that passed; the format of the report has no say.

pub use super::limits::{
    LimitError, Limits, BASELINE, MAX_ADDED_LATENCY, MAX_CONFIDENCE, MAX_OVERHEAD, RULES,
};

use super::baseline::{self, Saved};
use super::held::{each_device, held, sound, Held};
use super::passes::{unknown, within, Passes};
use super::{Baseline, Gate, Outcome, Status, Verdict};
use std::time::Duration;

/// Holds a verdict's results against limits and a baseline: fills its `gates`, `baseline`, `verdict` and `exit_code` (0 within
/// limits, 1 broken, 5 inconclusive), and adds caveats.
///
/// `partial` says in words why the results are but a part, as where an input was cut short: then no gate passes.
pub fn judge(
    verdict: &mut Verdict,
    limits: &Limits,
    baseline: Option<&Saved>,
    partial: Option<&str>,
) {
    let all = held(verdict);
    let least = limits.min_activities;
    let passes = all
        .iter()
        .map(|held| Passes::of(held, &all, verdict, least, partial));
    let passes: Vec<Passes> = passes.collect();
    let mut gates = Vec::new();
    for (held, passes) in all.iter().zip(&passes) {
        gates.extend(limits.max_confidence.map(|c| confidence(held, passes, c)));
        gates.extend(limits.max_overhead.map(|b| overhead(held, passes, b)));
        gates.extend(
            limits
                .max_added_latency
                .map(|latency| added_latency(held, passes, latency)),
        );
    }
    if limits.each_device {
        let devices = each_device(&all, verdict);
        for held in &devices {
            let passes = Passes::of(held, &all, verdict, least, partial);
            gates.extend(limits.max_confidence.map(|c| confidence(held, &passes, c)));
        }
    }
    if all.is_empty() && (limits.any() || baseline.is_some()) {
        gates.push(nothing(limits));
    }
    let mut caveats = Vec::new();
    let difference = baseline.map(|saved| {
        for (held, passes) in all.iter().zip(&passes) {
            gates.push(baseline::gate(held, passes, saved));
        }
        caveats = baseline::doubts(verdict, saved);
        baseline::difference(&all, &gates, saved)
    });
    let (accepted, weighed): (Vec<&Gate>, Vec<&Gate>) = gates
        .iter()
        .partition(|gate| known(difference.as_ref(), gate));
    let accepted = accepted.len();
    let worst = weighed.iter().map(|gate| gate.status).max();
    if accepted > 0 {
        caveats.push(format!(
            "{accepted} broken in the baseline as well, and accepted by it: save a new one once mended"
        ));
    }
    let worst = match (worst, partial) {
        (None | Some(Status::Pass), Some(_)) => Some(Status::Inconclusive),
        // All gates there are were accepted.
        (None, None) if accepted > 0 => Some(Status::Pass),
        (worst, _) => worst,
    };
    let (words, exit_code) = match worst {
        None => ("no limits set", 0),
        Some(Status::Pass) => ("within limits", 0),
        Some(Status::Inconclusive) => ("inconclusive", 5),
        Some(Status::Fail) => ("limit broken", 1),
    };
    verdict.verdict = words.to_owned();
    verdict.exit_code = exit_code;
    verdict.gates = gates;
    verdict.baseline = difference;
    verdict.caveats.extend(caveats);
}

/// Whether a gate broke in the baseline as well, and by no less: it is told, but breaks nothing.
pub fn accepted(verdict: &Verdict, gate: &Gate) -> bool {
    known(verdict.baseline.as_ref(), gate)
}

fn known(difference: Option<&Baseline>, gate: &Gate) -> bool {
    let persistent = difference.map(|difference| difference.persistent.as_slice());
    gate.status == Status::Fail
        && gate.rule != BASELINE
        && persistent
            .unwrap_or_default()
            .contains(&baseline::broken_id(gate))
}

/// Where limits are set and there is no result at all.
fn nothing(limits: &Limits) -> Gate {
    let latency = limits.max_added_latency.map(millis);
    let (rule, limit) = [
        (MAX_CONFIDENCE, limits.max_confidence),
        (MAX_OVERHEAD, limits.max_overhead),
        (MAX_ADDED_LATENCY, latency),
    ]
    .into_iter()
    .find_map(|(rule, limit)| Some((rule, limit?)))
    .unwrap_or((BASELINE, 0.0));
    Gate {
        rule: rule.to_owned(),
        defense: "none audited".to_owned(),
        device: None,
        adversary: None,
        limit,
        observed: None,
        bound: None,
        status: Status::Inconclusive,
        says: "there is no result to hold against the limit; audit at least one defense".to_owned(),
        line: None,
    }
}

fn confidence(held: &Held<'_>, passes: &Passes, limit: f64) -> Gate {
    let gate = unknown(MAX_CONFIDENCE, passes, limit);
    if held.rows.is_empty() {
        let says = passes.why_not();
        return Gate { says, ..gate };
    }
    // Who is surely right too often breaks the limit, even where another's estimate is higher but less sure.
    let beyond = held.rows.iter().filter_map(|&row| {
        let interval = row.confidence.filter(sound)?;
        (interval.low > limit).then_some((row, interval))
    });
    let surest = beyond.max_by(|(_, a), (_, b)| a.low.total_cmp(&b.low));
    let worst = held.worst();
    let breaks = worst.filter(|(_, c)| sound(c) && c.low > limit).or(surest);
    // Nor is a limit kept while anybody may be right more often.
    let may = held.rows.iter().filter_map(|&row| {
        let interval = row.confidence.filter(sound)?;
        (interval.high > limit).then_some((row, interval))
    });
    let straddles = worst.filter(|(_, c)| sound(c) && c.high > limit);
    let straddles = straddles.or(may.max_by(|(_, a), (_, b)| a.high.total_cmp(&b.high)));
    let Some((row, c)) = breaks.or(straddles).or(worst) else {
        return passes.silence(gate);
    };
    let gate = Gate {
        adversary: Some(row.adversary.clone()),
        ..gate
    };
    let unsound = held
        .rows
        .iter()
        .find(|row| row.confidence.is_some_and(|c| !sound(&c)));
    if let (Some(row), None) = (unsound, breaks) {
        let says = format!(
            "the confidence of {} is no number; nothing can be told",
            row.adversary
        );
        return Gate { says, ..gate };
    }
    passes.doubt(within(
        gate,
        c.value,
        c.low,
        c.high,
        |x| format!("{:.1} %", x * 100.0),
        &format!("{} from {} is right", row.adversary, held.vantage),
    ))
}

fn overhead(held: &Held<'_>, passes: &Passes, limit: f64) -> Gate {
    let gate = unknown(MAX_OVERHEAD, passes, limit);
    let Some(row) = cost_row(held) else {
        let says = passes.why_not();
        return Gate { says, ..gate };
    };
    let cost = &row.overhead;
    let Some(ratio) = cost.ratio.filter(|ratio| ratio.is_finite()) else {
        let says = "no overhead can be told: there are no bytes without the defense".to_owned();
        return Gate { says, ..gate };
    };
    let finite = |end: Option<f64>| end.filter(|end| end.is_finite());
    let (low, high) = match (finite(cost.low), finite(cost.high)) {
        (Some(low), Some(high)) => (low.min(ratio), high.max(ratio)),
        // One run, or a defense that throws no coins: the bytes are counted, not estimated.
        _ if row.trials <= 1 && cost.low.is_none() && cost.high.is_none() => (ratio, ratio),
        _ => {
            let says = "the interval of the overhead is no number; nothing can be told".to_owned();
            return Gate {
                observed: Some(ratio),
                says,
                ..gate
            };
        }
    };
    passes.grant(within(
        gate,
        ratio,
        low,
        high,
        |x| format!("{x:.2}"),
        "bytes with over bytes without are",
    ))
}

fn added_latency(held: &Held<'_>, passes: &Passes, limit: Duration) -> Gate {
    let gate = unknown(MAX_ADDED_LATENCY, passes, millis(limit));
    let Some(row) = cost_row(held) else {
        let says = passes.why_not();
        return Gate { says, ..gate };
    };
    let Some(p99) = row.added_latency_ms.p99.filter(|p99| p99.is_finite()) else {
        let says = "the added latency is no number; nothing can be told".to_owned();
        return Gate { says, ..gate };
    };
    passes.grant(within(
        gate,
        p99,
        p99,
        p99,
        |x| format!("{x:.1} ms"),
        "99 % of packets are delayed by at most",
    ))
}

/// The row a defense's cost is read from; it is the same in all its rows.
fn cost_row<'a>(held: &Held<'a>) -> Option<&'a Outcome> {
    let marked = held.rows.iter().find(|row| row.headline);
    marked.or(held.rows.first()).copied()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests;
