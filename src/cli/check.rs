//! `check`: every check of `stp-audit.toml`, one verdict over all, the worst exit code.

use crate::cli::args::{CheckArgs, Common};
use crate::cli::auditing::{self, plan};
use crate::cli::checks::{read, Check, What};
use crate::cli::exit::{of, told, Exit, Failure};
use crate::cli::signals::Signals;
use crate::cli::{defend, score};
use crate::report::audit::Page;
use crate::trace::disjoint;
use crate::units::Span;
use crate::verdict::{Baseline, Home, NotRun, Verdict, SCHEMA};
use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Runs the command.
pub fn run(args: &CheckArgs, common: &Common) -> anyhow::Result<Exit> {
    let plan = plan(&args.output)?;
    let checks = read(&args.config)?;
    let signals = Signals::watch()?;
    let mut all = All::default();
    for check in &checks {
        if let Some(signal) = signals.came() {
            all.skip(check, signal);
            continue;
        }
        match verdict(check, common) {
            Ok((verdict, exit)) => all.add(check, verdict, exit),
            // A check that fails does not keep the others from being run.
            Err(error) => all.fail(check, &error),
        }
    }
    let (mut verdict, mut exit) = all.verdict(checks.len(), args, common);
    if args.exit_zero && matches!(exit, Exit::Broken | Exit::Partial) {
        verdict.exit_code = 0;
        exit = Exit::Done;
    }
    auditing::report(&Page::of(&verdict), &plan, common)?;
    Ok(exit)
}

/// Runs one check, and writes the files it asks for.
fn verdict(check: &Check, common: &Common) -> anyhow::Result<(Verdict, Exit)> {
    let common = &Common {
        seed: check.seed.unwrap_or(common.seed),
        ..common.clone()
    };
    Ok(match &check.what {
        What::Defend(args) => {
            let mut defended = defend::defend(args, common)?;
            defend::write(args, &defended, common)?;
            defend::files(args, &mut defended, common)?;
            let exit = auditing::exit(&defended.verdict, defended.signal);
            (defended.verdict, exit)
        }
        What::Score(args) => {
            let (verdict, signal) = score::score(args, common)?;
            auditing::files(&Page::of(&verdict), &args.output)?;
            let exit = auditing::exit(&verdict, signal);
            (verdict, exit)
        }
    })
}

/// All checks so far.
struct All {
    verdicts: Vec<(String, Verdict)>,
    not_run: Vec<NotRun>,
    exit: Exit,
}

impl Default for All {
    fn default() -> Self {
        Self {
            verdicts: Vec::new(),
            not_run: Vec::new(),
            exit: Exit::Done,
        }
    }
}

impl All {
    fn add(&mut self, check: &Check, mut verdict: Verdict, exit: Exit) {
        for gate in &mut verdict.gates {
            gate.line = Some(check.line);
        }
        self.verdicts.push((check.name.clone(), verdict));
        self.exit = worse(self.exit, exit);
    }

    fn fail(&mut self, check: &Check, error: &anyhow::Error) {
        let exit = match of(error) {
            Failure::ClosedPipe => Exit::Environment,
            Failure::Exit(exit) => exit,
        };
        self.leave(check, told(error));
        self.exit = worse(self.exit, exit);
    }

    /// A check that had not begun when a signal came.
    fn skip(&mut self, check: &Check, signal: u8) {
        self.leave(check, format!("stopped by signal {signal} before it began"));
        self.exit = worse(self.exit, Exit::Signal(signal));
    }

    fn leave(&mut self, check: &Check, reason: String) {
        self.not_run.push(NotRun {
            check: check.name.clone(),
            reason,
            line: check.line,
        });
    }

    /// One verdict over all; rows and gates of several checks bear the name of theirs.
    fn verdict(self, checks: usize, args: &CheckArgs, common: &Common) -> (Verdict, Exit) {
        let named = checks > 1;
        let under = |name: &str, what: &str| match named {
            true => format!("{name}: {what}"),
            false => what.to_owned(),
        };
        let mut parameters: BTreeMap<String, Value> = BTreeMap::new();
        parameters.insert("config".into(), json!(args.config.display().to_string()));
        let (mut inputs, mut adversaries) = (BTreeSet::new(), Vec::new());
        let (mut results, mut gates, mut ladder) = (Vec::new(), Vec::new(), Vec::new());
        let mut loopbacks = Vec::new();
        let told = |check: &NotRun| format!("{} could not be run: {}", check.check, check.reason);
        let mut caveats: Vec<String> = self.not_run.iter().map(told).collect();
        let broken = |(_, verdict): &(String, Verdict)| verdict.verdict == "limit broken";
        let broken = self.verdicts.iter().any(broken);
        let mut baseline = None;
        let home = home(self.verdicts.iter().map(|(_, verdict)| &verdict.home));
        for (name, verdict) in self.verdicts {
            parameters.insert(name.clone(), json!(verdict.parameters));
            inputs.extend(verdict.inputs);
            for adversary in verdict.adversaries {
                if !adversaries.contains(&adversary) {
                    adversaries.push(adversary);
                }
            }
            results.extend(verdict.results.into_iter().map(|mut row| {
                row.defense = under(&name, &row.defense);
                row
            }));
            gates.extend(verdict.gates.into_iter().map(|mut gate| {
                gate.defense = under(&name, &gate.defense);
                gate
            }));
            ladder.extend(verdict.ladder.into_iter().map(|mut rung| {
                rung.defense = under(&name, &rung.defense);
                rung
            }));
            loopbacks.extend(verdict.loopback);
            caveats.extend(verdict.caveats.iter().map(|caveat| under(&name, caveat)));
            if let Some(one) = verdict.baseline {
                let all: &mut Baseline = baseline.get_or_insert_with(Baseline::default);
                if !all.path.is_empty() {
                    all.path.push_str(", ");
                }
                all.path.push_str(&one.path);
                let add = |to: &mut Vec<String>, from: Vec<String>| {
                    to.extend(from.iter().map(|finding| under(&name, finding)));
                };
                add(&mut all.new, one.new);
                add(&mut all.fixed, one.fixed);
                add(&mut all.persistent, one.persistent);
            }
        }
        // A report has room for one; of several each check's own reports tell.
        let loopback = match loopbacks.len() {
            0 | 1 => loopbacks.pop(),
            several => {
                caveats.push(format!(
                    "{several} checks ran over loopback: what their wires showed is in the reports of each, as output = [\"json=...\"]"
                ));
                None
            }
        };
        let words = match self.exit {
            Exit::Done if gates.is_empty() => "no limits set",
            Exit::Done => "within limits",
            Exit::Broken => "limit broken",
            Exit::Signal(_) if broken => "limit broken",
            _ => "inconclusive",
        };
        let verdict = Verdict {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            command: "check".into(),
            seed: common.seed,
            inputs: inputs.into_iter().collect(),
            home,
            parameters,
            adversaries,
            results,
            gates,
            baseline,
            verdict: words.into(),
            exit_code: self.exit.code(),
            not_run: self.not_run,
            loopback,
            ladder,
            caveats,
        };
        (verdict, self.exit)
    }
}

/// All homes as one: the weakest truth, from the first instant to the last.
fn home<'a>(homes: impl Iterator<Item = &'a Home>) -> Home {
    let homes: Vec<&Home> = homes.collect();
    let truth = ["inferred", "generated", "labels"];
    let truth = truth
        .into_iter()
        .find(|truth| homes.iter().any(|home| home.truth == *truth));
    let spans = homes
        .iter()
        .map(|home| Span::new(home.first, home.last))
        .collect();
    let spans = disjoint(spans);
    let devices: BTreeSet<&String> = homes.iter().flat_map(|home| &home.devices).collect();
    Home {
        truth: truth.unwrap_or("labels").into(),
        first: spans.first().map_or(Default::default(), |span| span.start),
        last: spans.last().map_or(Default::default(), |span| span.end),
        packets: homes.iter().map(|home| home.packets).sum(),
        bytes: homes.iter().map(|home| home.bytes).sum(),
        devices: devices.into_iter().cloned().collect(),
        activities: homes.iter().map(|home| home.activities).sum(),
    }
}

/// What could not be run is worse than what is broken, and that than what is not known.
fn worse(one: Exit, other: Exit) -> Exit {
    let rank = |exit: Exit| match exit {
        Exit::Done => 0,
        Exit::Partial => 1,
        Exit::Broken => 2,
        Exit::Input => 3,
        Exit::Environment => 4,
        Exit::Usage => 5,
        Exit::Signal(_) => 6,
    };
    match rank(other) > rank(one) {
        true => other,
        false => one,
    }
}
