//! What every gate has in common: when it may pass at all, and how an interval is held against a limit.

use super::held::Held;
use super::{Gate, Status, Verdict};

/// Whether gates of one defense may pass, and if not, why.
pub(super) struct Passes {
    label: String,
    device: Option<String>,
    why_not: Option<String>,
    activities: u64,
    enough: bool,
    not_run: Vec<String>,
    silent: bool,
    unable: Vec<String>,
    nobody: bool,
}

impl Passes {
    pub(super) fn of(
        held: &Held<'_>,
        all: &[Held<'_>],
        verdict: &Verdict,
        least: u64,
        partial: Option<&str>,
    ) -> Self {
        let activities = held.activities();
        let enough = activities >= least;
        let why_not = if held.rows.is_empty() {
            Some(match partial {
                Some(why) => format!("the result is partial: {why}"),
                None => "no result about all devices together".to_owned(),
            })
        } else if let Some(why) = partial {
            Some(format!("the result is partial: {why}"))
        } else if !enough {
            let noun = if activities == 1 {
                "activity is"
            } else {
                "activities are"
            };
            Some(format!(
                "{activities} genuine {noun} too few, {least} are needed; watch for longer"
            ))
        } else {
            None
        };
        let not_run = held.not_run(verdict).into_iter();
        let unable = held.rows.iter().filter_map(|row| {
            let why = row.silent_because.as_ref()?;
            Some(format!("{} ({why})", row.adversary))
        });
        Self {
            label: held.label(all),
            device: held.device.map(str::to_owned),
            why_not,
            activities,
            enough,
            not_run: not_run.map(str::to_owned).collect(),
            silent: held.rows.iter().all(|row| row.claims == 0),
            unable: unable.collect(),
            // Who tells days apart has an area, and claims no activity whatever it sees.
            nobody: held.rows.iter().all(|row| row.auc.is_some()),
        }
    }

    /// Why no gate passes; empty where one may.
    pub(super) fn why_not(&self) -> String {
        self.why_not.clone().unwrap_or_default()
    }

    /// The gate with its pass taken back where it must not pass.
    pub(super) fn grant(&self, mut gate: Gate) -> Gate {
        if let (Status::Pass, Some(why)) = (gate.status, &self.why_not) {
            gate.status = Status::Inconclusive;
            gate.says = format!("{why}; {}", gate.says);
        }
        gate
    }

    /// Whether there are activities enough to tell how often an adversary is right.
    ///
    /// Trials repeat the same activities, so that the interval of fifty trials of two activities is far too narrow; a gate
    /// must not even fail on it.
    pub(super) fn doubt(&self, mut gate: Gate) -> Gate {
        if !self.enough && gate.status == Status::Fail {
            if let Some(why) = &self.why_not {
                gate.status = Status::Inconclusive;
                gate.says = format!("{why}; {}", gate.says);
            }
        }
        self.grant(gate)
    }

    /// What it means that no adversary claims anything.
    pub(super) fn silence(&self, gate: Gate) -> Gate {
        if !self.silent {
            let says = "claims were made, but how often they are right is no number".to_owned();
            let status = Status::Inconclusive;
            return Gate {
                status,
                says,
                ..gate
            };
        }
        let idle = match (self.nobody, self.unable.as_slice()) {
            (true, _) => Some(
                "no claims: none of the adversaries that were run claims activities; add one that does, as --adversary usual"
                    .to_owned(),
            ),
            (false, []) => None,
            (false, unable) => Some(format!(
                "no claims, which says nothing of {}",
                unable.join(", nor of ")
            )),
        };
        if let Some(says) = idle {
            let status = Status::Inconclusive;
            return Gate {
                status,
                says,
                ..gate
            };
        }
        if self.not_run.is_empty() {
            let says = format!(
                "no claims: every adversary was run and claimed nothing, while there were {} genuine activities",
                self.activities
            );
            let status = Status::Pass;
            return self.grant(Gate {
                status,
                says,
                ..gate
            });
        }
        let says = format!("no claims, but not run: {}", self.not_run.join(", "));
        Gate {
            status: Status::Inconclusive,
            says,
            ..gate
        }
    }
}

/// A gate of which nothing is known yet.
pub(super) fn unknown(rule: &str, passes: &Passes, limit: f64) -> Gate {
    Gate {
        rule: rule.to_owned(),
        defense: passes.label.clone(),
        device: passes.device.clone(),
        adversary: None,
        limit,
        observed: None,
        bound: None,
        status: Status::Inconclusive,
        says: String::new(),
        line: None,
    }
}

/// Holds an interval against the gate's limit.
pub(super) fn within(
    gate: Gate,
    value: f64,
    low: f64,
    high: f64,
    shown: impl Fn(f64) -> String,
    what: &str,
) -> Gate {
    let limit = gate.limit;
    let (status, bound, words) = if low > limit {
        (Status::Fail, low, "beyond")
    } else if high <= limit {
        (Status::Pass, high, "within")
    } else {
        (Status::Inconclusive, high, "on both sides of")
    };
    let interval = match low == high {
        true => String::new(),
        false => format!(" ({} to {})", shown(low), shown(high)),
    };
    let more = match status {
        Status::Inconclusive => "; more activities or trials would tell",
        _ => "",
    };
    Gate {
        observed: Some(value),
        bound: Some(bound),
        status,
        says: format!(
            "{what} {}{interval}, {words} the limit of {}{more}",
            shown(value),
            shown(limit)
        ),
        ..gate
    }
}
