//! The pictures of a verdict's page: rates of each device before and after (the paper's Figure 3), and the trade-off with the
//! point that was chosen (its Figure 4).

use crate::audit::shaped;
use crate::cli::args::{Common, DefendArgs};
use crate::cli::auditing::{stopped, watch};
use crate::cli::defended::Defended;
use crate::cli::exit::usage;
use crate::cli::homes::usage_of;
use crate::cli::signals::Signals;
use crate::defense::settings::ExtensionRule;
use crate::model::DeviceModel;
use crate::report::audit::{Page, RatePlot};
use crate::sweep::{run_until, Rule, Sweep};
use crate::threat::{Knowledge, Observation, ShapedTrace};
use crate::trace::Trace;
use crate::tradeoff::TradeOff;
use crate::units::{nanos, Probability, Timestamp, NANOS};
use crate::verdict::Verdict;
use std::collections::BTreeMap;
use std::time::Duration;

/// Points drawn of a rate: more than a picture has columns.
const POINTS: i64 = 860;
/// Devices drawn, the most used.
const DEVICES: usize = 12;
/// The trade-off of a page: values of q, trials, and seconds a trial.
const CURVE_Q: [f64; 16] = [
    0.0, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0,
];
const CURVE_TRIALS: u32 = 10;
const CURVE_SECONDS: u64 = 86_400;

/// What a page shows beside its tables.
pub struct Pictures {
    plots: Vec<RatePlot>,
    curve: Option<TradeOff>,
    chosen: Option<(f64, f64)>,
}

impl Pictures {
    /// The page of a verdict with these pictures.
    pub fn page<'a>(&'a self, verdict: &'a Verdict) -> Page<'a> {
        Page {
            verdict,
            plots: &self.plots,
            curve: self.curve.as_ref(),
            chosen: self.chosen,
        }
    }
}

/// Draws the pictures of the defense that pads by chance, or of the last one.
///
/// A signal ends the drawing: then there is no curve, and the verdict says so.
///
/// # Errors
/// No threads to compute with.
pub fn draw(
    args: &DefendArgs,
    defended: &mut Defended,
    common: &Common,
) -> anyhow::Result<Pictures> {
    let signals = Signals::watch()?;
    let trace = &defended.ground.trace;
    let defenses = &defended.defenses;
    let shown = defenses.iter().find(|(name, _)| name == "stp");
    let Some((name, defense)) = shown.or_else(|| defenses.last()) else {
        return Ok(Pictures {
            plots: Vec::new(),
            curve: None,
            chosen: None,
        });
    };
    let shaped = shaped(trace, name, &**defense, common.seed, 0);
    let headline = defended
        .verdict
        .results
        .iter()
        .find(|row| row.headline && row.defense == *name);
    let chosen = headline.and_then(|row| Some((row.overhead.ratio?, row.confidence?.value)));
    let plots = plots(trace, &shaped);
    let curve = match (shown, defended.signal) {
        (Some(_), None) => curve(args, trace, &signals, common)?,
        _ => None,
    };
    if let (None, Some(signal)) = (defended.signal, signals.came()) {
        defended.signal = Some(signal);
        stopped(&mut defended.verdict, signal);
        let says = format!("stopped by signal {signal} while pictures were drawn: numbers are whole, the trade-off is not drawn");
        defended.verdict.caveats.push(says);
    }
    Ok(Pictures {
        plots,
        curve,
        chosen,
    })
}

/// Devices by how often they are used, with their flows on the wire; a tunnel, which is nobody's, is all the home's.
fn plots(trace: &Trace, shaped: &ShapedTrace) -> Vec<RatePlot> {
    let knowledge = Knowledge::study(trace);
    let seen = &shaped.seen;
    let owners: Vec<Option<usize>> = seen
        .flows
        .iter()
        .map(|flow| knowledge.device_of(&flow.far))
        .collect();
    let mut uses: Vec<(usize, usize)> = (0..trace.devices.len())
        .map(|device| (trace.activities_of(device).count(), device))
        .filter(|(uses, _)| *uses > 0)
        .collect();
    uses.sort_by_key(|(uses, device)| (std::cmp::Reverse(*uses), *device));
    uses.truncate(DEVICES);
    let grid = Columns::of(seen);
    let mut plots: Vec<RatePlot> = uses
        .iter()
        .filter(|(_, device)| owners.contains(&Some(*device)))
        .map(|(_, device)| {
            let name = trace
                .devices
                .get(*device)
                .map_or("", |one| one.name.as_str());
            plot(
                name,
                trace,
                shaped,
                &grid,
                |of| of == Some(*device),
                |flow| owners.get(flow as usize) == Some(&Some(*device)),
            )
        })
        .collect();
    if plots.is_empty() {
        plots.push(plot("the home", trace, shaped, &grid, |_| true, |_| true));
    }
    plots
}

fn plot(
    name: &str,
    trace: &Trace,
    shaped: &ShapedTrace,
    grid: &Columns,
    mine: impl Fn(Option<usize>) -> bool,
    flow: impl Fn(u32) -> bool,
) -> RatePlot {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    for packet in trace
        .packets
        .iter()
        .filter(|packet| mine(trace.device_of(packet)))
    {
        grid.add(&mut before, packet.at, u64::from(packet.bytes));
    }
    for train in shaped
        .seen
        .sightings
        .iter()
        .filter(|train| flow(train.flow))
    {
        // Column by column, not packet by packet: a train may be a day long.
        let mut passed = 0;
        while passed < train.count {
            let next = train.every.saturating_mul(i64::from(passed));
            let at = Timestamp(train.at.0.saturating_add(next));
            let until = grid.end(at);
            let upto = train.count_before(until).max(passed + 1);
            let bytes = u64::from(upto - passed) * u64::from(train.bytes);
            grid.add(&mut after, at, bytes);
            passed = upto;
        }
    }
    let periods = shaped.periods.iter().filter(|period| flow(period.flow));
    RatePlot {
        device: name.to_owned(),
        before: grid.points(&before),
        after: grid.points(&after),
        padded: periods
            .map(|period| {
                (
                    grid.seconds(period.span.start),
                    grid.seconds(period.span.end),
                    period.genuine,
                )
            })
            .collect(),
    }
}

/// Time cut into columns of whole seconds.
struct Columns {
    start: i64,
    width: i64,
}

impl Columns {
    fn of(seen: &Observation) -> Self {
        let width = (nanos(seen.window.duration()) / POINTS / NANOS).saturating_add(1);
        Self {
            start: seen.window.start.0,
            width: width.saturating_mul(NANOS),
        }
    }

    fn column(&self, at: Timestamp) -> i64 {
        at.0.saturating_sub(self.start).div_euclid(self.width)
    }

    /// The begin of the next column.
    fn end(&self, at: Timestamp) -> Timestamp {
        let columns = self.column(at).saturating_add(1).saturating_mul(self.width);
        Timestamp(self.start.saturating_add(columns))
    }

    fn add(&self, to: &mut BTreeMap<i64, u64>, at: Timestamp, bytes: u64) {
        *to.entry(self.column(at)).or_default() += bytes;
    }

    fn seconds(&self, at: Timestamp) -> f64 {
        at.0.saturating_sub(self.start) as f64 / NANOS as f64
    }

    /// Every column from the first to the last with a byte, empty ones beside full ones as zero.
    fn points(&self, bytes: &BTreeMap<i64, u64>) -> Vec<(f64, f64)> {
        let width = self.width as f64 / NANOS as f64;
        let mut points: Vec<(f64, f64)> = Vec::new();
        let mut last = None;
        for (column, bytes) in bytes {
            let at = *column as f64 * width;
            if last.is_some_and(|last| last + 1 < *column) {
                points.push(((last.unwrap_or_default() + 1) as f64 * width, 0.0));
                points.push((at - width, 0.0));
            }
            points.push((at, *bytes as f64 / width));
            last = Some(*column);
        }
        points
    }
}

/// The trade-off of the devices as they are used in this trace; `None` where a signal came.
fn curve(
    args: &DefendArgs,
    trace: &Trace,
    signals: &Signals,
    common: &Common,
) -> anyhow::Result<Option<TradeOff>> {
    let mut curve: Option<TradeOff> = None;
    let mut devices: Vec<usize> = (0..trace.devices.len()).collect();
    devices.sort_by_key(|device| std::cmp::Reverse(trace.activities_of(*device).count()));
    for device in devices.into_iter().take(DEVICES / 2) {
        let Ok(mut model) = DeviceModel::of_trace(trace, device) else {
            continue;
        };
        let told = &args.defenses;
        model.period = told.period.unwrap_or(model.period);
        model.rate_up = told.rate_up.unwrap_or(model.rate_up);
        model.rate_down = told.rate_down.unwrap_or(model.rate_down);
        if model.period < Duration::from_millis(1) {
            continue;
        }
        let sweep = Sweep {
            devices: vec![model],
            p: vec![usage_of(trace, device)],
            q: CURVE_Q.iter().copied().map(Probability::clamped).collect(),
            trials: CURVE_TRIALS,
            seconds: CURVE_SECONDS,
            seed: common.seed,
            jobs: common.jobs.map(usize::from),
            rule: match told.rule {
                ExtensionRule::Paper => Rule::Paper,
                ExtensionRule::Phantom => Rule::Phantom,
            },
        };
        let one = watch("trials of the curve", common, signals, |progress, stop| {
            run_until(&sweep, progress, stop)
        });
        let one = one.map_err(|error| usage(error.to_string()))?;
        if one.done < one.of {
            return Ok(None);
        }
        let one = one.curve;
        match &mut curve {
            Some(all) => {
                all.points.extend(one.points);
                all.parameters.extend(one.parameters);
            }
            None => curve = Some(one),
        }
    }
    Ok(curve)
}
