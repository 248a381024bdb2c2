//! What the command line may say of defenses, and why one cannot be made.
//!
//! Whatever passes a defense's `make` is sound: ranges are checked there, before anything is allocated.

use crate::habits::HabitsFile;
use crate::stp::shaper::{CELLS, PERIODS};
use crate::units::{Probability, Rate};
use std::sync::Arc;
use std::time::Duration;

pub use crate::stp::decision::TimeModel;
pub use crate::stp::shaper::ExtensionRule;

/// Most packets on the wire.
pub const PACKETS_AT_MOST: f64 = 1e9;

/// Most periods of padding, and most packets of random sizes: they are kept in memory one by one.
pub const ENTRIES_AT_MOST: f64 = 2e7;

/// Everything that can be said of defenses; each reads what it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// T; automatic from the trace where not given.
    pub period: Option<Duration>,
    /// What the longest activity is multiplied with for an automatic T; 1 to 100.
    pub period_margin: f64,
    /// R_u; automatic where not given.
    pub rate_up: Option<Rate>,
    /// R_d; automatic where not given.
    pub rate_down: Option<Rate>,
    /// What the highest rate is multiplied with for automatic rates; 1 to 100.
    pub rate_margin: f64,
    /// Whether rates stay, or start high and are lowered.
    pub rates: Rates,
    /// Bytes of a cell; automatic from the rates where not given.
    pub cell_bytes: Option<u32>,
    /// How q is chosen.
    pub padding: Padding,
    /// The decision function: a name of [`crate::stp::DECISIONS`].
    pub decision: String,
    /// Whose habits a decision function follows that follows any.
    pub habits: HabitsFrom,
    /// Whether the day's number of padded periods is held.
    pub daily_budget: Option<DailyBudget>,
    /// How time is cut into draws.
    pub model: TimeModel,
    /// What extends padding.
    pub rule: ExtensionRule,
    /// How long padding without an activity lasts.
    pub durations: Durations,
    /// How padded traffic is shaped.
    pub shape: Shape,
    /// What is padded as one.
    pub scope: Scope,
    /// What begins padding.
    pub trigger: Trigger,
    /// The tunnel's format, of `vpn` and of `stp` for a whole home.
    pub tunnel: Tunnel,
    /// ILP's rate, both ways together; automatic where not given: as much as the busiest second needs.
    pub ilp_rate: Option<Rate>,
    /// Ids of the devices the firewall blocks; all where none is given.
    pub block: Vec<String>,
    /// What goes on the wire of `stp` outside padding.
    pub quiet: QuietTraffic,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            period: None,
            period_margin: 1.1,
            rate_up: None,
            rate_down: None,
            rate_margin: 1.1,
            rates: Rates::Fixed,
            cell_bytes: None,
            padding: Padding::Knee,
            decision: "bernoulli".into(),
            habits: HabitsFrom::Trace,
            daily_budget: None,
            model: TimeModel::PerSecond,
            rule: ExtensionRule::Phantom,
            durations: Durations::Empirical,
            shape: Shape::Constant,
            scope: Scope::PerDevice,
            trigger: Trigger::Activity,
            tunnel: Tunnel::WireGuard,
            ilp_rate: None,
            block: Vec::new(),
            quiet: QuietTraffic::Packets,
        }
    }
}

/// How q is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Padding {
    /// It is given.
    Q(Probability),
    /// So that c comes to this, above 0 and at most 1.
    TargetConfidence(f64),
    /// So that the padded traffic of all devices together comes to so many bytes in 30 days.
    DataCap(f64),
    /// Where the curve of c / b bends most (the paper, section 6.1).
    #[default]
    Knee,
}

/// Whose habits a decision function follows.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum HabitsFrom {
    /// Those that are fitted to the activities of the trace that is defended.
    #[default]
    Trace,
    /// Those of a file.
    File(Arc<HabitsFile>),
    /// Nobody's at first: all is padded, until so many activities were seen; then those, fitted anew each time their number has
    /// doubled (the paper, section 6.4). At least one.
    Learned {
        /// How many.
        after: u32,
    },
}

/// How many periods are padded each day, of each stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DailyBudget {
    /// As many as activities need on the busiest day of the trace, and as many more as q would add on an average day.
    Auto,
    /// So many, at least one.
    Periods(u64),
}

/// Whether rates stay.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Rates {
    /// They stay.
    #[default]
    Fixed,
    /// They start at this many times what they would be, and are lowered by a tenth so often, but stay above any earlier
    /// activity (the paper, section 6.1).
    Lowering {
        /// 1 to 1000.
        start: f64,
        /// A second to a year.
        every: Duration,
    },
}

/// How long padding without an activity lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durations {
    /// Always T.
    Fixed,
    /// As long as one of the trace's activities.
    #[default]
    Empirical,
    /// Drawn from a log-normal law fitted to them.
    LogNormal,
}

/// How padded traffic is shaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Cells at a constant distance.
    #[default]
    Constant,
    /// As the trace's largest activity went, second by second, scaled to the rates.
    Replay,
}

/// What is padded as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Each device by itself.
    #[default]
    PerDevice,
    /// The home as one device, in one tunnel (the paper, sections 6.4 and 7.1).
    Home,
}

/// What begins padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The first packet of an activity.
    #[default]
    Activity,
    /// Any packet.
    Any,
}

/// What goes on the wire of a padded flow outside padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QuietTraffic {
    /// Packets as they are: the paper's simulator.
    #[default]
    Packets,
    /// Each packet in cells of its own as it comes: what a gateway sends. Times are seen, sizes hardly.
    Pass,
    /// Cells at a constant rate, of twice what the background comes to: only that rate is seen, and background waits.
    Constant,
}

/// A tunnel's format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tunnel {
    /// WireGuard over IPv4.
    #[default]
    WireGuard,
    /// OpenVPN over UDP and IPv4, AES-GCM.
    OpenVpn,
}

/// Why a defense cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DefenseError {
    /// A parameter out of its range.
    #[error("{what} of {got}: it must be {allowed}")]
    Range {
        /// The parameter, as people call it.
        what: &'static str,
        /// What was given.
        got: String,
        /// What it may be.
        allowed: String,
    },
    /// A device that the trace does not have.
    #[error("there is no device `{id}` in the trace; it has {known}")]
    NoDevice {
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
    /// A decision function that does not exist.
    #[error("there is no decision function `{name}`; there is {known}")]
    NoDecision {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Habits that are not known.
    #[error("there are no {what} of `{id}` among the habits given; they are of {known}: fit them to a trace of this home with --fit-habits and the same --scope and --decision")]
    NoHabits {
        /// `habits`, or `moods`, which the habits of a device may lack.
        what: &'static str,
        /// Whose.
        id: String,
        /// Whose there are.
        known: String,
    },
    /// Nothing to work out automatic parameters from.
    #[error("the trace has no activity to work out {what} from: add --labels, or give --period, --rate-up, --rate-down and --q")]
    NoActivity {
        /// The parameter.
        what: &'static str,
    },
    /// No q does what is wanted.
    #[error("{what} of {wanted} is out of reach: {reach}")]
    OutOfReach {
        /// `a target confidence`, `a data cap`, or `a knee`.
        what: &'static str,
        /// What is wanted.
        wanted: String,
        /// What can be had, and how.
        reach: String,
    },
    /// More than can be worked with.
    #[error("{what}: {count:.1e} of them, and {most:.0e} is the most; lower the rates, lengthen the period, or defend a part of the capture")]
    TooMany {
        /// What there would be too many of.
        what: &'static str,
        /// How many.
        count: f64,
        /// The most.
        most: f64,
    },
    /// Instants that leave no room.
    #[error("the trace ends at {end}, too near the last instant that can be told (in 2262) to defend it at these rates")]
    TooLate {
        /// Its end.
        end: crate::units::Timestamp,
    },
    /// Two settings that exclude each other.
    #[error("{0}")]
    Together(&'static str),
}

/// A number within its range, or the error that names the range.
pub(super) fn within(
    what: &'static str,
    got: f64,
    least: f64,
    most: f64,
) -> Result<f64, DefenseError> {
    if (least..=most).contains(&got) {
        return Ok(got);
    }
    Err(DefenseError::Range {
        what,
        got: got.to_string(),
        allowed: format!("{least} to {most}"),
    })
}

impl Settings {
    /// Whether every number is within its range.
    ///
    /// # Errors
    /// The first that is not, with its range.
    pub fn check(&self) -> Result<(), DefenseError> {
        if let Some(period) = self.period.filter(|p| !(PERIODS.0..=PERIODS.1).contains(p)) {
            return Err(DefenseError::Range {
                what: "a period",
                got: format!("{period:?}"),
                allowed: "1 ms to 365 days".into(),
            });
        }
        if let Some(cell) = self.cell_bytes {
            let (least, most) = (f64::from(CELLS.0), f64::from(CELLS.1));
            within("a cell size in bytes", f64::from(cell), least, most)?;
        }
        within("a margin of the period", self.period_margin, 1.0, 100.0)?;
        within("a margin of the rates", self.rate_margin, 1.0, 100.0)?;
        if let Rates::Lowering { start, every } = self.rates {
            within("a first rate, in times the final one,", start, 1.0, 1000.0)?;
            let every = every.as_secs_f64();
            within(
                "a time between lowerings, in seconds,",
                every,
                1.0,
                365.0 * 86_400.0,
            )?;
            if self.shape == Shape::Replay {
                return Err(DefenseError::Together(
                    "a replayed shape cannot be lowered: use the constant shape, or fixed rates",
                ));
            }
        }
        match self.padding {
            Padding::TargetConfidence(c) if !(c > 0.0 && c <= 1.0) => Err(DefenseError::Range {
                what: "a target confidence",
                got: c.to_string(),
                allowed: "above 0 and at most 1".into(),
            }),
            Padding::DataCap(bytes) if !(bytes > 0.0 && bytes <= 1e18) => {
                Err(DefenseError::Range {
                    what: "a data cap in bytes per 30 days",
                    got: bytes.to_string(),
                    allowed: "above 0 and at most 1e18".into(),
                })
            }
            _ => Ok(()),
        }?;
        if crate::stp::find(&self.decision).is_none() {
            let known: Vec<&str> = crate::stp::DECISIONS.iter().map(|row| row.name).collect();
            return Err(DefenseError::NoDecision {
                name: self.decision.clone(),
                known: known.join(", "),
            });
        }
        self.check_habits()
    }

    /// Whether habits and the day's number go together with the rest.
    fn check_habits(&self) -> Result<(), DefenseError> {
        let follows = crate::stp::find(&self.decision).is_some_and(|row| row.habits);
        if self.habits != HabitsFrom::Trace && !follows {
            return Err(DefenseError::Together(
                "habits are for a decision function that follows them: --decision hourly or hmm",
            ));
        }
        let learned = matches!(self.habits, HabitsFrom::Learned { .. });
        match self.daily_budget {
            Some(_) if learned => Err(DefenseError::Together(
                "a daily budget and habits that are yet to be learned: until they are, all is padded, and no number is held",
            )),
            Some(_) if self.rule == ExtensionRule::Paper => Err(DefenseError::Together(
                "a daily budget under the paper's rule: it is held under --rule phantom",
            )),
            Some(DailyBudget::Periods(_)) if matches!(self.padding, Padding::DataCap(_)) => {
                Err(DefenseError::Together(
                    "a daily budget in periods and a data cap: with so many periods a day q has nothing to say; use --daily-budget auto",
                ))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_refused_with_the_range() {
        let refused = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        for (error, range) in [
            (
                refused(|s| s.period = Some(Duration::ZERO)),
                "1 ms to 365 days",
            ),
            (
                refused(|s| s.period = Some(Duration::MAX)),
                "1 ms to 365 days",
            ),
            (refused(|s| s.cell_bytes = Some(63)), "64 to 65535"),
            (refused(|s| s.cell_bytes = Some(65_536)), "64 to 65535"),
            (refused(|s| s.rate_margin = f64::NAN), "1 to 100"),
            (refused(|s| s.period_margin = 0.9), "1 to 100"),
            (
                refused(|s| s.padding = Padding::TargetConfidence(f64::NAN)),
                "above 0",
            ),
            (
                refused(|s| s.padding = Padding::TargetConfidence(0.0)),
                "above 0",
            ),
            (
                refused(|s| s.padding = Padding::TargetConfidence(1.1)),
                "at most 1",
            ),
            (refused(|s| s.padding = Padding::DataCap(-1.0)), "above 0"),
            (
                refused(|s| s.padding = Padding::DataCap(f64::INFINITY)),
                "at most 1e18",
            ),
            (refused(|s| s.decision = "oracle".into()), "bernoulli"),
        ] {
            assert!(error.contains(range), "{error}");
        }
        for (settings, says) in [
            (
                Settings {
                    habits: HabitsFrom::Learned { after: 9 },
                    ..Settings::default()
                },
                "hourly or hmm",
            ),
            (
                Settings {
                    daily_budget: Some(DailyBudget::Auto),
                    rule: ExtensionRule::Paper,
                    ..Settings::default()
                },
                "--rule phantom",
            ),
            (
                Settings {
                    daily_budget: Some(DailyBudget::Periods(9)),
                    padding: Padding::DataCap(1e9),
                    ..Settings::default()
                },
                "--daily-budget auto",
            ),
            (
                Settings {
                    daily_budget: Some(DailyBudget::Auto),
                    habits: HabitsFrom::Learned { after: 9 },
                    decision: "hmm".into(),
                    ..Settings::default()
                },
                "yet to be learned",
            ),
        ] {
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(Settings::default().check(), Ok(()));
    }
}
