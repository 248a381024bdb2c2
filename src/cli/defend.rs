//! `defend`: take a home, defend it in every way asked for, attack what the wire then shows, hold the claims against the truth.

use crate::adversary::Kind;
use crate::audit::{run_taught, shaped, Audit, Audited};
use crate::cli::args::{Common, DefendArgs, DefenseChoice};
use crate::cli::auditing::{self, adversaries, gates, judged, parameters, partial, plan, watching};
use crate::cli::defended::{Defended, Defenses};
use crate::cli::exit::{usage, Exit};
use crate::cli::habits;
use crate::cli::homes::{ground, Ground};
use crate::cli::lessons::Lessons;
use crate::cli::loopback;
use crate::cli::pictures::{draw, Pictures};
use crate::cli::signals::Signals;
use crate::cli::wire;
use crate::defense::{self, DefenseError, Settings, DEFENSES};
use crate::report::audit::Page;
use crate::report::{Format, Plan};
use crate::verdict::Verdict;
use serde_json::{json, Value};

/// Runs the command.
pub fn run(args: &DefendArgs, common: &Common) -> anyhow::Result<Exit> {
    let plan = plan(&args.output)?;
    let mut defended = defend(args, common)?;
    write(args, &defended, common)?;
    let pictures = pictures(args, &mut defended, &plan, common)?;
    auditing::report(&page(&pictures, &defended), &plan, common)?;
    Ok(auditing::exit(&defended.verdict, defended.signal))
}

/// Writes the reports that go to files.
///
/// # Errors
/// A report that cannot be written.
pub fn files(args: &DefendArgs, defended: &mut Defended, common: &Common) -> anyhow::Result<()> {
    let pictures = pictures(args, defended, &plan(&args.output)?, common)?;
    auditing::files(&page(&pictures, defended), &args.output)
}

/// The pictures, where a report shows them: they take their time.
fn pictures(
    args: &DefendArgs,
    defended: &mut Defended,
    plan: &Plan,
    common: &Common,
) -> anyhow::Result<Option<Pictures>> {
    let formats = plan.files.iter().map(|(format, _)| *format);
    let shown = formats
        .chain([plan.stdout])
        .any(|format| format == Format::Html);
    shown.then(|| draw(args, defended, common)).transpose()
}

fn page<'a>(pictures: &'a Option<Pictures>, defended: &'a Defended) -> Page<'a> {
    match pictures {
        Some(pictures) => pictures.page(&defended.verdict),
        None => Page::of(&defended.verdict),
    }
}

/// Everything but the reports.
pub fn defend(args: &DefendArgs, common: &Common) -> anyhow::Result<Defended> {
    targets(args)?;
    let gates = gates(&args.gates)?;
    let signals = Signals::watch()?;
    let settings = habits::settings(&args.defenses)?;
    let watching = watching(&args.detect)?;
    let rows = rows(&args.defenses.mode);
    if args.write.is_some() && rows.len() != 1 {
        return Err(usage("-w writes one wire: name one defense, as --mode stp"));
    }

    let mut ground = ground(args, common)?;
    habits::fit(&args.defenses, &ground.trace)?;
    let mut adversaries = adversaries(&args.adversaries);
    let mut lessons = Lessons::of(&args.adversaries, &args.taught, &ground, common)?;
    let (defenses, left_out, lived) = match args.loopback.loopback {
        true => {
            if !matches!(rows.as_slice(), [row] if row.name == "stp") {
                return Err(usage("--loopback runs stp for real: give --mode stp alone"));
            }
            // Who compares days needs more of them than are lived.
            adversaries.retain(|row| row.kind == Kind::Activities);
            let whole = lessons.learns().then(|| ground.trace.clone());
            let (defenses, lived) = loopback::live(args, &settings, &mut ground, common, &signals)?;
            if let Some(whole) = whole {
                lessons = lessons.in_pieces(&whole, ground.trace.window);
            }
            (defenses, Vec::new(), Some(lived))
        }
        false => {
            let all = is_all(&args.defenses.mode);
            let (defenses, left_out) = make(&rows, &settings, &ground, all)?;
            (defenses, left_out, None)
        }
    };
    let lessons = lessons.asked_about(&ground.trace)?;
    ground.caveats.extend(left_out.iter().cloned());
    let ended = lived.as_ref().and_then(|lived| lived.cut(signals.came()));
    let read = ground.read.as_ref().and_then(|read| read.signal);
    let audit = Audit {
        trace: &ground.trace,
        defenses: &defenses,
        adversaries: &adversaries,
        // Whoever ends the reading, as of a capture that grows, or a loopback wants to see what there is, and soon: one trial
        // tells.
        trials: match read.is_some() || ended.is_some() {
            true => 1,
            false => args.runs.trials,
        },
        seed: common.seed,
        jobs: common.jobs.map(usize::from),
        tolerance: ground.tolerance,
    };
    let audited = auditing::watch("trials", common, &signals, |progress, stop| {
        let teaching = lessons.teaching(&args.taught);
        match read.is_some() || ended.is_some() {
            true => run_taught(&audit, &watching, &teaching, progress, &|| false),
            false => run_taught(&audit, &watching, &teaching, progress, stop),
        }
    });

    let mut parameters = parameters(
        &args.capture,
        &args.detect,
        ground.tolerance,
        args.keep_local,
    )?;
    parameters.insert("trials".into(), json!(args.runs.trials));
    lessons.tell(&args.taught, &mut parameters);
    let mut verdict = auditing::verdict(
        "defend",
        &ground,
        &adversaries,
        audited.results.clone(),
        parameters,
        common,
    );
    let taught = lessons.pupils.iter().map(|row| row.name.to_owned());
    verdict.adversaries.extend(taught);
    verdict.ladder = audited.ladder.clone();
    verdict.caveats.extend(audited.caveats.iter().cloned());
    // Stopped before anything was learned there is nothing to keep, and the caveat below says that it was stopped.
    if audited.cut_short.is_empty() || !audited.models.is_empty() {
        auditing::save(&args.taught, || lessons.learned(&ground.trace, &audited))?;
    }
    verdict.caveats.extend(too_low(&verdict));
    if defenses.iter().any(|(name, _)| name == "stp") {
        let never = habits::never_learned(&args.defenses, &ground.trace);
        verdict.caveats.extend(never);
    }
    verdict.loopback = lived.map(|lived| lived.told(&verdict));
    let (mut cut, signal) = partial(&ground.read, args.capture.allow_truncated);
    let signal = signal.or(signals.came());
    if let Some(says) = ended {
        verdict.caveats.push(says.clone());
        cut = cut.or(Some(says));
    }
    if let (Some(signal), false) = (signal, audited.cut_short.is_empty()) {
        let says = told_of_stop(&audited, signal);
        verdict.caveats.push(says.clone());
        cut = cut.or(Some(says));
    }
    // What is left out is no fault of the input, but no gate may pass without it.
    let gap = left_out.first().filter(|_| args.gates.any());
    let partial = cut.or_else(|| gap.cloned());
    judged(
        &mut verdict,
        &gates,
        &args.gates,
        partial.as_deref(),
        signal,
    )?;
    Ok(Defended {
        verdict,
        ground,
        defenses,
        signal,
    })
}

/// Delay that is no delay any more but a queue, however long a period of padding is: with low rates, T grows to what they need.
const LATE_MS: f64 = 60_000.0;

/// Defenses whose rates are too low for what the home sends: it queues for longer than a period of padding lasts, or is dropped;
/// and days that need more padding than is allowed for one.
fn too_low(verdict: &Verdict) -> Vec<String> {
    let mut caveats = Vec::new();
    let mut last = None;
    for row in &verdict.results {
        if last == Some((&row.defense, &row.vantage)) {
            continue;
        }
        last = Some((&row.defense, &row.vantage));
        caveats.extend(beyond_budget(
            &row.defense,
            row.parameters.get("busiest_day_periods"),
        ));
        let longest = row.parameters.get("period_s").and_then(longest);
        let longest = longest.filter(|seconds| seconds * 1e3 < LATE_MS);
        let late = longest.map_or(LATE_MS, |seconds| seconds * 1e3);
        let p99 = row.added_latency_ms.p99.unwrap_or_default();
        if p99 > late {
            caveats.push(format!(
                "{}: one packet in a hundred is delayed by {:.1} s or more, {}: the shaped rates are too low for what the home \
                 sends, and its traffic lags behind; raise them (--rate-up, --rate-down, --ilp-rate)",
                row.defense,
                p99 / 1e3,
                match longest {
                    Some(seconds) => format!("longer than a period of padding ({seconds:.1} s)"),
                    None => "longer than a minute".into(),
                }
            ));
        }
        // A firewall drops what it is there to drop, and says whose.
        let dropped = row.overhead.dropped_bytes;
        if dropped > 0.0 && row.broken.is_empty() {
            caveats.push(format!(
                "{}: {:.1} % of the home's own bytes are dropped, and never arrive: the shaped rates are too low, or the queue too short",
                row.defense,
                dropped / row.overhead.genuine_bytes.max(dropped) * 100.0
            ));
        }
    }
    caveats
}

/// That activities need more periods than a day is allowed, by the parameter that tells how many, of a defense that has it.
pub fn beyond_budget(defense: &str, busiest_day: Option<&Value>) -> Option<String> {
    let needs = busiest_day.and_then(longest)?;
    Some(format!(
        "{defense}: on the busiest day activities alone need {needs} padded periods, more than the daily budget: such a day shows \
         more of them than others, and so that somebody was at home; raise --daily-budget, or say auto"
    ))
}

/// A parameter; of one that differs by device, the largest.
fn longest(value: &Value) -> Option<f64> {
    match value {
        Value::Object(each) => each.values().filter_map(Value::as_f64).reduce(f64::max),
        value => value.as_f64(),
    }
}

/// That trials were stopped, and whose.
fn told_of_stop(audited: &Audited, signal: u8) -> String {
    let Audited { done, of, .. } = audited;
    let run = |name: &&String| audited.results.iter().any(|row| row.defense == **name);
    let (some, none): (Vec<&String>, Vec<&String>) = audited.cut_short.iter().partition(run);
    let told = |what: &str, names: &[&String]| match names {
        [] => String::new(),
        names => {
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            format!("; {what}: {}", names.join(", "))
        }
    };
    format!(
        "stopped by signal {signal} after {done} of {of} trials{}{}",
        told("fewer trials than asked for", &some),
        told("no trial at all", &none)
    )
}

/// What is written beside reports: each to a file of its own.
fn targets(args: &DefendArgs) -> anyhow::Result<()> {
    let written = [
        ("-w", args.write.as_deref()),
        ("--labels-out", args.labels_out.as_deref()),
        ("--save-model", args.taught.save_model.as_deref()),
        ("--fit-habits", args.defenses.fit_habits.as_deref()),
    ];
    auditing::apart(&written, &args.output)
}

fn is_all(modes: &[DefenseChoice]) -> bool {
    modes.iter().any(|mode| matches!(mode, DefenseChoice::All))
}

/// The defenses that were asked for, each once, in the order of the list.
fn rows(modes: &[DefenseChoice]) -> Vec<&'static defense::Row> {
    let asked = |row: &&'static defense::Row| {
        modes.iter().any(|mode| match mode {
            DefenseChoice::All => true,
            DefenseChoice::One(one) => one.name == row.name,
        })
    };
    DEFENSES.iter().filter(asked).collect()
}

/// Makes the defenses. One that cannot be made is an error where it was named, and left out with a word where all were.
fn make(
    rows: &[&'static defense::Row],
    settings: &Settings,
    ground: &Ground,
    all: bool,
) -> anyhow::Result<(Defenses, Vec<String>)> {
    let (mut made, mut left_out) = (Vec::new(), Vec::new());
    for row in rows {
        match (row.make)(settings, &ground.trace) {
            Ok(defense) => made.push((row.name.to_owned(), defense)),
            Err(
                error @ (DefenseError::NoActivity { .. }
                | DefenseError::OutOfReach { .. }
                | DefenseError::TooMany { .. }
                | DefenseError::TooLate { .. }),
            ) if all => left_out.push(format!("{} was left out: {error}", row.name)),
            Err(error) => return Err(usage(format!("{}: {error}", row.name))),
        }
    }
    Ok((made, left_out))
}

/// `-w` and `--labels-out`.
///
/// # Errors
/// A file that cannot be written.
pub fn write(args: &DefendArgs, defended: &Defended, common: &Common) -> anyhow::Result<()> {
    let trace = &defended.ground.trace;
    if let Some(path) = &args.labels_out {
        wire::write_labels(path, trace, defended.ground.tolerance)?;
    }
    // Of a loopback the last is the wire that was really there.
    let (Some(path), [.., (name, defense)]) = (&args.write, defended.defenses.as_slice()) else {
        return Ok(());
    };
    let shaped = shaped(trace, name, &**defense, common.seed, 0);
    let about = format!(
        "what the wire shows of {} under the defense {name}, seed {}{}{}",
        match defended.ground.inputs.as_slice() {
            [] => "a made-up home".to_owned(),
            inputs => inputs.join(", "),
        },
        common.seed,
        wire::PARAMETERS,
        serde_json::to_string(&defense.parameters())?
    );
    wire::write(
        path,
        &shaped.seen,
        trace,
        &defended.ground.addresses,
        &about,
    )?;
    Ok(())
}
