//! `sweep`: privacy against bandwidth over the chances of activity and of padding.

use crate::cli::args::{Common, SweepArgs};
use crate::cli::auditing::{partial, watch};
use crate::cli::exit::{usage, Exit};
use crate::cli::homes::models;
use crate::cli::signals::Signals;
use crate::model::DeviceModel;
use crate::report::{deliver, Plan};
use crate::sweep::{run_until, Sweep};
use std::path::Path;

/// Runs the command.
pub fn run(args: &SweepArgs, common: &Common) -> anyhow::Result<Exit> {
    let plan = Plan::new(args.output.format, &args.output.output).map_err(usage)?;
    let signals = Signals::watch()?;
    let all = args.device.is_empty() && args.model_from.is_empty() && args.model.is_empty();
    let asked = |model: &DeviceModel| all || args.device.contains(&model.id);
    let mut devices: Vec<DeviceModel> =
        DeviceModel::published().into_iter().filter(asked).collect();
    for path in &args.model {
        devices.push(model(path)?);
    }
    let mut read = None;
    let mut caveats = Vec::new();
    if !args.model_from.is_empty() {
        let (learned, traced) = models(&args.model_from, &args.capture, &args.detect, common)?;
        devices.extend(learned);
        caveats = traced.caveats;
        read = Some(traced.read);
    }
    let sweep = Sweep {
        devices,
        p: args.p.clone(),
        q: args.q.clone(),
        trials: args.trials,
        seconds: args.duration.as_secs(),
        seed: common.seed,
        jobs: common.jobs.map(usize::from),
        rule: args.rule,
    };
    let swept = watch("trials", common, &signals, |progress, stop| {
        run_until(&sweep, progress, stop)
    });
    let swept = swept.map_err(|error| usage(error.to_string()))?;
    let mut curve = swept.curve;
    curve.caveats.extend(caveats);
    let stopped = signals.came();
    if let (Some(signal), true) = (stopped, swept.done < swept.of) {
        curve.caveats.push(format!(
            "stopped by signal {signal} after {} of {} points; those that were not finished are left out",
            swept.done, swept.of
        ));
    }
    deliver(&curve, &plan, common.color)?;
    Ok(match partial(&read, args.capture.allow_truncated) {
        (_, Some(signal)) => Exit::Signal(signal),
        _ if stopped.is_some() => Exit::Signal(stopped.unwrap_or_default()),
        (Some(_), _) => Exit::Partial,
        _ => Exit::Done,
    })
}

/// A device model of a file.
fn model(path: &Path) -> anyhow::Result<DeviceModel> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        usage(format!(
            "{name}: {error}; --model takes a device model as TOML, --model-from a capture"
        ))
    })?;
    DeviceModel::of_toml(&text, &name).map_err(|error| usage(error.to_string()))
}
