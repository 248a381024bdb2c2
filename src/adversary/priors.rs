//! `priors`: knows beforehand at which hours people use their devices, and combines that with what it sees.
//!
//! The paper leaves such adversaries out of its metric: those "with out-of-band prior probabilities that particular user
//! activities occur at particular times will simply combine these priors with information" from the traffic (section 5). How
//! much the traffic then adds is what this one measures: its belief by the hour alone against its belief by the hour and all
//! that is seen but the clock, on the same periods, as area under the curve and in bits. What it knows is a table of 24
//! chances, from a file or learned from the days it is taught on; log-odds of the hour and of what is seen are added up
//! (logistic regression), which is Bayes's rule where the two are independent.

use super::features::{self, Question, CLOCK, HOUR};
use super::pupil::{Priors, Pupil, Way};
use super::wire::Wire;
use crate::learning::examples::{Example, Examples, LearnError};
use crate::learning::logistic::Logistic;
use crate::threat::Knowledge;
use std::path::Path;

/// Rows that stand for no evidence: added to each hour with the mean chance of all.
const DOUBT: f64 = 10.0;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct ByPriors {
    /// The chance by hour of the day, UTC; learned where there is none.
    pub table: Option<[f64; 24]>,
}

impl Pupil for ByPriors {
    fn look(&self, wire: &Wire, knowledge: &Knowledge, show: &mut dyn FnMut(&Question, &[f64])) {
        features::each(wire, knowledge, show);
    }

    fn way(&self) -> Way {
        Way::Priors { table: self.table }
    }
}

/// Why a table is none.
#[derive(Debug, thiserror::Error)]
pub enum PriorsError {
    /// It cannot be read.
    #[error("{path}: {error}; --priors takes a CSV of hour,probability")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        error: String,
    },
    /// A line that is no hour and its chance.
    #[error("{path}: line {line}: {what}; each line is hour,probability with hours from 0 to 23 (UTC), as 18,0.2")]
    Line {
        /// Which file.
        path: String,
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// Hours that are not there.
    #[error("{path}: no chance for hour {hour}; give each of 0 to 23 (UTC) once")]
    Missing {
        /// Which file.
        path: String,
        /// The first hour that is missing.
        hour: usize,
    },
}

/// Reads a table: CSV of hour,probability, with or without that heading, each hour of 0 to 23 (UTC) once.
///
/// # Errors
/// A file that is none.
pub fn read(path: &Path) -> Result<[f64; 24], PriorsError> {
    let shown = path.display().to_string();
    let unreadable = |error: &dyn std::fmt::Display| PriorsError::Unreadable {
        path: shown.clone(),
        error: error.to_string(),
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .flexible(true)
        .from_path(path)
        .map_err(|error| unreadable(&error))?;
    let mut table: [Option<f64>; 24] = [None; 24];
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |what: String| PriorsError::Line {
            path: shown.clone(),
            line,
            what,
        };
        let (hour, chance) = (record.get(0).unwrap_or(""), record.get(1).unwrap_or(""));
        if line == 1 && hour.eq_ignore_ascii_case("hour") {
            continue;
        }
        let place: usize = hour
            .parse()
            .map_err(|_| wrong(format!("{hour:?} is no hour")))?;
        let chance: f64 = chance
            .parse()
            .ok()
            .filter(|chance| (0.0..=1.0).contains(chance))
            .ok_or_else(|| wrong(format!("{chance:?} is no probability from 0 to 1")))?;
        let known = table
            .get_mut(place)
            .ok_or_else(|| wrong(format!("{hour} is no hour")))?;
        if known.replace(chance).is_some() {
            return Err(wrong(format!("hour {place} for the second time")));
        }
    }
    if let Some(hour) = table.iter().position(Option::is_none) {
        return Err(PriorsError::Missing { path: shown, hour });
    }
    Ok(table.map(Option::unwrap_or_default))
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

/// Learns what the hour tells, and what is seen besides.
///
/// # Errors
/// Examples that cannot be learned from.
pub fn learn(examples: &Examples, table: Option<[f64; 24]>) -> Result<Priors, LearnError> {
    let table = table.map_or_else(|| by_hour(examples), |table| table.to_vec());
    let of = |make: &dyn Fn(&[f64], &[f64]) -> Vec<f64>| Examples {
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
    let (alone, both) = (of(&row_alone), of(&row_both));
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
        && chances.into_iter().all(|chance| (0.0..=1.0).contains(chance))
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
    use std::io::Write;

    fn read_text(text: &str) -> Result<[f64; 24], PriorsError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(file.path())
    }

    #[test]
    fn a_table_is_read_and_what_is_wrong_is_said() {
        let lines: Vec<String> = (0..24).map(|hour| format!("{hour}, 0.0{}", hour % 10)).collect();
        let text = format!("hour,probability\n# mine\n{}\n", lines.join("\n"));
        let table = read_text(&text).unwrap();
        assert_eq!((table[0], table[19], table[23]), (0.0, 0.09, 0.03));
        let refused = |text: &str| read_text(text).unwrap_err().to_string();
        assert!(refused(&text.replace("7, 0.07\n", "")).contains("no chance for hour 7"));
        assert!(refused("0,0.1\n24,0.1\n").contains("line 2: 24 is no hour"));
        assert!(refused("0,1.1\n").contains("\"1.1\" is no probability"));
        assert!(refused("0,0.1\n0,0.1\n").contains("for the second time"));
        assert!(refused("0,NaN\n").contains("no probability"));
    }

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
