//! The whole of the paper's Figure 4 (b-d) by the simulator behind `sweep`: 3 devices, 10 values of p, 101 of q, 50 runs of
//! 10,000 s each, 1.5e9 seconds of devices together.
//!
//! `figure-4 JOBS` writes a point a line to standard output, for every reader the same, and how long it took to standard error;
//! `figure-4 devices` writes what the simulator knows of the devices, for others to simulate them too.

use std::error::Error;
use std::io::Write;
use std::time::Instant;
use stp_audit::model::DeviceModel;
use stp_audit::stats::Interval;
use stp_audit::sweep::{parse_probabilities, run, Rule, Sweep};
use stp_audit::tradeoff::TradeOff;

fn main() -> Result<(), Box<dyn Error>> {
    let what = std::env::args().nth(1).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    if what == "devices" {
        return Ok(out.write_all(devices().as_bytes())?);
    }
    let jobs = what.parse().map_err(|_| "usage: figure-4 JOBS|devices")?;
    let sweep = figure_4(jobs)?;
    let begin = Instant::now();
    let curve = run(&sweep, &|_, _| ())?;
    eprintln!("{:.2} s with {jobs} jobs", begin.elapsed().as_secs_f64());
    Ok(out.write_all(points(&curve).as_bytes())?)
}

fn figure_4(jobs: usize) -> Result<Sweep, String> {
    Ok(Sweep {
        devices: DeviceModel::published(),
        p: parse_probabilities("0.01..0.1:0.01")?,
        q: parse_probabilities("0..1:0.01")?,
        trials: 50,
        seconds: 10_000,
        seed: 1,
        jobs: Some(jobs),
        rule: Rule::Paper,
    })
}

/// A point a line; half is half of the 95 % interval.
fn points(curve: &TradeOff) -> String {
    let mut text = "device,p,q,confidence,confidence_half,overhead,overhead_half\n".to_owned();
    let both = |interval: &Option<Interval>| match interval {
        Some(i) => format!(
            "{:.9},{:.9}",
            i.value,
            (i.value - i.low).max(i.high - i.value)
        ),
        None => ",".to_owned(),
    };
    for point in &curve.points {
        let (c, b) = (both(&point.confidence), both(&point.overhead));
        text += &format!("{},{},{},{c},{b}\n", point.device, point.p, point.q);
    }
    text
}

/// A recorded activity a line.
fn devices() -> String {
    let mut text = "device,period_s,padded_bytes,activity_s,activity_bytes\n".to_owned();
    for model in DeviceModel::published() {
        let (period, padded) = (model.period.as_secs_f64(), model.padded_bytes());
        for activity in &model.activities {
            let (seconds, bytes) = (activity.duration.as_secs_f64(), activity.bytes());
            text += &format!("{},{period},{padded},{seconds},{bytes}\n", model.id);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_whole_and_the_same_for_any_jobs() {
        let of = |jobs| {
            let sweep = Sweep {
                trials: 2,
                seconds: 200,
                ..figure_4(jobs).unwrap()
            };
            points(&run(&sweep, &|_, _| ()).unwrap())
        };
        let one = of(1);
        assert_eq!(one.lines().count(), 1 + 3 * 10 * 101);
        assert_eq!(one, of(3));
    }

    #[test]
    fn devices_are_told_with_all_their_activities() {
        let text = devices();
        assert_eq!(text.lines().count(), 1 + 7 + 7 + 9);
        // WeMo's slowest: (8000 - 3 x 188) x 1.25.
        assert!(text.contains(",1.25,9295\n"));
    }
}
