//! `defend`: take a home, defend it in every way asked for, attack what the wire then shows, hold the claims against the truth.

use crate::audit::{run_with, shaped, Audit};
use crate::cli::args::{Common, DefendArgs, DefenseChoice};
use crate::cli::auditing::{self, adversaries, gates, judged, parameters, partial, plan, watching};
use crate::cli::defended::{Defended, Defenses};
use crate::cli::exit::{usage, Exit};
use crate::cli::homes::{ground, Ground};
use crate::cli::pictures::{draw, Pictures};
use crate::cli::wire;
use crate::defense::{self, DefenseError, Settings, DEFENSES};
use crate::report::audit::Page;
use crate::report::output::Target;
use crate::report::{Format, Plan};
use serde_json::json;
use std::path::Path;

/// Runs the command.
pub fn run(args: &DefendArgs, common: &Common) -> anyhow::Result<Exit> {
    let plan = plan(&args.output)?;
    let defended = defend(args, common)?;
    write(args, &defended, common)?;
    let pictures = pictures(args, &defended, &plan, common)?;
    auditing::report(&page(&pictures, &defended), &plan, common)?;
    Ok(auditing::exit(&defended.verdict, defended.signal))
}

/// Writes the reports that go to files.
///
/// # Errors
/// A report that cannot be written.
pub fn files(args: &DefendArgs, defended: &Defended, common: &Common) -> anyhow::Result<()> {
    let pictures = pictures(args, defended, &plan(&args.output)?, common)?;
    auditing::files(&page(&pictures, defended), &args.output)
}

/// The pictures, where a report shows them: they take their time.
fn pictures(
    args: &DefendArgs,
    defended: &Defended,
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
    let settings = args.defenses.settings();
    settings.check().map_err(|error| usage(error.to_string()))?;
    let watching = watching(&args.detect)?;
    let rows = rows(&args.defenses.mode);
    if args.write.is_some() && rows.len() != 1 {
        return Err(usage("-w writes one wire: name one defense, as --mode stp"));
    }

    let mut ground = ground(args, common)?;
    let (defenses, left_out) = make(&rows, &settings, &ground, is_all(&args.defenses.mode))?;
    ground.caveats.extend(left_out.iter().cloned());
    let adversaries = adversaries(&args.adversaries);
    let audit = Audit {
        trace: &ground.trace,
        defenses: &defenses,
        adversaries: &adversaries,
        trials: args.runs.trials,
        seed: common.seed,
        jobs: common.jobs.map(usize::from),
        tolerance: args.detect.of_truth(ground.trace.source),
    };
    let results = auditing::watch("trials", common, |progress| {
        run_with(&audit, &watching, progress)
    })?;

    let mut parameters = parameters(
        &args.capture,
        &args.detect,
        ground.trace.source,
        args.keep_local,
    )?;
    parameters.insert("trials".into(), json!(args.runs.trials));
    let mut verdict =
        auditing::verdict("defend", &ground, &adversaries, results, parameters, common);
    let (cut, signal) = partial(&ground.read, args.capture.allow_truncated);
    // What is left out is no fault of the input, but no gate may pass without it.
    let gap = left_out.first().filter(|_| args.gates.any());
    let partial = cut.or_else(|| gap.cloned());
    judged(
        &mut verdict,
        &gates,
        partial.as_deref(),
        args.gates.exit_zero,
    );
    auditing::save(&args.gates, &verdict)?;
    Ok(Defended {
        verdict,
        ground,
        defenses,
        signal,
    })
}

/// What is written beside reports: each to a file of its own.
fn targets(args: &DefendArgs) -> anyhow::Result<()> {
    let written = [("-w", &args.write), ("--labels-out", &args.labels_out)];
    let mut taken: Vec<(String, &Path)> = Vec::new();
    for (option, path) in written {
        let Some(path) = path else {
            continue;
        };
        if path == Path::new("-") {
            return Err(usage(format!(
                "{option} -: it is not written to standard output, where the report goes: name a file"
            )));
        }
        taken.push((option.to_owned(), path));
    }
    for output in &args.output.output {
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
        wire::write_labels(path, trace)?;
    }
    let (Some(path), [(name, defense)]) = (&args.write, defended.defenses.as_slice()) else {
        return Ok(());
    };
    let shaped = shaped(trace, name, &**defense, common.seed, 0);
    let about = format!(
        "what the wire shows of {} under the defense {name}, seed {}, first trial: {}",
        match defended.ground.inputs.as_slice() {
            [] => "a made-up home".to_owned(),
            inputs => inputs.join(", "),
        },
        common.seed,
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
