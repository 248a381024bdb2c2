//! Every device at every p and q, so many trials each: the curve.
//!
//! The activities of a device, p and trial are drawn once and padded with each q. Trials run on all processors; what comes
//! out depends on the arguments alone.

use super::activities::{stream, Habit, Stream, Use};
use super::padding::{paper, phantom, Rule, Tally};
use crate::model::{DeviceModel, Geometric};
use crate::stats::{ratio, Interval};
use crate::tradeoff::{Point, TradeOff, SCHEMA};
use crate::units::Probability;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::{json, Value};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Most trials a point.
pub const TRIALS_AT_MOST: u32 = 1_000_000;
/// Longest trial in seconds, some 115 days: its activities are kept in memory.
pub const SECONDS_AT_MOST: u64 = 10_000_000;
/// Most points: devices x p x q.
pub const POINTS_AT_MOST: usize = 1_000_000;
/// Most threads.
pub const JOBS_AT_MOST: usize = 1_024;
/// Longest activity, and longest T, in seconds.
const LENGTH_AT_MOST: u64 = SECONDS_AT_MOST;
/// Shortest T in milliseconds.
const PERIOD_AT_LEAST_MS: u128 = 1;
/// Results of single trials that are kept at once by a thread: values of q are taken in portions of so many over the trials.
const KEPT_AT_MOST: usize = 1 << 20;
/// Fewer trials than this give an interval that is too narrow.
const TRIALS_TO_TRUST: u32 = 10;

/// What to sweep over.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// The devices, each id once.
    pub devices: Vec<DeviceModel>,
    /// p: chances of an activity per idle second.
    pub p: Vec<Probability>,
    /// q: chances of padding per second without padding; under [`Rule::Phantom`], of a phantom in any second.
    pub q: Vec<Probability>,
    /// Trials a point, 1 to [`TRIALS_AT_MOST`].
    pub trials: u32,
    /// Length of a trial in seconds, 1 to [`SECONDS_AT_MOST`].
    pub seconds: u64,
    /// Seed of all chance.
    pub seed: u64,
    /// Threads, 1 to [`JOBS_AT_MOST`]; `None` for as many as there are processors.
    pub jobs: Option<usize>,
    /// What prolongs padding.
    pub rule: Rule,
}

/// Why there is no curve.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A number out of its range.
    #[error("{what} is {given}; it must be from {least} to {most}")]
    Range {
        /// What.
        what: &'static str,
        /// The number given.
        given: u64,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
    /// Nothing to sweep over.
    #[error("no {0} to sweep over; name one at least")]
    None(&'static str),
    /// Two devices of one name.
    #[error("{0} is named twice; the points of both would be called alike")]
    Twice(String),
    /// A device that cannot be simulated.
    #[error("{device}: {why}")]
    Device {
        /// Which.
        device: String,
        /// Why, and what is allowed.
        why: String,
    },
    /// The system gives no threads.
    #[error("no threads to compute with: {0}; try fewer by --jobs")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// How far a sweep came that could be stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Swept {
    /// The curve, of the points that were finished.
    pub curve: TradeOff,
    /// How many points were finished.
    pub done: usize,
    /// How many there would have been.
    pub of: usize,
}

/// Simulates all, and tells `progress` how many of how many parts are done, from any thread.
///
/// The result is the same for any number of threads, and a point the same whatever others are asked for.
///
/// # Errors
/// A number out of its range, found before anything is computed; no threads.
pub fn run(sweep: &Sweep, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<TradeOff, SweepError> {
    run_until(sweep, progress, &|| false).map(|swept| swept.curve)
}

/// [`run`], which ends early once `stop` says so; it is asked before every trial, from any thread. Points of which a trial is
/// missing are left out.
///
/// # Errors
/// As for [`run`].
pub fn run_until(
    sweep: &Sweep,
    progress: &(dyn Fn(u64, u64) + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Swept, SweepError> {
    check(sweep)?;
    let threads = sweep.jobs.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let portion = (KEPT_AT_MOST / sweep.trials.max(1) as usize).clamp(1, sweep.q.len().max(1));
    let mut parts: Vec<(&DeviceModel, Probability, &[Probability])> = Vec::new();
    for device in &sweep.devices {
        for &p in &sweep.p {
            parts.extend(sweep.q.chunks(portion).map(|q| (device, p, q)));
        }
    }
    let total = (parts.len() as u64).saturating_mul(u64::from(sweep.trials));
    let done = AtomicU64::new(0);
    let tick = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
    let points = pool.install(|| {
        let points = parts
            .par_iter()
            .map(|&(device, p, q)| part(sweep, device, p, q, &tick, stop));
        let finished: Vec<Vec<Point>> = points.flatten().collect();
        finished.concat()
    });
    let (done, of) = (
        points.len(),
        sweep.devices.len() * sweep.p.len() * sweep.q.len(),
    );
    let curve = TradeOff {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        seed: sweep.seed,
        trials: sweep.trials,
        duration_s: sweep.seconds,
        parameters: sweep
            .devices
            .iter()
            .map(|device| (device.id.clone(), parameters(device, sweep.rule)))
            .collect(),
        points,
        caveats: caveats(sweep),
    };
    Ok(Swept { curve, done, of })
}

fn check(sweep: &Sweep) -> Result<(), SweepError> {
    let within = |what, given: u64, least, most| match (least..=most).contains(&given) {
        true => Ok(()),
        false => Err(SweepError::Range {
            what,
            given,
            least,
            most,
        }),
    };
    within(
        "number of trials",
        sweep.trials.into(),
        1,
        TRIALS_AT_MOST.into(),
    )?;
    within("duration in seconds", sweep.seconds, 1, SECONDS_AT_MOST)?;
    if let Some(jobs) = sweep.jobs {
        within("number of jobs", jobs as u64, 1, JOBS_AT_MOST as u64)?;
    }
    let counts = [
        ("device", sweep.devices.len()),
        ("p", sweep.p.len()),
        ("q", sweep.q.len()),
    ];
    for (what, count) in counts {
        if count == 0 {
            return Err(SweepError::None(what));
        }
    }
    let points = counts
        .iter()
        .fold(1usize, |all, (_, count)| all.saturating_mul(*count));
    let what = "number of points (devices x p x q)";
    within(what, points as u64, 1, POINTS_AT_MOST as u64)?;
    let mut seen = HashSet::new();
    for device in &sweep.devices {
        if !seen.insert(&device.id) {
            return Err(SweepError::Twice(device.id.clone()));
        }
        let longest = device
            .activities
            .iter()
            .map(|activity| activity.duration)
            .max();
        let why = match longest {
            None => "no activity to replay; learn from a capture in which it is used".to_owned(),
            Some(longest) if longest.as_secs() >= LENGTH_AT_MOST => {
                format!("an activity of {longest:?}; it must be shorter than {LENGTH_AT_MOST} s")
            }
            Some(_)
                if device.period.as_millis() < PERIOD_AT_LEAST_MS
                    || device.period.as_secs() >= LENGTH_AT_MOST =>
            {
                let period = device.period;
                format!("T is {period:?}; it must be from 1 ms to {LENGTH_AT_MOST} s")
            }
            Some(_) => continue,
        };
        return Err(SweepError::Device {
            device: device.id.clone(),
            why,
        });
    }
    Ok(())
}

/// T in nanoseconds.
pub(super) fn period_nanos(model: &DeviceModel) -> u64 {
    u64::try_from(model.period.as_nanos()).unwrap_or(u64::MAX)
}

/// One trial by either rule; its runs are followed if `RUNS`.
#[inline]
pub(super) fn tally<const RUNS: bool>(
    uses: &[Use],
    period: u64,
    (rule, draws, phantoms): (Rule, &Geometric, &Habit),
    seconds: u64,
    chance: &mut ChaCha8Rng,
) -> Tally {
    match rule {
        Rule::Paper => paper::<RUNS>(uses, period, draws, seconds, chance),
        Rule::Phantom => phantom::<RUNS>(uses, period, phantoms, seconds, chance),
    }
}

/// What a trial of one device, p and q comes to; kept until all trials are done.
#[derive(Clone, Copy)]
struct Trial {
    activities: f64,
    genuine_bytes: f64,
    periods: f64,
    genuine: f64,
}

/// The points of one device and p; `None` where it was stopped before the last trial.
fn part(
    sweep: &Sweep,
    device: &DeviceModel,
    p: Probability,
    q: &[Probability],
    tick: &(dyn Fn() + Sync),
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Point>> {
    let habit = Habit::new(device, p);
    let ways: Vec<(Geometric, Habit)> = q
        .iter()
        .map(|&q| (Geometric::new(q), Habit::new(device, q)))
        .collect();
    let period = period_nanos(device);
    // Each trial's results, q by q.
    let trials: Option<Vec<Vec<Trial>>> = (0..sweep.trials)
        .into_par_iter()
        .map(|trial| {
            if stop() {
                return None;
            }
            let mut chance = stream(sweep.seed, &device.id, p, Stream::Activities, trial);
            let (uses, bytes) = habit.timeline(sweep.seconds, &mut chance);
            let of = q.iter().zip(&ways).map(|(&q, (draws, phantoms))| {
                let mut chance = stream(sweep.seed, &device.id, p, Stream::Padding(q), trial);
                let way = (sweep.rule, draws, phantoms);
                let tally = tally::<false>(&uses, period, way, sweep.seconds, &mut chance);
                Trial {
                    activities: uses.len() as f64,
                    genuine_bytes: bytes as f64,
                    periods: tally.periods as f64,
                    genuine: tally.genuine as f64,
                }
            });
            let of = of.collect();
            tick();
            Some(of)
        })
        .collect();
    let trials = trials?;
    let points = q.iter().enumerate().map(|(place, &q)| {
        let of: Vec<Trial> = trials
            .iter()
            .filter_map(|trial| trial.get(place))
            .copied()
            .collect();
        point(device, p, q, &of)
    });
    Some(points.collect())
}

fn point(device: &DeviceModel, p: Probability, q: Probability, trials: &[Trial]) -> Point {
    let over = |part: fn(&Trial) -> f64, whole: fn(&Trial) -> f64, scale: f64| {
        let pairs: Vec<(f64, f64)> = trials
            .iter()
            .map(|trial| (part(trial) * scale, whole(trial)))
            .collect();
        ratio(&pairs)
    };
    let at_least_0 = |interval: Interval| Interval {
        low: interval.low.max(0.0),
        ..interval
    };
    Point {
        device: device.id.clone(),
        p: p.get(),
        q: q.get(),
        confidence: over(|t| t.genuine, |t| t.periods, 1.0).map(|interval| Interval {
            high: interval.high.min(1.0),
            ..at_least_0(interval)
        }),
        // D_notA = 0: what is not padded is silent.
        overhead: over(|t| t.periods, |t| t.genuine_bytes, device.padded_bytes()).map(at_least_0),
        activities_per_period: over(|t| t.activities, |t| t.periods, 1.0).map(|of| of.value),
    }
}

fn parameters(device: &DeviceModel, rule: Rule) -> BTreeMap<String, Value> {
    [
        ("period_s", json!(device.period.as_secs_f64())),
        ("rate_up_bytes_per_s", json!(device.rate_up)),
        ("rate_down_bytes_per_s", json!(device.rate_down)),
        ("recorded_activities", json!(device.activities.len())),
        ("mean_activity_s", json!(device.mean_seconds())),
        ("mean_activity_bytes", json!(device.mean_bytes())),
        ("calibrated", json!(device.calibrated)),
        ("rule", json!(rule)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn caveats(sweep: &Sweep) -> Vec<String> {
    let mut caveats: Vec<String> = sweep
        .devices
        .iter()
        .filter(|device| !device.calibrated.is_empty())
        .map(|device| {
            format!(
                "{}: built from published statistics, not from a capture; calibrated to the published overhead at q = 0: {}",
                device.id,
                device.calibrated.join(", ")
            )
        })
        .collect();
    if sweep.trials < TRIALS_TO_TRUST {
        caveats.push(format!(
            "intervals over {} trials are too narrow; {TRIALS_TO_TRUST} or more give better ones",
            sweep.trials
        ));
    }
    caveats
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::parse_probabilities;
    use std::time::Duration;

    fn small(jobs: usize) -> Sweep {
        Sweep {
            devices: DeviceModel::published(),
            p: parse_probabilities("0,0.01,0.1").unwrap(),
            q: parse_probabilities("0,0.01,0.5,1").unwrap(),
            trials: 12,
            seconds: 3_000,
            seed: 5,
            jobs: Some(jobs),
            rule: Rule::Paper,
        }
    }

    fn result(sweep: &Sweep) -> TradeOff {
        run(sweep, &|_, _| ()).unwrap()
    }

    #[test]
    fn threads_and_neighbours_change_nothing() {
        for rule in [Rule::Paper, Rule::Phantom] {
            let whole = result(&Sweep { rule, ..small(1) });
            assert_eq!(whole, result(&Sweep { rule, ..small(3) }));
            let alone = result(&Sweep {
                rule,
                devices: DeviceModel::published().split_off(2),
                p: parse_probabilities("0.1").unwrap(),
                q: parse_probabilities("0.5").unwrap(),
                ..small(2)
            });
            assert!(whole.points.contains(&alone.points[0]));
        }
    }

    #[test]
    fn points_come_in_order_and_progress_is_told() {
        let most = AtomicU64::new(0);
        let of = run(&small(2), &|done, total| {
            assert!(done <= total && total == 9 * 12);
            most.fetch_max(done, Ordering::Relaxed);
        })
        .unwrap();
        assert_eq!(most.into_inner(), 9 * 12);
        assert_eq!(of.points.len(), 36);
        let first: Vec<(&str, f64, f64)> = of.points[..5]
            .iter()
            .map(|point| (point.device.as_str(), point.p, point.q))
            .collect();
        assert_eq!(first[0], ("wemo", 0.0, 0.0));
        assert_eq!(first[3..], [("wemo", 0.0, 1.0), ("wemo", 0.01, 0.0)]);
    }

    #[test]
    fn what_is_stopped_has_its_finished_points() {
        let whole = result(&small(1));
        let asked = AtomicU64::new(0);
        // On one thread: 9 pairs of device and p, 12 trials each; the third is stopped in its fifth trial.
        let stop = || asked.fetch_add(1, Ordering::Relaxed) >= 28;
        let swept = run_until(&small(1), &|_, _| (), &stop).unwrap();
        assert_eq!((swept.done, swept.of), (8, 36));
        assert_eq!(swept.curve.points, whole.points[..8]);
        assert_eq!(run_until(&small(2), &|_, _| (), &|| true).unwrap().done, 0);
        let all = run_until(&small(2), &|_, _| (), &|| false).unwrap();
        assert_eq!((all.done, all.of, all.curve), (36, 36, whole));
    }

    #[test]
    fn what_does_not_exist_is_none() {
        let of = result(&small(1));
        // Neither activities nor padding.
        assert_eq!(of.points[0].confidence, None);
        assert_eq!(of.points[0].overhead, None);
        assert_eq!(of.points[0].activities_per_period, None);
        // Padding alone: no claim is true, and nothing to compare bytes with.
        assert_eq!(of.points[3].confidence.unwrap().value, 0.0);
        assert_eq!(of.points[3].overhead, None);
        // Activities alone.
        assert_eq!(of.points[4].confidence.unwrap().value, 1.0);
        assert_eq!(of.parameters["nest"]["period_s"], 16.0);
        assert!(of.caveats[0].contains("calibrated"));
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_the_range() {
        let says = |sweep: Sweep, text: &str| {
            let error = run(&sweep, &|_, _| panic!("computed")).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        };
        let with = |change: fn(&mut Sweep)| {
            let mut sweep = small(1);
            change(&mut sweep);
            sweep
        };
        says(with(|s| s.trials = 0), "from 1 to 1000000");
        says(with(|s| s.trials = 1_000_001), "from 1 to 1000000");
        says(with(|s| s.seconds = 0), "from 1 to 10000000");
        says(with(|s| s.seconds = u64::MAX), "from 1 to 10000000");
        says(with(|s| s.jobs = Some(0)), "from 1 to 1024");
        says(with(|s| s.p.clear()), "no p to sweep");
        says(
            with(|s| s.q = vec![Probability::NEVER; 1_000_000]),
            "points",
        );
        says(with(|s| s.devices.push(s.devices[0].clone())), "twice");
        says(
            with(|s| s.devices[1].activities.clear()),
            "nest: no activity",
        );
        says(with(|s| s.devices[0].period = Duration::ZERO), "from 1 ms");
        says(with(|s| s.devices[0].period = Duration::MAX), "from 1 ms");
        let endless = |s: &mut Sweep| s.devices[0].activities[0].duration = Duration::MAX;
        says(with(endless), "shorter than");
    }
}
