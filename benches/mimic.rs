//! `mimic DAYS TRIALS PICTURE.svg`: what padding that follows habits hides from an adversary who learned: a made-up home of people with
//! habits, each decision function, each device and the home as one, at equal overhead: of each is sought how much cover costs
//! what a coin of [`Q`] costs. A table in Markdown on standard output, and the curves of each device's padding as a picture.
//!
//! With one q for all a device that is used often is genuine in more of its periods than one that is used seldom, and who knows
//! but whose tunnel it is knows that. With one c each device has a q of its own, in proportion to how often it is used.
//!
//! Who learned is asked about the padding of one draw, and a phantom life is a matter of luck: so there are [`LIVES`] draws, and
//! what is told is the mean of them, with the least and the most.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;
use stp_audit::adversary::{PupilRow, Row, Settings as Watching, ADVERSARIES, PUPILS};
use stp_audit::audit::school::Teaching;
use stp_audit::audit::{run, run_taught, Audit};
use stp_audit::defense::find;
use stp_audit::defense::settings::{DailyBudget, Padding, Scope, Settings};
use stp_audit::model::{generate, HomeModel};
use stp_audit::report::plot::recalls::{recalls, RecallCurve};
use stp_audit::threat::Defense;
use stp_audit::trace::Trace;
use stp_audit::units::Probability;
use stp_audit::verdict::ladder::Rung;

/// Padding probability of the coin, a second.
const Q: f64 = 0.0005;
/// The confidence of one c for all at first: its q is about [`Q`] on average.
const C: f64 = 0.09;
/// How far from its overhead the others' need not be brought nearer.
const EQUAL: f64 = 0.005;
/// How often q is corrected at most.
const ROUNDS: u32 = 8;
/// How often the home is padded and learned anew.
const LIVES: u64 = 5;

fn lived(days: u64, seed: u64) -> Result<Trace, stp_audit::trace::TraceError> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    generate(&HomeModel::habits(), days * 86_400, &mut chance).checked()
}

/// What is the same for every stream.
#[derive(Clone, Copy)]
enum Same {
    Q,
    C,
}

impl Same {
    /// So many times as much cover as [`Q`], or about [`C`], asks for.
    fn padding(self, cover: f64) -> Result<Padding, Box<dyn std::error::Error>> {
        Ok(match self {
            Self::Q => Padding::Q(Probability::new(Q * cover).ok_or("no chance")?),
            Self::C => Padding::TargetConfidence(1.0 / (1.0 + (1.0 / C - 1.0) * cover)),
        })
    }

    /// In words.
    fn word(self, cover: f64) -> Result<String, Box<dyn std::error::Error>> {
        Ok(match self.padding(cover)? {
            Padding::TargetConfidence(c) => format!("c {c:.3}"),
            _ => format!("q {:.6}", Q * cover),
        })
    }
}

/// What is padded as one, and how much.
#[derive(Clone, Copy)]
struct Way {
    scope: Scope,
    same: Same,
    name: &'static str,
}

const WAYS: [Way; 3] = [
    Way {
        scope: Scope::PerDevice,
        same: Same::Q,
        name: "each device, one q",
    },
    Way {
        scope: Scope::PerDevice,
        same: Same::C,
        name: "each device, one c",
    },
    Way {
        scope: Scope::Home,
        same: Same::Q,
        name: "the home",
    },
];

type Made = Vec<(String, Box<dyn Defense>)>;

fn made(
    trace: &Trace,
    way: Way,
    decision: &str,
    cover: f64,
    budget: Option<DailyBudget>,
) -> Result<Made, Box<dyn std::error::Error>> {
    let settings = Settings {
        padding: way.same.padding(cover)?,
        decision: decision.to_owned(),
        daily_budget: budget,
        scope: way.scope,
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
    seed: u64,
) -> Audit<'a> {
    Audit {
        trace,
        defenses,
        adversaries,
        trials,
        seed,
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
    let results = run(&audit(trace, defenses, &any, trials, 1), &|_, _| {});
    let ratio = results.first().and_then(|row| row.overhead.ratio);
    ratio.ok_or_else(|| "no bytes".into())
}

/// How many times as much cover a decision needs to cost that much.
fn equal(
    trace: &Trace,
    way: Way,
    decision: &str,
    wanted: f64,
    trials: u32,
) -> Result<f64, Box<dyn std::error::Error>> {
    // What genuine periods cost without any cover: cover is about in proportion to q.
    let bare = Way {
        same: Same::Q,
        ..way
    };
    let alone = overhead(trace, &made(trace, bare, "bernoulli", 0.0, None)?, 1)?;
    let (mut cover, mut nearest) = (1.0f64, (f64::INFINITY, 1.0));
    let (mut below, mut above) = (None::<f64>, None::<f64>);
    for _ in 0..ROUNDS {
        let b = overhead(trace, &made(trace, way, decision, cover, None)?, trials)?;
        let off = (b / wanted - 1.0).abs();
        if off < nearest.0 {
            nearest = (off, cover);
        }
        if off <= EQUAL {
            break;
        }
        match b < wanted {
            true => below = Some(cover),
            false => above = Some(cover),
        }
        // Another cover draws other coins, and a period of a device that is seldom used weighs much: the overhead jumps.
        cover = match (below, above) {
            (Some(below), Some(above)) => (below * above).sqrt(),
            _ => cover * ((wanted - alone) / (b - alone)).clamp(0.5, 2.0),
        };
    }
    Ok(nearest.1)
}

/// What one draw of padding told.
struct Life {
    rung: Rung,
    overhead: f64,
    /// Area of who counts periods.
    days_told: f64,
}

fn life(
    audit: &Audit,
    other: &[Trace],
    pupils: &[&'static PupilRow],
) -> Result<Life, Box<dyn std::error::Error>> {
    let teaching = Teaching {
        pupils,
        others: other,
        ladder: true,
        ..Teaching::none()
    };
    let watching = Watching::default();
    let found = run_taught(audit, &watching, &teaching, &|_, _| {}, &|| false);
    let mut rows = found.results.iter();
    let count = rows.find(|row| row.adversary == "count" && row.device == "all");
    let rung = found
        .ladder
        .into_iter()
        .find(|rung| rung.adversary == "learned");
    let (Some(rung), Some(count)) = (rung, count) else {
        return Err("nothing was learned".into());
    };
    Ok(Life {
        rung,
        overhead: count.overhead.ratio.unwrap_or(f64::NAN),
        days_told: count.auc.map_or(f64::NAN, |auc| auc.value),
    })
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
    println!("| padded | decision | daily budget | q, or c | b | AUC of `learned` | lift | c at top 10 % | base rate | AUC of `count` |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut curves = Vec::new();
    for way in WAYS {
        let coin = Way {
            same: Same::Q,
            ..way
        };
        let wanted = overhead(&trace, &made(&trace, coin, "bernoulli", 1.0, None)?, trials)?;
        for (decision, budget) in [
            ("bernoulli", None),
            ("hourly", None),
            ("hmm", None),
            ("hmm", Some(DailyBudget::Auto)),
        ] {
            let cover = equal(&trace, way, decision, wanted, trials)?;
            let defenses = made(&trace, way, decision, cover, budget)?;
            let mut lives = Vec::new();
            for seed in 1..=LIVES {
                let audit = audit(&trace, &defenses, &adversaries, trials, seed);
                lives.push(life(&audit, &other, &pupils)?);
            }
            let of = |what: fn(&Life) -> f64| -> [f64; 3] {
                let all = || lives.iter().map(what);
                let mean = all().sum::<f64>() / lives.len() as f64;
                [
                    mean,
                    all().fold(f64::INFINITY, f64::min),
                    all().fold(f64::NEG_INFINITY, f64::max),
                ]
            };
            let range =
                |[mean, least, most]: [f64; 3]| format!("{mean:.2} [{least:.2}, {most:.2}]");
            println!(
                "| {} | {decision} | {} | {} | {:.1} | {} | {} | {:.1} % | {:.1} % | {:.2} |",
                way.name,
                budget.map_or("no", |_| "auto"),
                way.same.word(cover)?,
                of(|life| life.overhead)[0],
                range(of(|life| life.rung.auc.value)),
                range(of(|life| life.rung.lift.value)),
                of(|life| life.rung.confidence_at.top_10_percent.value)[0] * 100.0,
                of(|life| life.rung.base_rate)[0] * 100.0,
                of(|life| life.days_told)[0],
            );
            let Some(Life { rung, .. }) = lives.first() else {
                continue;
            };
            // A picture has six colours; the home's curves are nearly flat.
            if budget.is_none() && way.scope == Scope::PerDevice {
                let points = rung.curve.iter();
                let points = points.map(|at| (at.recall, at.confidence / rung.base_rate));
                curves.push(RecallCurve {
                    name: format!("{}, {decision}", way.name),
                    points: points.collect(),
                });
            }
        }
    }
    let title = "An adversary who learned, against padding that follows habits, at equal overhead";
    let drawn = recalls(title, "confidence over the base rate", &curves)?;
    Ok(std::fs::write(picture, drawn)?)
}
