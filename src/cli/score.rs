//! `score`: audit a defense by anybody, from captures before and after it.

use crate::adversary;
use crate::audit::{score_taught, Scored};
use crate::capture::comment;
use crate::cli::args::{Common, ScoreArgs};
use crate::cli::auditing::{self, adversaries, gates, judged, parameters, partial, plan, watching};
use crate::cli::defend::beyond_budget;
use crate::cli::exit::Exit;
use crate::cli::homes::of_capture;
use crate::cli::lessons::Lessons;
use crate::cli::observing::observe;
use crate::cli::reading::once;
use crate::cli::signals::Signals;
use crate::cli::tracing::{trace, AtHome};
use crate::cli::wire;
use crate::report::audit::Page;
use crate::verdict::Verdict;
use serde_json::json;

/// Runs the command.
pub fn run(args: &ScoreArgs, common: &Common) -> anyhow::Result<Exit> {
    let plan = plan(&args.output)?;
    let (verdict, signal) = score(args, common)?;
    auditing::report(&Page::of(&verdict), &plan, common)?;
    Ok(auditing::exit(&verdict, signal))
}

/// Everything but the reports: what was found, judged, and the signal that ended the reading early.
pub fn score(args: &ScoreArgs, common: &Common) -> anyhow::Result<(Verdict, Option<u8>)> {
    let gates = gates(&args.gates)?;
    let watching = watching(&args.detect)?;
    let save_model = ("--save-model", args.taught.save_model.as_deref());
    auditing::apart(&[save_model], &args.output)?;
    let signals = Signals::watch()?;
    once(args.before.iter().chain(&args.after))?;

    let at_home = AtHome::of(args.keep_local);
    let before = trace(&args.before, &args.capture, &args.detect, at_home, common)?;
    let after = observe(
        &args.after,
        &args.capture,
        &args.detect,
        args.keep_local,
        &before,
        common,
    )?;
    let adversaries = adversaries(&args.adversaries);
    let lessons = Lessons::on_the_same_wire(&args.adversaries, &args.taught)?;
    let lessons = lessons.asked_about(&before.trace)?;
    let scored = Scored {
        before: &before.trace,
        seen: after.seen,
        name: &args.name,
        adversaries: &adversaries,
        seed: common.seed,
        tolerance: before.tolerance,
    };
    let audited = score_taught(scored, &watching, &lessons.teaching(&args.taught));

    let allow = args.capture.allow_truncated;
    let mut ground = of_capture(before);
    ground
        .inputs
        .extend(after.read.inputs.iter().map(|input| input.path.clone()));
    ground.caveats.extend(after.caveats);
    ground.caveats.push(
        "of a defense by others only the wire is known: its bytes beyond those before count as cover, headers and filling of a \
         tunnel among them, and nothing is known of delay"
            .into(),
    );
    let gap = after.share.too_little();
    ground.caveats.extend(gap.clone());
    // What `defend` says of its own budget, where it wrote the wire and told how.
    ground.caveats.extend(args.after.iter().filter_map(|path| {
        let told = wire::parameters(&comment(path)?)?;
        beyond_budget(&args.name, told.get("busiest_day_periods"))
    }));
    let asks_days = |row: &&&adversary::Row| row.kind == adversary::Kind::Days;
    ground
        .caveats
        .extend(adversaries.iter().find(asks_days).map(|row| {
            format!(
                "{} was not run: it holds days at home against days away, which no capture has beside it; whether a day's number \
                 of padded periods tells that somebody was at home is not known; defend tells it of a defense that can be run",
                row.name
            )
        }));
    if !after.told {
        ground
            .caveats
            .push("how flows are shaped was read off the wire, as no capture tells it".into());
    }
    let mut parameters = parameters(
        &args.capture,
        &args.detect,
        ground.tolerance,
        args.keep_local,
    )?;
    parameters.insert("before".into(), json!(args.before));
    parameters.insert("after".into(), json!(args.after));
    lessons.tell(&args.taught, &mut parameters);
    let mut verdict = auditing::verdict(
        "score",
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
    verdict
        .caveats
        .extend(lessons.learned_elsewhere(&args.name));
    auditing::save(&args.taught, || lessons.learned(&ground.trace, &audited))?;
    let (cut, signal) = partial(ground.read.iter().chain([&after.read]), allow);
    let signal = signal.or(signals.came());
    // A gate is of the whole time before: none may pass on a part of it.
    let partial = cut.or_else(|| gap.filter(|_| args.gates.any()));
    judged(
        &mut verdict,
        &gates,
        &args.gates,
        partial.as_deref(),
        signal,
    )?;
    Ok((verdict, signal))
}
