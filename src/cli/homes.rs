//! The home that is defended: a capture's, or one that is made up.

use crate::audit::chance;
use crate::cli::args::{Common, DefendArgs, DetectArgs};
use crate::cli::exit::usage;
use crate::cli::reading::Read;
use crate::cli::tracing::{trace, AtHome, Traced};
use crate::model::{generate, DeviceModel, HomeModel, ModelError, Resident};
use crate::trace::Trace;
use crate::units::Probability;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Length of a made-up trace unless told otherwise.
const A_DAY: Duration = Duration::from_secs(86_400);

/// A home, and what is known of it beside its trace.
pub struct Ground {
    /// What truly happened.
    pub trace: Trace,
    /// How far from an activity a claim may lie.
    pub tolerance: Duration,
    /// What a report calls it: captures, or the made-up home.
    pub inputs: Vec<String>,
    /// Public addresses, where they are known.
    pub addresses: Vec<IpAddr>,
    /// How the reading went, where there was one.
    pub read: Option<Read>,
    /// Reasons to doubt it.
    pub caveats: Vec<String>,
    /// Who lives there, for how long, and p where one was given, of a home that is made up.
    pub made_up: Option<(HomeModel, Duration, Option<Probability>)>,
}

impl Ground {
    /// Other homes of the same kind, lived with other coins; none of a capture.
    ///
    /// # Errors
    /// Too short a time for any packet.
    pub fn others(&self, count: u32, common: &Common) -> anyhow::Result<Vec<Trace>> {
        let Some((home, length, p)) = &self.made_up else {
            return Ok(Vec::new());
        };
        (0..count)
            .map(|number| {
                let seed = chance(common.seed, "another home", number).next_u64();
                lived(home, *length, *p, seed)
            })
            .collect()
    }
}

/// The home that was asked for.
///
/// # Errors
/// A capture that cannot be read; a home that cannot be made up.
pub fn ground(args: &DefendArgs, common: &Common) -> anyhow::Result<Ground> {
    if !args.inputs.is_empty() {
        let at_home = AtHome::of(args.keep_local);
        let traced = trace(&args.inputs, &args.capture, &args.detect, at_home, common)?;
        return Ok(of_capture(traced));
    }
    let (home, mut caveats, read) = match args.home.model_from.is_empty() {
        true if args.detect.labels.is_some() => {
            return Err(usage(
                "--labels tell of a capture: name one as INPUT, or by --model-from",
            ));
        }
        true => (example(&args.home.example), Vec::new(), None),
        false => {
            let at_home = AtHome::of(args.keep_local);
            let from = &args.home.model_from;
            let traced = trace(from, &args.capture, &args.detect, at_home, common)?;
            let home = HomeModel {
                id: "learned".into(),
                name: format!("A home that is made up of the devices of {}", names(from)),
                devices: learned(&traced.trace)?,
            };
            (home, traced.caveats, Some(traced.read))
        }
    };
    let length = args.home.duration.unwrap_or(A_DAY);
    let trace = lived(&home, length, args.home.p, common.seed)?;
    // What a synthetic home is, every report says; which one, this.
    caveats.push(home.name.clone());
    Ok(Ground {
        trace,
        tolerance: args.detect.of_packets(),
        inputs: Vec::new(),
        addresses: Vec::new(),
        read,
        caveats,
        made_up: Some((home, length, args.home.p)),
    })
}

/// A home that comes with the program, by its name; the built-in one where there is none of that name.
fn example(name: &str) -> HomeModel {
    let homes = HomeModel::all().into_iter();
    let mut of_name = homes.filter(|home| home.id == name);
    of_name.next().unwrap_or_else(HomeModel::built_in)
}

/// A trace of the home that the program carries.
///
/// # Errors
/// Too short a time for any packet.
pub fn built_in(length: Duration, p: Option<Probability>, seed: u64) -> anyhow::Result<Trace> {
    lived(&HomeModel::built_in(), length, p, seed)
}

/// A trace of a made-up home, whose devices are used with chance `p` where one is given.
fn lived(
    home: &HomeModel,
    length: Duration,
    p: Option<Probability>,
    seed: u64,
) -> anyhow::Result<Trace> {
    let mut home = home.clone();
    for one in &mut home.devices {
        one.activity = p.unwrap_or(one.activity);
        // Who is used with a chance every second has no habits.
        one.habit = one.habit.filter(|_| p.is_none());
    }
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let trace = generate(&home, length.as_secs(), &mut chance);
    trace.checked().map_err(|error| {
        usage(format!(
            "{}, {} s long: {error}; try a longer --duration or a larger --p",
            home.name,
            length.as_secs()
        ))
    })
}

/// A capture's home.
pub fn of_capture(traced: Traced) -> Ground {
    Ground {
        inputs: traced
            .read
            .inputs
            .iter()
            .map(|input| input.path.clone())
            .collect(),
        addresses: traced.home.addresses,
        trace: traced.trace,
        tolerance: traced.tolerance,
        read: Some(traced.read),
        caveats: traced.caveats,
        made_up: None,
    }
}

fn names(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}

/// Models of all devices of a trace that are used in it, each with the chance at which it is.
///
/// # Errors
/// None of them is used, or a model would be too large.
pub fn learned(trace: &Trace) -> anyhow::Result<Vec<Resident>> {
    let mut devices = Vec::new();
    for index in 0..trace.devices.len() {
        match DeviceModel::of_trace(trace, index) {
            Ok(model) => devices.push(Resident {
                model,
                activity: usage_of(trace, index),
                habit: None,
            }),
            Err(ModelError::NoActivities { .. } | ModelError::NoPackets { .. }) => {}
            Err(error) => return Err(usage(error.to_string())),
        }
    }
    match devices.is_empty() {
        true => Err(usage(
            "no device of the capture is ever used, so there is nothing to learn from; --labels tells when they were",
        )),
        false => Ok(devices),
    }
}

/// p of a device: activities over the seconds without one.
pub fn usage_of(trace: &Trace, device: usize) -> Probability {
    let (mut count, mut busy) = (0u64, 0.0);
    for activity in trace.activities_of(device) {
        count += 1;
        busy += activity.traffic.duration().as_secs_f64();
    }
    let idle = (trace.seconds() - busy).max(1.0);
    Probability::clamped(count as f64 / idle)
}

/// Models learned from captures, as `sweep` wants them.
///
/// # Errors
/// As for [`ground`].
pub fn models(
    from: &[PathBuf],
    capture: &crate::cli::args::CaptureArgs,
    detect: &DetectArgs,
    common: &Common,
) -> anyhow::Result<(Vec<DeviceModel>, Traced)> {
    let traced = trace(from, capture, detect, AtHome::LeftOut, common)?;
    let learned = learned(&traced.trace)?;
    Ok((learned.into_iter().map(|one| one.model).collect(), traced))
}
