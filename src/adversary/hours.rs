//! What the hour of the day tells of a period, and what all that is seen adds to it: what [`priors`](super::priors) learns.
//!
//! Log-odds of the hour and of what is seen are added up, each with a weight (logistic regression): Bayes's rule where the two
//! are independent, and no worse than the better of them where they are not.

use super::features::{self, CLOCK, HOUR};
use crate::learning::examples::{Example, Examples, LearnError};
use crate::learning::logistic::Logistic;
use serde::{Deserialize, Serialize};

/// Rows that stand for no evidence: added to each hour with the mean chance of all.
const DOUBT: f64 = 10.0;

/// What the hour tells, alone and together with what is seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Priors {
    /// The chance by hour.
    pub table: Vec<f64>,
    /// A row: the log-odds of its hour. Brings the table to the scale of these questions.
    pub alone: Logistic,
    /// A row: the same, and all that is seen but the clock.
    pub both: Logistic,
}

fn hour(row: &[f64]) -> usize {
    // Above 0 and below 24, or cut to that.
    (row.get(HOUR).copied().unwrap_or_default() as usize).min(23)
}

fn odds(table: &[f64], row: &[f64]) -> f64 {
    let chance = table.get(hour(row)).copied().unwrap_or(0.5);
    let chance = chance.clamp(1e-4, 1.0 - 1e-4);
    (chance / (1.0 - chance)).ln()
}

/// The row of who knows the hour alone.
fn row_alone(table: &[f64], row: &[f64]) -> Vec<f64> {
    vec![odds(table, row)]
}

/// The row of who knows the hour and sees the traffic.
fn row_both(table: &[f64], row: &[f64]) -> Vec<f64> {
    let seen = row.iter().enumerate();
    let seen = seen.filter(|(place, _)| !CLOCK.contains(place));
    let seen = seen.map(|(_, value)| *value);
    std::iter::once(odds(table, row)).chain(seen).collect()
}

/// A row of who knows the table, of a row of what is seen.
type RowMaker = fn(&[f64], &[f64]) -> Vec<f64>;

/// Learns what the hour tells, and what is seen besides.
///
/// # Errors
/// Examples that cannot be learned from.
pub fn learn(examples: &Examples, table: Option<[f64; 24]>) -> Result<Priors, LearnError> {
    let table = table.map_or_else(|| by_hour(examples), |table| table.to_vec());
    let of = |make: RowMaker| Examples {
        rows: examples
            .rows
            .iter()
            .map(|example| Example {
                row: make(&table, &example.row),
                ..example.clone()
            })
            .collect(),
        ..*examples
    };
    let (alone, both) = (of(row_alone), of(row_both));
    Ok(Priors {
        alone: Logistic::fit(&alone)?,
        both: Logistic::fit(&both)?,
        table,
    })
}

/// The share of questions of each hour that are to be answered by yes.
fn by_hour(examples: &Examples) -> Vec<f64> {
    let mut counts = [[0.0f64; 2]; 24];
    for example in &examples.rows {
        if let Some([genuine, all]) = counts.get_mut(hour(&example.row)) {
            let weight = match example.genuine() {
                true => examples.weight_genuine,
                false => examples.weight_other,
            };
            *all += weight;
            *genuine += weight * f64::from(u8::from(example.genuine()));
        }
    }
    let [genuine, all] = counts
        .iter()
        .fold([0.0, 0.0], |sum, of| [sum[0] + of[0], sum[1] + of[1]]);
    let mean = genuine / f64::max(all, 1.0);
    let of_hour = |[genuine, all]: [f64; 2]| (genuine + mean * DOUBT) / (all + DOUBT);
    counts.map(of_hour).to_vec()
}

/// How sure who knows the hour alone is, in the proportion of the examples.
pub fn alone(priors: &Priors, row: &[f64]) -> f64 {
    priors.alone.belief(&row_alone(&priors.table, row))
}

/// How sure who sees the traffic as well is.
pub fn both(priors: &Priors, row: &[f64]) -> f64 {
    priors.both.belief(&row_both(&priors.table, row))
}

/// Whether they are ones that could have been learned: of those that were read from a file.
///
/// # Errors
/// Why not, in words.
pub fn check(priors: &Priors) -> Result<(), String> {
    let chances = priors.table.iter();
    let good = priors.table.len() == 24
        && chances
            .into_iter()
            .all(|chance| (0.0..=1.0).contains(chance))
        && priors.alone.width() == 1
        && priors.both.width() == features::NAMES.len() - CLOCK.len() + 1;
    match good {
        true => priors.alone.check().and(priors.both.check()),
        false => Err("priors that are none".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_is_learned_where_the_hour_tells() {
        // Genuine from 18 to 20 h alone; one thing that is seen tells half of what the hour leaves open.
        let rows = (0..480u32).map(|n| {
            let mut row = vec![0.0; features::NAMES.len()];
            let hour = n % 24;
            row[HOUR] = f64::from(hour) + 0.5;
            let genuine = (18..20).contains(&hour) && n % 48 < 24;
            row[0] = f64::from(u8::from(genuine));
            Example {
                row,
                class: genuine.into(),
                group: n / 24,
            }
        });
        let examples = Examples::whole(rows.collect());
        let learned = learn(&examples, None).unwrap();
        // Of 20 rows at 18 h 10 are genuine, and the mean is 20 of 480.
        let expected = (10.0 + 10.0 * 20.0 / 480.0) / 30.0;
        assert!((learned.table[18] - expected).abs() < 1e-9);
        let of = |hour: f64, seen: f64| {
            let mut row = vec![0.0; features::NAMES.len()];
            (row[HOUR], row[0]) = (hour, seen);
            row
        };
        assert!(alone(&learned, &of(18.5, 1.0)) > 3.0 * alone(&learned, &of(3.5, 1.0)));
        assert!(both(&learned, &of(18.5, 1.0)) > 0.8);
        assert!(both(&learned, &of(18.5, 0.0)) < 0.2);
        assert_eq!(check(&learned), Ok(()));
    }
}
