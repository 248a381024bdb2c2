//! `infer`, `devices`, `flows`: read a capture, find the home, name its devices, tell when they were used.

use crate::activity::detect::detect;
use crate::activity::labels::{read_labels, Label};
use crate::activity::parameters::Parameters;
use crate::capture::Options;
use crate::cli::args::{CaptureArgs, Common, InferArgs};
use crate::cli::ending::Ending;
use crate::cli::exit::{usage, Exit};
use crate::cli::reading::read;
use crate::device::catalog::Catalog;
use crate::device::inventory::take;
use crate::flow::home::Home;
use crate::flow::observer::{BinsFrom, Settings};
use crate::report::{Plan, View};
use crate::units::Span;
use anyhow::Context;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Runs the command.
pub fn run(args: &InferArgs, common: &Common, view: View) -> anyhow::Result<Exit> {
    let plan = Plan::new(args.output.format, &args.output.output).map_err(usage)?;
    let Asked {
        parameters,
        catalog,
        labels,
        settings,
    } = Asked::of(args)?;
    let options = options(&args.capture, plan.shows_digest());
    let mut read = read(&args.inputs, &options, settings, common)?;
    let home = Home::find(
        &read.observed.flows,
        args.capture.vantage.told(),
        &args.capture.home,
    );
    let inventory = take(&mut read.observed, &home, &catalog);

    let window = read.observed.window.unwrap_or(Span::at(Default::default()));
    let mut activities = Vec::new();
    for device in &inventory.devices {
        activities.push(detect(&device.series, window, &parameters)?.activities);
    }
    let ending = Ending {
        args,
        common,
        view,
        plan: &plan,
        parameters: &parameters,
        catalog: &catalog,
        labels,
        read: &read,
        home: &home,
        inventory: &inventory,
        activities,
        window,
    };
    ending.tell()?;
    if read.signal.is_none() {
        read.must_have_packets()?;
    }
    Ok(exit(&read, args.capture.allow_truncated))
}

/// What was asked for, of a capture as a whole and of traffic that goes on, once every file it names is read.
pub struct Asked {
    /// The detector's parameters.
    pub parameters: Parameters,
    /// The catalog.
    pub catalog: Catalog,
    /// What really happened, where somebody told.
    pub labels: Option<Vec<Label>>,
    /// What to remember of flows.
    pub settings: Settings,
}

impl Asked {
    /// What was typed.
    ///
    /// # Errors
    /// Parameters that make no sense; fingerprints or labels that cannot be read.
    pub fn of(args: &InferArgs) -> anyhow::Result<Self> {
        let parameters = args.activity.parameters();
        let detect = &args.activity.detect;
        Ok(Self {
            parameters: parameters.map_err(|error| usage(error.to_string()))?,
            catalog: catalog(&args.capture.fingerprints)?,
            labels: detect.labels.as_deref().map(labels).transpose()?,
            settings: settings(&args.capture, detect.bin, args.activity.bins_from),
        })
    }
}

/// How a command ends that read all this.
pub fn exit(read: &crate::cli::reading::Read, allow_truncated: bool) -> Exit {
    let partial =
        read.failure.is_some() || read.inputs.iter().any(|input| input.truncated.is_some());
    match read.signal {
        Some(signal) => Exit::Signal(signal),
        None if partial && !allow_truncated => Exit::Partial,
        None => Exit::Done,
    }
}

/// The built-in fingerprints and those of the folders given.
pub fn catalog(folders: &[PathBuf]) -> anyhow::Result<Catalog> {
    let mut catalog = Catalog::embedded().context("the built-in fingerprints")?;
    for folder in folders {
        catalog = catalog
            .load_dir(folder)
            .map_err(|error| usage(error.to_string()))?;
    }
    Ok(catalog)
}

/// The labels of a file.
pub fn labels(path: &Path) -> anyhow::Result<Vec<Label>> {
    let file = File::open(path).map_err(|error| {
        usage(format!(
            "{}: {error}; labels are a CSV file of start,end,device,activity",
            path.display()
        ))
    })?;
    read_labels(file, &path.display().to_string()).map_err(|error| usage(error.to_string()))
}

/// How to read a capture; `hash` where a report shows its digest.
pub fn options(args: &CaptureArgs, hash: bool) -> Options {
    Options {
        filter: args.filter.clone(),
        hash,
        ..Options::default()
    }
}

/// How to watch it.
pub fn settings(args: &CaptureArgs, bin: Duration, bins_from: BinsFrom) -> Settings {
    Settings {
        bin,
        flows: args.max_flows,
        home: args.home.clone(),
        bins_from,
        traits: args.vantage.told() == Some(crate::flow::home::Vantage::Wan),
        ..Settings::default()
    }
}
