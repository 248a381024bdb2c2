//! Reading captures for the commands that need one: open, watch every frame, stop at a signal.

use crate::capture::{InputSummary, Options, Reader};
use crate::cli::args::Common;
use crate::cli::exit::{input, usage, Exit, Told};
use crate::cli::progress::Progress;
use crate::cli::recording::Recorder;
use crate::cli::signals::Signals;
use crate::flow::observer::{Observed, Observer, Settings};
use std::path::{Path, PathBuf};

/// Frames between two looks at the clock and the signals: of files, which come by the million a second, and of pipes, whose
/// reader wants to see that something comes.
const BETWEEN_LOOKS: u32 = 1 << 14;
const BETWEEN_LOOKS_AT_PIPES: u32 = 1 << 6;

/// What was read.
pub struct Read {
    /// What was seen.
    pub observed: Observed,
    /// What the inputs were like.
    pub inputs: Vec<InputSummary>,
    /// The signal that ended the reading early.
    pub signal: Option<u8>,
    /// Why the reading ended early, where the input failed under way.
    pub failure: Option<String>,
}

/// Reads all inputs as one trace.
///
/// # Errors
/// An input that cannot be opened, a bad filter; not one that fails under way, of which the part before is given.
pub fn read(
    inputs: &[PathBuf],
    options: &Options,
    settings: Settings,
    common: &Common,
) -> anyhow::Result<Read> {
    read_and_keep(inputs, options, settings, common, None)
}

/// Reads all inputs as one trace, and keeps every packet where somebody wants them; a full recorder ends the reading.
///
/// # Errors
/// As [`read`].
pub fn read_and_keep(
    inputs: &[PathBuf],
    options: &Options,
    settings: Settings,
    common: &Common,
    mut recorder: Option<&mut Recorder>,
) -> anyhow::Result<Read> {
    once(inputs)?;
    let signals = Signals::watch()?;
    let options = Options {
        stop: Some(signals.flag()),
        ..options.clone()
    };
    let mut reader = Reader::open(inputs, &options).map_err(|error| match signals.came() {
        Some(signal) => stopped(signal, inputs),
        None => error.into(),
    })?;
    let mut progress = Progress::new(reader.total_bytes(), common.quiet);
    let between_looks = match reader.total_bytes() {
        Some(_) => BETWEEN_LOOKS,
        None => BETWEEN_LOOKS_AT_PIPES,
    };
    let mut observer = Observer::new(settings);
    let mut failure = None;
    let mut signal = None;
    let mut count = 0u32;
    loop {
        match reader.next() {
            Ok(Some(frame)) => {
                observer.watch(&frame);
                if let Some(recorder) = &mut recorder {
                    recorder.keep(&frame);
                }
            }
            Ok(None) => break,
            Err(error) => {
                failure = Some(error.to_string());
                break;
            }
        }
        count += 1;
        if count == between_looks {
            count = 0;
            progress.at(reader.bytes_read());
            signal = signals.came();
            let full = recorder.as_ref().is_some_and(|kept| kept.is_full());
            if signal.is_some() || full {
                break;
            }
        }
    }
    progress.finish();
    signal = signal.or_else(|| signals.came());
    Ok(Read {
        observed: observer.finish(),
        inputs: reader.summaries(),
        signal,
        failure,
    })
}

/// Standard input is gone once it was read: who names it twice has something else in mind.
///
/// # Errors
/// Where it is named more than once.
pub fn once<'a>(inputs: impl IntoIterator<Item = &'a PathBuf>) -> anyhow::Result<()> {
    let stdin = inputs.into_iter().filter(|path| *path == Path::new("-"));
    match stdin.count() {
        0 | 1 => Ok(()),
        count => Err(usage(format!(
            "standard input can be read once, and - is named {count} times: leave one, and give the others files"
        ))),
    }
}

/// A signal came while the first bytes of an input were waited for.
fn stopped(signal: u8, inputs: &[PathBuf]) -> anyhow::Error {
    let names: Vec<String> = inputs
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    anyhow::Error::new(Told {
        exit: Exit::Signal(signal),
        message: format!(
            "stopped by signal {signal} before any packet of {} came",
            names.join(", ")
        ),
    })
}

impl Read {
    /// Fails where there is nothing to work with: no IP packet at all.
    pub fn must_have_packets(&self) -> anyhow::Result<()> {
        let census = &self.observed.census;
        if census.ipv4 + census.ipv6 > 0 {
            return Ok(());
        }
        let names: Vec<&str> = self
            .inputs
            .iter()
            .map(|input| input.path.as_str())
            .collect();
        let mut why = vec![format!("{} packets read, none of them IP", census.read)];
        why.extend(
            census
                .skipped
                .iter()
                .map(|(reason, count)| format!("{count} skipped: {reason}")),
        );
        let filtered: u64 = self.inputs.iter().map(|input| input.filtered_out).sum();
        if filtered > 0 {
            why.push(format!("{filtered} left out by the filter"));
        }
        why.extend(self.truncations());
        why.extend(self.failure.clone());
        Err(input(format!(
            "{}: no usable packet ({}); supported are Ethernet, raw IP, loopback, Linux cooked, PPP and PPPoE",
            names.join(", "),
            why.join("; ")
        )))
    }

    /// What was cut off, a sentence an input.
    pub fn truncations(&self) -> Vec<String> {
        self.inputs
            .iter()
            .filter_map(|input| {
                let truncated = input.truncated.as_ref()?;
                Some(format!("{}: {}", input.path, truncated.message))
            })
            .collect()
    }
}
