//! Files of habits: read before a home is defended, written once it is known.

use crate::cli::args::DefenseArgs;
use crate::cli::exit::usage;
use crate::defense::habits::learn;
use crate::defense::settings::{HabitsFrom, Scope, Trigger};
use crate::defense::Settings;
use crate::habits::file::BYTES_AT_MOST;
use crate::habits::HabitsFile;
use crate::report::output::write_whole;
use crate::trace::Trace;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// The settings of all defenses, with the habits of the file that was named.
///
/// # Errors
/// A file that cannot be read, or is none of habits; settings out of range.
pub fn settings(args: &DefenseArgs) -> anyhow::Result<Settings> {
    let mut settings = args.settings();
    if let Some(path) = &args.habits {
        settings.habits = HabitsFrom::File(Arc::new(load(path)?));
    }
    settings.check().map_err(|error| usage(error.to_string()))?;
    Ok(settings)
}

fn load(path: &Path) -> anyhow::Result<HabitsFile> {
    let shown = path.display();
    let cannot = |error: std::io::Error| {
        usage(format!(
            "--habits {shown}: it cannot be read: {error}; --fit-habits writes one"
        ))
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut file = file.take(BYTES_AT_MOST.saturating_add(1));
    file.read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > BYTES_AT_MOST {
        return Err(usage(format!(
            "--habits {shown}: more than {BYTES_AT_MOST} bytes: this is no file of habits"
        )));
    }
    HabitsFile::parse(&text, &shown.to_string()).map_err(|error| usage(error.to_string()))
}

/// `--learn-habits`: that some are never used often enough for that, so that they are padded all the time.
pub fn never_learned(args: &DefenseArgs, trace: &Trace) -> Option<String> {
    let after = u64::from(args.learn_habits?);
    // Of any packet that begins padding there are more than activities.
    if args.trigger != Trigger::Activity {
        return None;
    }
    let few = |count: usize| count > 0 && (count as u64) < after;
    let never: Vec<&str> = match args.scope {
        Scope::Home => few(trace.activities.len())
            .then_some("the home")
            .into_iter()
            .collect(),
        Scope::PerDevice => (0..trace.devices.len())
            .filter(|&device| few(trace.activities_of(device).count()))
            .filter_map(|device| trace.devices.get(device).map(|known| known.id.as_str()))
            .collect(),
    };
    (!never.is_empty()).then(|| {
        format!(
            "stp: {} used fewer than {after} times in all, so that no habits are learned of them and they are padded all the time: \
             that is no stochastic padding; lower --learn-habits, or give a longer trace",
            never.join(", ")
        )
    })
}

/// `--fit-habits`: fits habits to a trace, and writes them.
///
/// # Errors
/// Nothing was ever used, or a file that cannot be written.
pub fn fit(args: &DefenseArgs, trace: &Trace) -> anyhow::Result<()> {
    let Some(path) = &args.fit_habits else {
        return Ok(());
    };
    let learned = learn(trace, args.scope, args.trigger);
    if learned.0.is_empty() {
        return Err(usage(
            "--fit-habits: nothing is ever used in the trace, so there are no habits to fit; --labels tells when it was",
        ));
    }
    let text = learned.text()?;
    write_whole(path, |out| out.write_all(text.as_bytes()))?;
    Ok(())
}
