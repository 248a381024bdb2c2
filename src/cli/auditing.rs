//! What `defend`, `score` and `check` share once they have results: the verdict, its gates, its reports, the exit code.

use crate::audit::saved::{pack_learned, Learned};
use crate::cli::args::{
    AdversaryArgs, AdversaryChoice, CaptureArgs, Common, DetectArgs, GateArgs, TaughtArgs,
    VerdictOutputArgs,
};
use crate::cli::exit::{usage, Exit};
use crate::cli::homes::Ground;
use crate::cli::infer;
use crate::cli::reading::Read;
use crate::cli::signals::Signals;
use crate::report::audit::{failing_lines, Page};
use crate::report::output::{write_whole, Target};
use crate::report::{deliver, Format, Plan, Shown, Style};
use crate::trace::Source;
use crate::verdict::baseline::Saved;
use crate::verdict::gates::{judge, Limits};
use crate::verdict::undefended::unable;
use crate::verdict::{Home, Outcome, Verdict, SCHEMA};
use crate::{adversary, audit};
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// The limits, and the baseline, read before anything else is.
pub struct Gates {
    limits: Limits,
    baseline: Option<Saved>,
}

/// Reads what the gates need.
///
/// # Errors
/// A limit out of range, a baseline that is none.
pub fn gates(args: &GateArgs) -> anyhow::Result<Gates> {
    let baseline = args.baseline.as_deref().map(Saved::load).transpose();
    Ok(Gates {
        limits: args.limits().map_err(usage)?,
        baseline: baseline.map_err(|error| usage(error.to_string()))?,
    })
}

/// Where reports go.
///
/// # Errors
/// Two reports for one place.
pub fn plan(args: &VerdictOutputArgs) -> anyhow::Result<Plan> {
    Plan::new(args.format, &args.output).map_err(usage)
}

/// The adversaries that were asked for, each once, in the order of the list.
pub fn adversaries(args: &AdversaryArgs) -> Vec<&'static adversary::Row> {
    let asked = |row: &&'static adversary::Row| {
        args.adversary.iter().any(|choice| match choice {
            AdversaryChoice::All | AdversaryChoice::Usual => true,
            AdversaryChoice::One(one) => one.name == row.name,
            AdversaryChoice::Taught(_) => false,
        })
    };
    adversary::ADVERSARIES.iter().filter(asked).collect()
}

/// Those that learn and were asked for, each once, in the order of their list.
pub fn pupils(args: &AdversaryArgs) -> Vec<&'static adversary::PupilRow> {
    let asked = |row: &&'static adversary::PupilRow| {
        args.adversary.iter().any(|choice| match choice {
            AdversaryChoice::All => true,
            AdversaryChoice::Taught(one) => one.name == row.name,
            AdversaryChoice::Usual | AdversaryChoice::One(_) => false,
        })
    };
    adversary::PUPILS.iter().filter(asked).collect()
}

/// What steers the adversaries.
///
/// # Errors
/// Parameters that make no sense.
pub fn watching(detect: &DetectArgs) -> anyhow::Result<adversary::Settings> {
    let detector = detect.parameters();
    Ok(adversary::Settings {
        bin: detect.bin,
        detector: detector.map_err(|error| usage(error.to_string()))?,
    })
}

/// A verdict that no gate has judged yet.
pub fn verdict(
    command: &str,
    ground: &Ground,
    adversaries: &[&'static adversary::Row],
    results: Vec<Outcome>,
    parameters: BTreeMap<String, Value>,
    common: &Common,
) -> Verdict {
    let trace = &ground.trace;
    let rhythms = parameters.get("ignore_periodic") != Some(&Value::Bool(true));
    let mut caveats = ground.caveats.clone();
    caveats.extend(unable(&results, rhythms));
    Verdict {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        command: command.into(),
        seed: common.seed,
        inputs: ground.inputs.clone(),
        home: Home {
            truth: match trace.source {
                Source::Labels => "labels",
                Source::Inferred => "inferred",
                Source::Generated => "generated",
            }
            .into(),
            first: trace.window.start,
            last: trace.window.end,
            packets: trace.packets.len() as u64,
            bytes: trace.bytes(),
            devices: trace
                .devices
                .iter()
                .map(|device| device.id.clone())
                .collect(),
            activities: trace.activities.len() as u64,
        },
        parameters,
        adversaries: adversaries.iter().map(|row| row.name.into()).collect(),
        results,
        gates: Vec::new(),
        baseline: None,
        verdict: String::new(),
        exit_code: 0,
        not_run: Vec::new(),
        loopback: None,
        ladder: Vec::new(),
        caveats,
    }
}

/// What steers every audit.
pub fn parameters(
    capture: &CaptureArgs,
    detect: &DetectArgs,
    tolerance: Duration,
    keep_local: bool,
) -> anyhow::Result<BTreeMap<String, Value>> {
    let told = watching(detect)?.detector;
    let mut all = BTreeMap::new();
    let mut say = |name: &str, value: Value| all.insert(name.to_owned(), value);
    say("tolerance_s", json!(tolerance.as_secs_f64()));
    say("bin_s", json!(detect.bin.as_secs_f64()));
    say("sigma", json!(told.sigma));
    say("weak_sigma", json!(told.effective_weak_sigma()));
    say("merge_s", json!(told.merge.as_secs_f64()));
    say("count_silent", json!(told.count_silent));
    say("ignore_periodic", json!(told.ignore_periodic));
    say("keep_local", json!(keep_local));
    if let Some(filter) = &capture.filter {
        say("filter", json!(filter));
    }
    if !capture.home.is_empty() {
        let home: Vec<String> = capture.home.iter().map(ToString::to_string).collect();
        say("home", json!(home));
    }
    Ok(all)
}

/// Why results rest on a part of the input, where they do.
pub fn partial<'a>(
    reads: impl IntoIterator<Item = &'a Read>,
    allow_truncated: bool,
) -> (Option<String>, Option<u8>) {
    let (mut partial, mut signal) = (None, None);
    for read in reads {
        match infer::exit(read, allow_truncated) {
            Exit::Partial => {
                partial = partial.or_else(|| Some("an input was cut short".to_owned()))
            }
            Exit::Signal(number) => {
                partial = Some(format!("the reading was stopped by signal {number}"));
                signal = Some(number);
            }
            _ => {}
        }
    }
    (partial, signal)
}

/// Judges a verdict by its gates, and keeps the findings for later runs where somebody wants that. `partial` says why the results
/// are but a part; `signal` is what the program was told to end by.
///
/// # Errors
/// A baseline that cannot be written.
pub fn judged(
    verdict: &mut Verdict,
    gates: &Gates,
    args: &GateArgs,
    partial: Option<&str>,
    signal: Option<u8>,
) -> anyhow::Result<()> {
    judge(verdict, &gates.limits, gates.baseline.as_ref(), partial);
    if args.exit_zero {
        verdict.exit_code = 0;
    }
    match signal {
        Some(signal) => stopped(verdict, signal),
        None => return save_findings(args, verdict),
    }
    if let Some(path) = &args.save_baseline {
        verdict.caveats.push(format!(
            "no baseline was saved: the run was stopped, and {} is left as it was",
            path.display()
        ));
    }
    Ok(())
}

/// Notes by which signal the program ends.
pub fn stopped(verdict: &mut Verdict, signal: u8) {
    verdict.exit_code = Exit::Signal(signal).code();
}

/// Keeps the findings for later runs.
fn save_findings(args: &GateArgs, verdict: &Verdict) -> anyhow::Result<()> {
    if let Some(path) = &args.save_baseline {
        let text = Saved::of(verdict).text()?;
        write_whole(path, |out| out.write_all(text.as_bytes()))?;
    }
    Ok(())
}

/// Keeps what was learned, where somebody wants that.
///
/// # Errors
/// Nothing was learned, or too much; a file that cannot be written.
pub fn save(args: &TaughtArgs, learned: impl FnOnce() -> Learned) -> anyhow::Result<()> {
    if let Some(path) = &args.save_model {
        let packed = pack_learned(learned()).map_err(|error| usage(error.to_string()))?;
        write_whole(path, |out| out.write_all(&packed))?;
    }
    Ok(())
}

/// Whether what is written beside reports, by its option, goes to a file of its own each time.
///
/// # Errors
/// Two for one place, or one for standard output.
pub fn apart(written: &[(&str, Option<&Path>)], output: &VerdictOutputArgs) -> anyhow::Result<()> {
    let mut taken: Vec<(String, &Path)> = Vec::new();
    for (option, path) in written {
        let Some(path) = *path else {
            continue;
        };
        if path == Path::new("-") {
            return Err(usage(format!(
                "{option} -: it is not written to standard output, where the report goes: name a file"
            )));
        }
        taken.push(((*option).to_owned(), path));
    }
    for output in &output.output {
        if let Target::File(path) = &output.target {
            taken.push((format!("-o {}", output.format), path));
        }
    }
    for (index, (one, path)) in taken.iter().enumerate() {
        if let Some((other, _)) = taken
            .iter()
            .skip(index + 1)
            .find(|(_, other)| other == path)
        {
            return Err(usage(format!(
                "{one} and {other} both want {}: give each a file of its own",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Writes all reports, and to standard error what a reader of standard output would not see; then the exit code.
///
/// # Errors
/// A report that cannot be written.
pub fn report(page: &Page<'_>, plan: &Plan, common: &Common) -> anyhow::Result<()> {
    if plan.stdout != Format::Table {
        // Also when quiet: errors are still told.
        let mut err = std::io::stderr().lock();
        for line in failing_lines(page.verdict) {
            let _ = writeln!(err, "stp-audit: {line}");
        }
    }
    deliver(page, plan, common.color)?;
    Ok(())
}

/// Writes the reports that go to files, and nothing to standard output.
///
/// # Errors
/// A report that cannot be written.
pub fn files(page: &Page<'_>, args: &VerdictOutputArgs) -> anyhow::Result<()> {
    for (format, path) in plan(args)?.files {
        write_whole(&path, |out| page.write(format, Style::default(), out))?;
    }
    Ok(())
}

/// How the program ends with a verdict.
pub fn exit(verdict: &Verdict, signal: Option<u8>) -> Exit {
    match (signal, verdict.exit_code) {
        (Some(signal), _) => Exit::Signal(signal),
        (None, 0) => Exit::Done,
        (None, 1) => Exit::Broken,
        (None, _) => Exit::Partial,
    }
}

/// A progress for long computations, and what ends them early: a signal.
pub fn watch<R>(
    what: &'static str,
    common: &Common,
    signals: &Signals,
    run: impl FnOnce(audit::Progress, audit::Stop) -> R,
) -> R {
    let steps = crate::cli::progress::Steps::new(what, common.quiet);
    run(&|done, of| steps.at(done, of), &|| signals.came().is_some())
}
