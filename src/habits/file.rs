//! Habits as a file, in TOML: what was learned of a home once, for a day on which there is nothing to learn from.
//!
//! ```toml
//! version = 1
//!
//! [[habits]]
//! of = "kettle"                  # a device by its id, or `home` where the home is padded as one
//! activities = 61                # what was learned from
//! seconds = 2592000.0
//! hourly = [0.1, 0.1, 0.1]       # 24 weights, 1 on average, from 0:00 UTC on
//!
//! [habits.moods]                 # a hidden Markov model; of --decision hmm alone
//! step_s = 60                    # length of a step
//! by_hour = true                 # whether rates are times the weight of the hour
//! start = [0.9, 0.1]             # chance of each state at the first step
//! transition = [[0.99, 0.01], [0.05, 0.95]]
//! rate = [0.001, 0.08]           # begins per step in each state
//! ```
//!
//! Such a file tells when somebody is at home: keep it as you would a diary.

use super::hourly::{Hourly, HOURS};
use super::learned::{Habits, Moods};
use super::markov::{Markov, STATES_AT_MOST};
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Largest file in bytes.
pub const BYTES_AT_MOST: u64 = 5_000_000;
/// Most devices of a file.
const ENTRIES_AT_MOST: usize = 2_000;
/// The version that is read and written.
const VERSION: u32 = 1;
/// Chances sum to 1 within this: they may have been written by hand.
const NEAR: f64 = 1e-6;
/// Length of a step in seconds: up to a day.
const STEP_S: std::ops::RangeInclusive<u64> = 1..=86_400;

/// Why a file tells no habits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HabitsFileError {
    /// It is not TOML, or has other keys.
    #[error("{name}: no file of habits: {what}; one is written by defend --fit-habits FILE")]
    Toml {
        /// The file.
        name: String,
        /// What the reader says, with line and key.
        what: String,
    },
    /// Another version.
    #[error("{name}: version {version} of files of habits; this program reads version {VERSION}: fit them anew with --fit-habits")]
    Version {
        /// The file.
        name: String,
        /// What it says.
        version: u32,
    },
    /// A number, or how many there are, out of its range.
    #[error("{name}: habits of `{of}`: {what} of {got}: it must be {allowed}; correct the file, or fit it anew with --fit-habits")]
    Range {
        /// The file.
        name: String,
        /// Whose habits.
        of: String,
        /// Which number.
        what: String,
        /// What stands there.
        got: String,
        /// What may stand there.
        allowed: String,
    },
}

/// Habits by whose they are: ids of devices, or `home`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HabitsFile(pub BTreeMap<String, Habits>);

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    habits: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    of: String,
    activities: u64,
    seconds: f64,
    hourly: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moods: Option<Model>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Model {
    step_s: u64,
    by_hour: bool,
    start: Vec<f64>,
    transition: Vec<Vec<f64>>,
    rate: Vec<f64>,
}

/// The version alone, of a file whose other keys may be unknown.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl HabitsFile {
    /// Reads a file; `name` is for messages.
    ///
    /// # Errors
    /// What is no file of habits, or no habits, with the key and the allowed range.
    pub fn parse(text: &str, name: &str) -> Result<Self, HabitsFileError> {
        let toml = |error: toml::de::Error| HabitsFileError::Toml {
            name: name.to_owned(),
            what: error.to_string().trim_end().replace('\n', " "),
        };
        let Version { version } = toml::from_str(text).map_err(toml)?;
        if version != VERSION {
            return Err(HabitsFileError::Version {
                name: name.to_owned(),
                version,
            });
        }
        let file: File = toml::from_str(text).map_err(toml)?;
        let out = |of: &str, what: String, got: String, allowed: String| HabitsFileError::Range {
            name: name.to_owned(),
            of: of.to_owned(),
            what,
            got,
            allowed,
        };
        if !(1..=ENTRIES_AT_MOST).contains(&file.habits.len()) {
            let (got, allowed) = (file.habits.len(), format!("1 to {ENTRIES_AT_MOST}"));
            return Err(out(
                "all",
                "the number of [[habits]]".into(),
                got.to_string(),
                allowed,
            ));
        }
        let mut all = BTreeMap::new();
        for entry in file.habits {
            let of = entry.of.clone();
            let habits = entry
                .checked()
                .map_err(|(what, got, allowed)| out(&of, what, got, allowed))?;
            if all.insert(of.clone(), habits).is_some() {
                return Err(out(
                    &of,
                    "a second entry".into(),
                    of.clone(),
                    "one for each".into(),
                ));
            }
        }
        Ok(Self(all))
    }

    /// The file's text.
    ///
    /// # Errors
    /// Numbers that TOML cannot hold; habits that were fitted or read have none.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        let habits = self.0.iter().map(|(of, habits)| Entry {
            of: of.clone(),
            activities: habits.activities,
            seconds: habits.seconds,
            hourly: habits.hourly.weights().to_vec(),
            moods: habits.moods.as_ref().map(|moods| Model {
                step_s: moods.step.as_secs(),
                by_hour: moods.by_hour,
                start: moods.model.start.to_vec(),
                transition: moods
                    .model
                    .transition
                    .rows()
                    .into_iter()
                    .map(|row| row.to_vec())
                    .collect(),
                rate: moods.model.rate.to_vec(),
            }),
        });
        toml::to_string(&File {
            version: VERSION,
            habits: habits.collect(),
        })
    }
}

/// What is wrong, what stands there, what may.
type Wrong = (String, String, String);

impl Entry {
    fn checked(self) -> Result<Habits, Wrong> {
        if !(1..=1_000_000_000_000).contains(&self.activities) {
            let got = self.activities.to_string();
            return Err(("activities".into(), got, "1 to 1e12".into()));
        }
        if !(self.seconds > 0.0 && self.seconds <= 1e10) {
            let got = self.seconds.to_string();
            return Err(("seconds".into(), got, "above 0 and at most 1e10".into()));
        }
        let count = self.hourly.len();
        let weights: [f64; HOURS] = self.hourly.try_into().map_err(|_| {
            let what = "the number of hourly weights".to_owned();
            (what, count.to_string(), HOURS.to_string())
        })?;
        let mean = weights.iter().sum::<f64>() / HOURS as f64;
        let hourly = Hourly::new(weights).filter(|_| (mean - 1.0).abs() <= NEAR);
        let hourly = hourly.ok_or_else(|| {
            let wrong = weights
                .iter()
                .find(|weight| weight.is_nan() || **weight < 0.0);
            (
                "hourly weights".to_owned(),
                wrong.map_or(format!("{mean} on average"), f64::to_string),
                "none negative, and 1 on average".to_owned(),
            )
        })?;
        Ok(Habits {
            activities: self.activities,
            seconds: self.seconds,
            hourly,
            moods: self.moods.map(Model::checked).transpose()?,
        })
    }
}

impl Model {
    fn checked(self) -> Result<Moods, Wrong> {
        if !STEP_S.contains(&self.step_s) {
            let allowed = format!("{} to {}", STEP_S.start(), STEP_S.end());
            return Err(("step_s".into(), self.step_s.to_string(), allowed));
        }
        let states = self.rate.len();
        if !(1..=STATES_AT_MOST).contains(&states) {
            let allowed = format!("1 to {STATES_AT_MOST}");
            return Err(("the number of rates".into(), states.to_string(), allowed));
        }
        let most = 1e6;
        let wrong = self.rate.iter().find(|rate| !(0.0..=most).contains(*rate));
        if let Some(rate) = wrong {
            return Err(("a rate".into(), rate.to_string(), format!("0 to {most}")));
        }
        if self.rate.iter().all(|rate| *rate <= 0.0) {
            return Err((
                "all rates".into(),
                "0".into(),
                "above 0 in some state".into(),
            ));
        }
        let chances = |what: &str, row: &[f64]| -> Result<(), Wrong> {
            if row.len() != states {
                let what = format!("the number of chances in {what}");
                return Err((
                    what,
                    row.len().to_string(),
                    format!("{states}, one for each rate"),
                ));
            }
            let sum: f64 = row.iter().sum();
            let sound = row.iter().all(|chance| (0.0..=1.0 + NEAR).contains(chance));
            match sound && (sum - 1.0).abs() <= NEAR {
                true => Ok(()),
                false => {
                    let allowed = "from 0 to 1 each, and 1 together".to_owned();
                    Err((
                        format!("the chances in {what}"),
                        format!("{row:?}"),
                        allowed,
                    ))
                }
            }
        };
        chances("start", &self.start)?;
        if self.transition.len() != states {
            let got = self.transition.len().to_string();
            let allowed = format!("{states}, one for each rate");
            return Err(("the number of rows in transition".into(), got, allowed));
        }
        for (row, number) in self.transition.iter().zip(1..) {
            chances(&format!("row {number} of transition"), row)?;
        }
        let all: Vec<f64> = self.transition.into_iter().flatten().collect();
        let transition = Array2::from_shape_vec((states, states), all).map_err(|error| {
            (
                "transition".to_owned(),
                error.to_string(),
                "square".to_owned(),
            )
        })?;
        Ok(Moods {
            step: Duration::from_secs(self.step_s),
            by_hour: self.by_hour,
            model: Markov {
                start: Array1::from_vec(self.start),
                transition,
                rate: Array1::from_vec(self.rate),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn sample() -> HabitsFile {
        let mut weights = [1.0; HOURS];
        (weights[3], weights[19]) = (0.1, 1.9);
        let habits = Habits {
            activities: 61,
            seconds: 2_592_000.0,
            hourly: Hourly::new(weights).unwrap(),
            moods: Some(Moods {
                step: Duration::from_secs(60),
                by_hour: true,
                model: Markov {
                    start: array![0.9, 0.1],
                    transition: array![[0.99, 0.01], [1.0 / 3.0, 2.0 / 3.0]],
                    rate: array![0.001, 0.08],
                },
            }),
        };
        let hours = Habits {
            moods: None,
            ..habits.clone()
        };
        HabitsFile([("kettle".to_owned(), habits), ("lamp".to_owned(), hours)].into())
    }

    #[test]
    fn what_is_written_is_read() {
        let text = sample().text().unwrap();
        assert_eq!(HabitsFile::parse(&text, "x").unwrap(), sample());
        assert!(text.len() < 2_000, "{text}");
    }

    #[test]
    fn what_is_none_is_refused_with_the_reason() {
        let text = sample().text().unwrap();
        for (from, to, says) in [
            ("version = 1", "version = 2", "reads version 1"),
            ("version = 1", "", "no file of habits"),
            (
                "activities = 61",
                "activities = 0",
                "activities of 0: it must be 1 to 1e12",
            ),
            ("seconds = 2592000.0", "seconds = nan", "seconds of NaN"),
            (
                "step_s = 60",
                "step_s = 0",
                "step_s of 0: it must be 1 to 86400",
            ),
            (
                "start = [0.9, 0.1]",
                "start = [0.9, 0.2]",
                "the chances in start of [0.9, 0.2]: it must be from 0 to 1 each, and 1 together",
            ),
            (
                "start = [0.9, 0.1]",
                "start = [1.0]",
                "chances in start of 1: it must be 2",
            ),
            (
                "start = [0.9, 0.1]",
                "start = [inf, 0.1]",
                "the chances in start",
            ),
            (
                "[0.99, 0.01]",
                "[1.99, -0.99]",
                "the chances in row 1 of transition",
            ),
            (
                "rate = [0.001, 0.08]",
                "rate = [0.001, -1.0]",
                "a rate of -1",
            ),
            ("rate = [0.001, 0.08]", "rate = [nan, 1.0]", "a rate of NaN"),
            (
                "rate = [0.001, 0.08]",
                "rate = [0.0, 0.0]",
                "above 0 in some state",
            ),
            (
                "rate = [0.001, 0.08]",
                "rate = []",
                "the number of rates of 0: it must be 1 to 8",
            ),
            ("by_hour", "by_day", "by_day"),
            ("of = \"lamp\"", "of = \"kettle\"", "a second entry"),
            (
                "hourly = [",
                "hourly = [0.5, ",
                "the number of hourly weights of 25: it must be 24",
            ),
            ("hourly = [1", "hourly = [9", "1 on average"),
            (
                "hourly = [1.0, 1.0",
                "hourly = [3.0, -1.0",
                "hourly weights of -1: it must be none negative",
            ),
            (
                "hourly = [1.0",
                "hourly = [nan",
                "hourly weights of NaN: it must be none negative",
            ),
        ] {
            assert!(text.contains(from), "{from}: {text}");
            let error = HabitsFile::parse(&text.replacen(from, to, 1), "x.toml").unwrap_err();
            let error = error.to_string();
            assert!(
                error.starts_with("x.toml: ") && error.contains(says),
                "{error}"
            );
        }
        assert!(HabitsFile::parse("version = 1", "x")
            .unwrap_err()
            .to_string()
            .contains("1 to 2000"));
    }
}
