//! `mimic DAYS TRIALS PICTURE.svg`: what padding that follows habits hides from an adversary who learned: a made-up home of people with
//! habits, each decision function, each device and the home as one, at equal overhead: q of each is sought at which it costs
//! what a coin of [`Q`] costs. A table in Markdown on standard output, and the curves as a picture.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;
use stp_audit::adversary::{Row, Settings as Watching, ADVERSARIES, PUPILS};
use stp_audit::audit::school::Teaching;
use stp_audit::audit::{run, run_taught, Audit};
use stp_audit::defense::find;
use stp_audit::defense::settings::{DailyBudget, Padding, Scope, Settings};
use stp_audit::model::{generate, HomeModel};
use stp_audit::report::plot::recalls::{recalls, RecallCurve};
use stp_audit::threat::Defense;
use stp_audit::trace::Trace;
use stp_audit::units::Probability;

/// Padding probability of the coin, a second.
const Q: f64 = 0.0005;
/// How far from its overhead the others' may be.
const EQUAL: f64 = 0.005;
/// How often q is corrected at most.
const ROUNDS: u32 = 12;

fn lived(days: u64, seed: u64) -> Result<Trace, stp_audit::trace::TraceError> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    generate(&HomeModel::habits(), days * 86_400, &mut chance).checked()
}

type Made = Vec<(String, Box<dyn Defense>)>;

fn made(
    trace: &Trace,
    scope: Scope,
    decision: &str,
    q: f64,
    budget: Option<DailyBudget>,
) -> Result<Made, Box<dyn std::error::Error>> {
    let settings = Settings {
        padding: Padding::Q(Probability::new(q).ok_or("no chance")?),
        decision: decision.to_owned(),
        daily_budget: budget,
        scope,
        ..Settings::default()
    };
    let row = find("stp").ok_or("no defense stp")?;
    Ok(vec![("stp".to_owned(), (row.make)(&settings, trace)?)])
}

fn audit<'a>(
    trace: &'a Trace,
    defenses: &'a Made,
    adversaries: &'a [&'static Row],
    trials: u32,
) -> Audit<'a> {
    Audit {
        trace,
        defenses,
        adversaries,
        trials,
        seed: 1,
        jobs: None,
        tolerance: Duration::from_secs(1),
    }
}

/// Bytes with the defense over bytes without, on average of the trials.
fn overhead(
    trace: &Trace,
    defenses: &Made,
    trials: u32,
) -> Result<f64, Box<dyn std::error::Error>> {
    let any: Vec<_> = ADVERSARIES.iter().take(1).collect();
    let results = run(&audit(trace, defenses, &any, trials), &|_, _| {});
    let ratio = results.first().and_then(|row| row.overhead.ratio);
    ratio.ok_or_else(|| "no bytes".into())
}

/// The q at which a decision costs that much.
fn equal(
    trace: &Trace,
    scope: Scope,
    decision: &str,
    wanted: f64,
    trials: u32,
) -> Result<f64, Box<dyn std::error::Error>> {
    let mut q = Q;
    for _ in 0..ROUNDS {
        let b = overhead(trace, &made(trace, scope, decision, q, None)?, trials)?;
        if (b / wanted - 1.0).abs() <= EQUAL {
            return Ok(q);
        }
        // Without any cover it would be near what genuine periods cost alone: cover is about in proportion to q.
        let alone = overhead(trace, &made(trace, scope, "bernoulli", 0.0, None)?, 1)?;
        q *= ((wanted - alone) / (b - alone)).clamp(0.5, 2.0);
    }
    Err(format!("{decision}: no q costs {wanted:.2}").into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [days, trials, picture] = words.as_slice() else {
        return Err("mimic DAYS TRIALS PICTURE.svg".into());
    };
    let (days, trials): (u64, u32) = (days.parse()?, trials.parse()?);
    let (trace, other) = (lived(days, 1)?, [lived(days, 2)?]);
    let adversaries: Vec<_> = ADVERSARIES.iter().collect();
    let pupils: Vec<_> = PUPILS.iter().filter(|row| row.name == "learned").collect();
    println!("| padded | decision | daily budget | q | b | AUC of `learned` | lift | c at top 10 % | base rate | AUC of `count` |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut curves = Vec::new();
    for (scope, padded) in [(Scope::PerDevice, "each device"), (Scope::Home, "the home")] {
        let wanted = overhead(&trace, &made(&trace, scope, "bernoulli", Q, None)?, trials)?;
        for (decision, budget) in [
            ("bernoulli", None),
            ("hourly", None),
            ("hmm", None),
            ("hmm", Some(DailyBudget::Auto)),
        ] {
            let q = equal(&trace, scope, decision, wanted, trials)?;
            let defenses = made(&trace, scope, decision, q, budget)?;
            let audit = audit(&trace, &defenses, &adversaries, trials);
            let teaching = Teaching {
                pupils: &pupils,
                others: &other,
                ladder: true,
                ..Teaching::none()
            };
            let watching = Watching::default();
            let found = run_taught(&audit, &watching, &teaching, &|_, _| {}, &|| false);
            let of_all = |name: &str| {
                let mut rows = found.results.iter();
                rows.find(|row| row.adversary == name && row.device == "all")
            };
            let rung = found.ladder.iter().find(|rung| rung.adversary == "learned");
            let (Some(rung), Some(count)) = (rung, of_all("count")) else {
                return Err("nothing was learned".into());
            };
            let b = count.overhead.ratio.unwrap_or(f64::NAN);
            let days_told = count.auc.map_or(f64::NAN, |auc| auc.value);
            let of = |of: stp_audit::verdict::Interval, places: usize| {
                format!(
                    "{:.places$} [{:.places$}, {:.places$}]",
                    of.value, of.low, of.high
                )
            };
            println!(
                "| {padded} | {decision} | {} | {q:.6} | {b:.1} | {} | {} | {:.1} % | {:.1} % | {days_told:.2} |",
                budget.map_or("no", |_| "auto"),
                of(rung.auc, 2),
                of(rung.lift, 2),
                rung.confidence_at.top_10_percent.value * 100.0,
                rung.base_rate * 100.0
            );
            if budget.is_none() {
                let points = rung.curve.iter();
                let points = points.map(|at| (at.recall, at.confidence / rung.base_rate));
                curves.push(RecallCurve {
                    name: format!("{padded}, {decision}"),
                    points: points.collect(),
                });
            }
        }
    }
    let title = format!("An adversary who learned, against padding that follows habits, q {Q}");
    let drawn = recalls(&title, "confidence over the base rate", &curves)?;
    Ok(std::fs::write(picture, drawn)?)
}
