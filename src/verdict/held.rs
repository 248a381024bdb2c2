//! The rows a limit is held against: those of one defense, seen from one place, about all devices together, or about one.

use super::{Interval, Outcome, Verdict};

/// The device of rows about all devices together.
pub const ALL: &str = "all";

/// One defense as one adversary's place shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held<'a> {
    /// The defense.
    pub defense: &'a str,
    /// `inside` or `outside`.
    pub vantage: &'a str,
    /// The device; `None` for all together.
    pub device: Option<&'a str>,
    /// Its rows about that, in the order of the results: one an adversary.
    pub rows: Vec<&'a Outcome>,
}

/// Every defense at every vantage, in the order of the results.
pub fn held(verdict: &Verdict) -> Vec<Held<'_>> {
    let mut all: Vec<Held<'_>> = Vec::new();
    for row in &verdict.results {
        let known = all
            .iter()
            .position(|held| held.defense == row.defense && held.vantage == row.vantage);
        let at = known.unwrap_or_else(|| {
            all.push(Held {
                defense: &row.defense,
                vantage: &row.vantage,
                device: None,
                rows: Vec::new(),
            });
            all.len() - 1
        });
        if let Some(held) = all.get_mut(at).filter(|_| row.device == ALL) {
            held.rows.push(row);
        }
    }
    all
}

/// Every device that has rows, under every defense of `all`, which is what [`held`] gave.
pub(super) fn each_device<'a>(all: &[Held<'a>], verdict: &'a Verdict) -> Vec<Held<'a>> {
    let mut each: Vec<Held<'a>> = Vec::new();
    for whole in all {
        let begin = each.len();
        let rows = verdict.results.iter();
        let of_whole = rows.filter(|row| {
            row.defense == whole.defense && row.vantage == whole.vantage && row.device != ALL
        });
        for row in of_whole {
            let of_device = |held: &&mut Held<'_>| held.device == Some(row.device.as_str());
            match each.iter_mut().skip(begin).find(of_device) {
                Some(held) => held.rows.push(row),
                None => each.push(Held {
                    device: Some(&row.device),
                    rows: vec![row],
                    ..*whole
                }),
            }
        }
    }
    each
}

impl<'a> Held<'a> {
    /// What gates call it: the defense, with the vantage where it was seen from several (`all` is what [`held`] gave).
    pub fn label(&self, all: &[Held<'_>]) -> String {
        let seen = all.iter().filter(|other| other.defense == self.defense);
        match seen.count() {
            0 | 1 => self.defense.to_owned(),
            _ => format!("{} ({})", self.defense, self.vantage),
        }
    }

    /// The row whose adversary is right most often: the one marked as headline, or the highest confidence where none is
    /// marked. `None` where no adversary claims anything.
    pub fn worst(&self) -> Option<(&'a Outcome, Interval)> {
        let claimed = || {
            let rows = self.rows.iter();
            rows.filter_map(|&row| Some((row, row.confidence?)))
        };
        let marked = claimed().find(|(row, _)| row.headline);
        marked.or_else(|| claimed().max_by(|(_, a), (_, b)| a.value.total_cmp(&b.value)))
    }

    /// Genuine activities of one trial. Trials repeat the same ones: fifty runs of two activities are two, not a hundred.
    pub fn activities(&self) -> u64 {
        let of = |row: &&Outcome| row.activities / u64::from(row.trials.max(1));
        self.rows.iter().map(of).max().unwrap_or(0)
    }

    /// Adversaries of the verdict that were not run against it. Of one device too, those that have no row about all together:
    /// who tells days has none about a device.
    pub fn not_run<'v>(&self, verdict: &'v Verdict) -> Vec<&'v str> {
        let run = |name: &&str| {
            verdict.results.iter().any(|row| {
                let here = row.defense == self.defense && row.vantage == self.vantage;
                here && row.device == ALL && row.adversary == *name
            })
        };
        let names = verdict.adversaries.iter().map(String::as_str);
        names.filter(|name| !run(name)).collect()
    }
}

/// Whether an interval is one: three numbers in order.
pub fn sound(interval: &Interval) -> bool {
    // A comparison with what is no number is false.
    interval.low.is_finite()
        && interval.high.is_finite()
        && interval.low <= interval.value
        && interval.value <= interval.high
}
