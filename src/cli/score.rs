//! `score`: audit a defense by anybody, from captures before and after it.

use crate::audit::{score_taught, Scored};
use crate::cli::args::{Common, ScoreArgs};
use crate::cli::auditing::{self, adversaries, gates, judged, parameters, partial, plan, watching};
use crate::cli::exit::Exit;
use crate::cli::homes::of_capture;
use crate::cli::lessons::Lessons;
use crate::cli::observing::observe;
use crate::cli::reading::once;
use crate::cli::signals::Signals;
use crate::cli::tracing::{trace, AtHome};
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
        audited.results,
        parameters,
        common,
    );
    let taught = lessons.pupils.iter().map(|row| row.name.to_owned());
    verdict.adversaries.extend(taught);
    verdict.ladder = audited.ladder;
    verdict.caveats.extend(audited.caveats);
    verdict
        .caveats
        .extend(lessons.learned_elsewhere(&args.name));
    auditing::save(&args.taught, &audited.models)?;
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
