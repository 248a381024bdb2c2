//! What reports say of stochastic traffic padding: all that steers it, automatic or given.

use super::padded::{Padded, Stp};
use crate::defense::settings::{HabitsFrom, Padding, QuietTraffic, Rates, Scope};
use crate::units::Rate;
use serde_json::{json, Value};
use std::collections::BTreeMap;

/// A value of every stream: of one, or of all alike, as it is; otherwise by the stream's id.
fn told(stp: &Stp, value: impl Fn(&Padded) -> Value) -> Value {
    let all: Vec<Value> = stp.padded.iter().map(&value).collect();
    match all.first() {
        Some(first) if all.iter().all(|other| other == first) => first.clone(),
        _ => {
            let ids = stp.padded.iter().map(|one| one.fit.stream.id.clone());
            Value::Object(ids.zip(all).collect())
        }
    }
}

/// Everything that steers it, as [`Defense::parameters`](crate::threat::Defense::parameters) tells it.
pub(super) fn parameters(stp: &Stp) -> BTreeMap<&'static str, Value> {
    let settings = &stp.settings;
    let rate = |way: usize| {
        move |one: &Padded| json!(one.fit.rates.get(way).map(|rate| Rate::bytes_per_s(*rate)))
    };
    let q_from = match settings.padding {
        Padding::Q(_) => "given".to_owned(),
        Padding::TargetConfidence(c) => format!("target confidence {c}"),
        Padding::DataCap(bytes) => format!("data cap of {} GB a month", bytes / 1e9),
        Padding::Knee => "knee of c / b".to_owned(),
    };
    let automatic = |given: bool| if given { "given" } else { "trace" };
    let mut all = BTreeMap::from([
        (
            "period_s",
            told(stp, |one| json!(one.fit.period.as_secs_f64())),
        ),
        ("period_from", json!(automatic(settings.period.is_some()))),
        ("rate_up_bytes_per_s", told(stp, rate(0))),
        ("rate_down_bytes_per_s", told(stp, rate(1))),
        (
            "rates_from",
            json!(automatic(
                settings.rate_up.is_some() && settings.rate_down.is_some()
            )),
        ),
        ("cell_bytes", told(stp, |one| json!(one.fit.cell_bytes))),
        ("p", told(stp, |one| json!(one.fit.p))),
        ("q", told(stp, |one| json!(one.q))),
        ("q_from", json!(q_from)),
        ("model", json!(settings.model)),
        ("rule", json!(settings.rule)),
        ("durations", json!(settings.durations)),
        ("decision", json!(settings.decision)),
        ("shape", json!(settings.shape)),
        ("scope", json!(settings.scope)),
        ("trigger", json!(settings.trigger)),
    ]);
    match &settings.habits {
        HabitsFrom::Learned { after } => {
            all.insert("habits_from", json!(format!("learned after {after}")));
        }
        habits if stp.padded.iter().any(|one| one.fit.habits.is_some()) => {
            let trace = *habits == HabitsFrom::Trace;
            all.insert("habits_from", json!(if trace { "trace" } else { "file" }));
        }
        _ => {}
    }
    let states = |one: &Padded| {
        let moods = one.fit.habits.as_ref()?.moods.as_ref()?;
        Some(moods.model.states())
    };
    if stp.padded.iter().any(|one| states(one).is_some()) {
        all.insert("hidden_states", told(stp, |one| json!(states(one))));
    }
    if settings.daily_budget.is_some() {
        let periods = told(stp, |one| json!(stp.per_day(one)));
        all.insert("daily_periods", periods);
        let lacks = |one: &Padded| {
            stp.per_day(one)
                .is_some_and(|periods| periods < one.fit.busiest_day)
        };
        if stp.padded.iter().any(lacks) {
            let busiest = told(stp, |one| json!(one.fit.busiest_day));
            all.insert("busiest_day_periods", busiest);
        }
    }
    if settings.quiet != QuietTraffic::Packets {
        all.insert("quiet_traffic", json!(settings.quiet));
    }
    if settings.scope == Scope::Home {
        all.insert("tunnel", json!(settings.tunnel));
    }
    if let Rates::Lowering { start, every } = settings.rates {
        all.insert("rates_lowered_every_s", json!(every.as_secs_f64()));
        all.insert("rates_start_at_times", json!(start));
    }
    all
}
