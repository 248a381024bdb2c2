//! Padding on a grid: what waits for the next period is under it, and the audit finds what the equations foretell.

mod audits;

use audits::{adversaries, audit, lived, made, of_all, seeded};
use std::time::Duration;
use stp_audit::defense::settings::{Padding, Settings, TimeModel};
use stp_audit::defense::DEFENSES;
use stp_audit::model::home::HomeModel;
use stp_audit::score::delay::delayed;
use stp_audit::score::periods::mark;
use stp_audit::score::truth::Truth;
use stp_audit::threat::Defense;
use stp_audit::trace::Trace;
use stp_audit::units::Probability;
use stp_audit::verdict::Outcome;

/// A home of one device of the built-in home, without its background.
fn home(id: &str, p: f64, seconds: u64) -> Trace {
    let all = HomeModel::built_in().devices.into_iter();
    let mut model = all.map(|of| of.model).find(|model| model.id == id).unwrap();
    model.background = None;
    let home = HomeModel {
        devices: Vec::new(),
        ..HomeModel::single_device()
    };
    let home = home.with(model, Probability::new(p).unwrap());
    lived(&home, seconds, 5)
}

fn settings(model: TimeModel, padding: Padding) -> Settings {
    Settings {
        model,
        padding,
        ..Settings::default()
    }
}

fn stp(settings: &Settings, trace: &Trace) -> Box<dyn Defense> {
    assert_eq!(DEFENSES.iter().filter(|row| row.name == "stp").count(), 1);
    made("stp", settings, trace)
}

fn audited(trace: &Trace, settings: &Settings, trials: u32) -> Vec<Outcome> {
    let defenses = [("stp".to_owned(), stp(settings, trace))];
    let adversaries = adversaries(&["every-padded-period", "run-length"]);
    of_all(&audit(trace, &defenses, &adversaries, trials))
}

/// c as it was aimed at, and as theory has it; b within three hundredths.
#[test]
fn a_target_confidence_is_met_on_the_grid() {
    let mut table = String::from("device  target  theory c  measured c           theory b  b\n");
    for (id, p) in [("wemo", 0.002), ("nest", 0.001), ("echo", 0.002)] {
        let trace = home(id, p, 500_000);
        for target in [0.1, 0.4] {
            let rows = audited(
                &trace,
                &settings(TimeModel::Grid, Padding::TargetConfidence(target)),
                20,
            );
            let row = &rows[0];
            let (c, theory) = (row.confidence.unwrap(), row.theory.unwrap());
            let overhead = row.overhead.ratio.unwrap();
            table += &format!(
                "{id}    {target}     {:.3}     {:.3} [{:.3}-{:.3}]  {:.2}      {overhead:.2}\n",
                theory.confidence.unwrap(),
                c.value,
                c.low,
                c.high,
                theory.overhead.unwrap(),
            );
            assert!(c.low <= target && target <= c.high, "{id} {target}: {c:?}");
            assert!((theory.confidence.unwrap() - target).abs() < 1e-6);
            assert!(
                (overhead / theory.overhead.unwrap() - 1.0).abs() < 0.03,
                "{table}"
            );
            // But for a period that the end of the capture cuts, each is claimed.
            let genuine = row.genuine_periods_per_period.unwrap();
            assert!((genuine - c.value).abs() < 1e-4, "{genuine} {c:?}");
            // Every activity is under some period.
            assert!(row.recall.unwrap() > 0.999, "{:?}", row.recall);
        }
    }
    insta::assert_snapshot!(table);
}

/// What the audit works out from wire and truth is what the shaper itself knows.
#[test]
fn the_audit_marks_the_periods_that_the_shaper_knows_for_genuine() {
    for model in [TimeModel::Grid, TimeModel::PerSecond] {
        for (id, q) in [
            ("wemo", 0.01),
            ("nest", 0.2),
            ("echo", 0.05),
            ("bulb", 0.02),
        ] {
            let trace = home(id, 0.002, 200_000);
            let padding = Padding::Q(Probability::new(q).unwrap());
            let shaped = stp(&settings(model, padding), &trace).shape(&trace, &mut seeded(9));
            let truth = Truth::of(&trace, Duration::ZERO);
            let spans = shaped
                .periods
                .iter()
                .map(|period| (period.flow, period.span));
            let mut marked = mark(spans, &[Some(0)], &truth);
            let carried = delayed(&mut marked, &truth);
            let (mut both, mut either) = (0u32, 0u32);
            for (ours, own) in marked.iter().zip(&shaped.periods) {
                assert_eq!(ours.span.start, own.span.start);
                both += u32::from(ours.genuine && own.genuine);
                either += u32::from(ours.genuine || own.genuine);
            }
            println!(
                "{id} {model:?}: {both} of {either}, {} waited",
                carried.len()
            );
            // Per second a period may go on for bytes that still wait when the activity is over.
            assert!(
                f64::from(both) > 0.98 * f64::from(either),
                "{id} {model:?}: {both} of {either}"
            );
            assert_eq!(carried.is_empty(), model == TimeModel::PerSecond, "{id}");
        }
    }
}
