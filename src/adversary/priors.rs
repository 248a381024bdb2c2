//! `priors`: knows beforehand at which hours people use their devices, and combines that with what it sees.
//!
//! The paper leaves such adversaries out of its metric: those "with out-of-band prior probabilities that particular user
//! activities occur at particular times will simply combine these priors with information" from the traffic (section 5). How
//! much the traffic then adds is what this one measures: its belief by the hour alone against its belief by the hour and all
//! that is seen but the clock, on the same periods, as area under the curve and in bits. What it knows is a table of 24
//! chances, from a file or learned from the days it is taught on; log-odds of the hour and of what is seen are added up
//! (logistic regression), which is Bayes's rule where the two are independent.

use super::features::{self, Question};
use super::pupil::{Pupil, Way};
use super::wire::Wire;
use crate::threat::Knowledge;
use std::io::Read;
use std::path::Path;

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

/// Bytes of a file at most: 24 lines, and what somebody wrote beside them.
const BYTES_AT_MOST: u64 = 65_536;
/// Characters that are shown of what is no number.
const SHOWN: usize = 40;

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
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(BYTES_AT_MOST + 1).read_to_end(&mut text))
        .map_err(|error| unreadable(&error))?;
    if text.len() as u64 > BYTES_AT_MOST {
        return Err(unreadable(&format!("larger than {BYTES_AT_MOST} bytes")));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .flexible(true)
        .from_reader(&text[..]);
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
        let short = |text: &str| text.chars().take(SHOWN).collect::<String>();
        if line == 1 && hour.eq_ignore_ascii_case("hour") {
            continue;
        }
        let place: usize = hour
            .parse()
            .map_err(|_| wrong(format!("{:?} is no hour", short(hour))))?;
        let chance: f64 = chance
            .parse()
            .ok()
            .filter(|chance| (0.0..=1.0).contains(chance))
            .ok_or_else(|| wrong(format!("{:?} is no probability from 0 to 1", short(chance))))?;
        let known = table
            .get_mut(place)
            .ok_or_else(|| wrong(format!("{} is no hour", short(hour))))?;
        if known.replace(chance).is_some() {
            return Err(wrong(format!("hour {place} for the second time")));
        }
    }
    if let Some(hour) = table.iter().position(Option::is_none) {
        return Err(PriorsError::Missing { path: shown, hour });
    }
    Ok(table.map(Option::unwrap_or_default))
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
        let lines: Vec<String> = (0..24)
            .map(|hour| format!("{hour}, 0.0{}", hour % 10))
            .collect();
        let text = format!("hour,probability\n# mine\n{}\n", lines.join("\n"));
        let table = read_text(&text).unwrap();
        assert_eq!((table[0], table[19], table[23]), (0.0, 0.09, 0.03));
        let refused = |text: &str| read_text(text).unwrap_err().to_string();
        assert!(refused(&text.replace("\n7, 0.07\n", "\n")).contains("no chance for hour 7"));
        assert!(refused("0,0.1\n24,0.1\n").contains("line 2: 24 is no hour"));
        assert!(refused("0,1.1\n").contains("\"1.1\" is no probability"));
        assert!(refused("0,0.1\n0,0.1\n").contains("for the second time"));
        assert!(refused("0,NaN\n").contains("no probability"));
        // A file of another kind is refused before it is read whole, and not shown whole.
        let long = refused(&"0".repeat(70_000));
        assert!(
            long.contains("larger than 65536 bytes") && long.len() < 300,
            "{long}"
        );
        let odd = refused(&"x".repeat(60_000));
        assert!(odd.contains("is no hour") && odd.len() < 300, "{odd}");
    }
}
