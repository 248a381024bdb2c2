//! A device model as a file: what is known of a device's uses without a capture of them, in TOML.
//!
//! ```toml
//! id = "kettle"
//! name = "A kettle"             # for people; the id otherwise
//! period_s = 3                  # T, R_u and R_d are worked out from the activities where they are not given
//! rate_up_bytes_per_s = 1500
//! rate_down_bytes_per_s = 2500
//!
//! [[activity]]                  # one for each recorded use
//! label = "boil"
//! duration_s = 1.2
//! up_bytes = 1200
//! down_bytes = 1900
//! ```

use super::device::{fitted, steady, DeviceModel, Recorded};
use crate::units::Rate;
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Packets that most bytes go in, and those that acknowledge them.
const LARGE: u32 = 1_200;
const SMALL: u32 = 120;
/// Length of a use, and T, in seconds: a millisecond to a day.
const SECONDS: RangeInclusive<f64> = 0.001..=86_400.0;
/// Bytes of a use one way: up to a gigabyte.
const BYTES: RangeInclusive<u32> = 0..=1_000_000_000;
/// Uses of a model.
const ACTIVITIES: RangeInclusive<usize> = 1..=10_000;

/// Why a file is no device model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelFileError {
    /// It is not TOML, or has other keys.
    #[error("{name}: no device model: {what}; it wants id, and [[activity]] tables with duration_s, up_bytes and down_bytes")]
    Toml {
        /// The file.
        name: String,
        /// What the reader says, with line and key.
        what: String,
    },
    /// A number out of its range.
    #[error("{name}: {key} of {got}: it must be {allowed}")]
    Range {
        /// The file.
        name: String,
        /// Which.
        key: String,
        /// What stands there.
        got: String,
        /// What may stand there.
        allowed: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    name: Option<String>,
    server: Option<String>,
    period_s: Option<f64>,
    rate_up_bytes_per_s: Option<f64>,
    rate_down_bytes_per_s: Option<f64>,
    #[serde(default)]
    activity: Vec<Use>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Use {
    #[serde(default)]
    label: String,
    duration_s: f64,
    up_bytes: u32,
    down_bytes: u32,
}

impl DeviceModel {
    /// Reads a model from TOML; `name` is the file's, for messages.
    ///
    /// # Errors
    /// What is no model, with the line or the key, and the allowed range.
    pub fn of_toml(text: &str, name: &str) -> Result<Self, ModelFileError> {
        let file: File = toml::from_str(text).map_err(|error| ModelFileError::Toml {
            name: name.to_owned(),
            what: error.to_string().trim_end().replace('\n', " "),
        })?;
        let out = |key: String, got: String, allowed: String| ModelFileError::Range {
            name: name.to_owned(),
            key,
            got,
            allowed,
        };
        if !ACTIVITIES.contains(&file.activity.len()) {
            let allowed = format!("{} to {}", ACTIVITIES.start(), ACTIVITIES.end());
            let got = file.activity.len().to_string();
            return Err(out(
                "the number of [[activity]] tables".into(),
                got,
                allowed,
            ));
        }
        let seconds = |key: String, got: f64| match SECONDS.contains(&got) {
            true => Ok(Duration::from_secs_f64(got)),
            false => {
                let allowed = format!("{} to {}", SECONDS.start(), SECONDS.end());
                Err(out(key, got.to_string(), allowed))
            }
        };
        let mut activities: Vec<Recorded> = Vec::with_capacity(file.activity.len());
        for (index, used) in file.activity.iter().enumerate() {
            let key = |what: &str| format!("activity {}: {what}", index + 1);
            for (what, bytes) in [("up_bytes", used.up_bytes), ("down_bytes", used.down_bytes)] {
                if !BYTES.contains(&bytes) {
                    let allowed = format!("{} to {}", BYTES.start(), BYTES.end());
                    return Err(out(key(what), bytes.to_string(), allowed));
                }
            }
            let size = |bytes: u32, other: u32| if bytes > other { LARGE } else { SMALL };
            let (up, down) = (used.up_bytes, used.down_bytes);
            let lasts = seconds(key("duration_s"), used.duration_s)?;
            let packets = (size(up, down), size(down, up));
            activities.push(steady(&used.label, lasts, (up, down), packets));
        }
        let (period, up, down) = fitted(&activities);
        let rate = |key: &str, given: Option<f64>, fitted: Rate| match given {
            None => Ok(fitted),
            Some(got) => Rate::new(got).ok_or_else(|| {
                let allowed = format!("above 0 and at most {:e}", Rate::MOST.bytes_per_s());
                out(key.to_owned(), got.to_string(), allowed)
            }),
        };
        Ok(Self {
            period: match file.period_s {
                Some(got) => seconds("period_s".into(), got)?,
                None => period,
            },
            rate_up: rate("rate_up_bytes_per_s", file.rate_up_bytes_per_s, up)?,
            rate_down: rate("rate_down_bytes_per_s", file.rate_down_bytes_per_s, down)?,
            name: file.name.unwrap_or_else(|| file.id.clone()),
            server: file.server.unwrap_or_default(),
            id: file.id,
            activities,
            background: None,
            calibrated: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KETTLE: &str = "id = \"kettle\"\n[[activity]]\nlabel = \"boil\"\nduration_s = 1.2\nup_bytes = 1200\ndown_bytes = 1900\n";

    #[test]
    fn a_file_gives_a_model() {
        let model = DeviceModel::of_toml(KETTLE, "kettle.toml").unwrap();
        assert_eq!((&*model.id, &*model.name), ("kettle", "kettle"));
        assert_eq!(model.mean_bytes(), Some(3100.0));
        assert_eq!(model.mean_seconds(), Some(1.2));
        // The next whole second after the longest use.
        assert_eq!(model.period, Duration::from_secs(2));
        let given = format!("period_s = 5\nrate_up_bytes_per_s = 2000\n{KETTLE}");
        let model = DeviceModel::of_toml(&given, "kettle.toml").unwrap();
        assert_eq!(model.period, Duration::from_secs(5));
        assert_eq!(model.rate_up.bytes_per_s(), 2000.0);
    }

    #[test]
    fn what_is_no_model_is_refused_with_the_reason() {
        for (text, says) in [
            (
                "id = \"x\"".to_owned(),
                "[[activity]] tables of 0: it must be 1 to 10000",
            ),
            (
                KETTLE.replace("1.2", "0"),
                "activity 1: duration_s of 0: it must be 0.001 to 86400",
            ),
            (KETTLE.replace("1.2", "nan"), "duration_s of NaN"),
            (
                KETTLE.replace("= 1200", "= 2000000000"),
                "up_bytes of 2000000000",
            ),
            (KETTLE.replace("up_bytes", "upbytes"), "upbytes"),
            (format!("period_s = -1\n{KETTLE}"), "period_s of -1"),
            (
                format!("rate_up_bytes_per_s = 1e30\n{KETTLE}"),
                "at most 1.25e10",
            ),
            ("capture".to_owned(), "no device model"),
        ] {
            let error = DeviceModel::of_toml(&text, "x.toml")
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("x.toml: ") && error.contains(says),
                "{error}"
            );
        }
    }
}
