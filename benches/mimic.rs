//! `mimic DAYS TRIALS PICTURE.svg`: what padding that follows habits hides from an adversary who learned: a made-up home of people with
//! habits, each decision function, each device and the home as one, at the same q. A table in Markdown on standard output, and
//! the curves as a picture.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;
use stp_audit::adversary::{Settings as Watching, ADVERSARIES, PUPILS};
use stp_audit::audit::school::Teaching;
use stp_audit::audit::{run_taught, Audit};
use stp_audit::defense::find;
use stp_audit::defense::settings::{DailyBudget, Padding, Scope, Settings};
use stp_audit::model::{generate, HomeModel};
use stp_audit::report::plot::recalls::{recalls, RecallCurve};
use stp_audit::trace::Trace;
use stp_audit::units::Probability;

const Q: f64 = 0.0005;

fn lived(days: u64, seed: u64) -> Result<Trace, stp_audit::trace::TraceError> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    generate(&HomeModel::habits(), days * 86_400, &mut chance).checked()
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
    let row = find("stp").ok_or("no defense stp")?;
    println!("| padded | decision | daily budget | b | AUC of `learned` | lift | c at top 10 % | base rate | AUC of `count` |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut curves = Vec::new();
    for (scope, padded) in [(Scope::PerDevice, "each device"), (Scope::Home, "the home")] {
        for (decision, budget) in [
            ("bernoulli", None),
            ("hourly", None),
            ("hmm", None),
            ("hmm", Some(DailyBudget::Auto)),
        ] {
            let settings = Settings {
                padding: Padding::Q(Probability::new(Q).ok_or("no chance")?),
                decision: decision.to_owned(),
                daily_budget: budget,
                scope,
                ..Settings::default()
            };
            let made = (row.make)(&settings, &trace)?;
            let audit = Audit {
                trace: &trace,
                defenses: &[("stp".to_owned(), made)],
                adversaries: &adversaries,
                trials,
                seed: 1,
                jobs: None,
                tolerance: Duration::from_secs(1),
            };
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
                "| {padded} | {decision} | {} | {b:.1} | {} | {} | {:.1} % | {:.1} % | {days_told:.2} |",
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
