//! The limits that can be set, each with its name, its range and what to do where it breaks.

use std::time::Duration;

/// Name of the rule on the worst adversary's confidence.
pub const MAX_CONFIDENCE: &str = "max-confidence";
/// Name of the rule on bytes with over bytes without.
pub const MAX_OVERHEAD: &str = "max-overhead";
/// Name of the rule on the delay that 99 % of genuine packets stay under.
pub const MAX_ADDED_LATENCY: &str = "max-added-latency";
/// Name of the rule on what a baseline had.
pub const BASELINE: &str = "baseline";
/// Every rule with what it asks, for help and for reports that describe their rules.
pub const RULES: [(&str, &str); 4] = [
    (MAX_CONFIDENCE, "The adversary who is right most often may be right about at most this share of claims: the 95 % interval of its confidence must lie within. Pad more often (--q, --target-confidence), or choose a defense that hides more."),
    (MAX_OVERHEAD, "The wire may carry at most this many times the bytes it would carry undefended: the 95 % interval over trials must lie within. Pad less often (--q, --data-cap), or lower the shaped rates."),
    (MAX_ADDED_LATENCY, "99 % of genuine packets may be delayed by at most this many milliseconds in the worst trial. Raise the shaped rates (--rate-up, --rate-down)."),
    (BASELINE, "No adversary may be surely right more often than the baseline knows, and no limit may break that held there. Look at what changed, or accept it by saving a new baseline (--save-baseline)."),
];

/// Fewest genuine activities on which a gate passes, unless told otherwise.
pub const MIN_ACTIVITIES: u64 = 5;
/// Highest limit on the overhead: no defense of a home comes near.
pub const MOST_OVERHEAD: f64 = 1e6;
/// Longest limit on added latency: a day.
pub const MOST_LATENCY: Duration = Duration::from_secs(86_400);

/// The limits that were set. Made by [`Limits::default`] and the checked `with_` methods.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub(super) max_confidence: Option<f64>,
    pub(super) max_overhead: Option<f64>,
    pub(super) max_added_latency: Option<Duration>,
    pub(super) min_activities: u64,
    pub(super) each_device: bool,
}

/// A limit outside its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{rule} {given} is out of range; write {range}")]
pub struct LimitError {
    /// Which limit.
    pub rule: &'static str,
    /// What was given.
    pub given: String,
    /// What is allowed, in words.
    pub range: String,
}

impl Default for Limits {
    /// No limit; [`MIN_ACTIVITIES`].
    fn default() -> Self {
        Self {
            max_confidence: None,
            max_overhead: None,
            max_added_latency: None,
            min_activities: MIN_ACTIVITIES,
            each_device: false,
        }
    }
}

impl Limits {
    /// With the highest confidence allowed, from 0 to 1.
    ///
    /// # Errors
    /// What is no such number.
    pub fn with_max_confidence(mut self, confidence: f64) -> Result<Self, LimitError> {
        if !(0.0..=1.0).contains(&confidence) {
            let range = "a number from 0 to 1, as 0.6";
            return Err(refused(MAX_CONFIDENCE, confidence, range));
        }
        self.max_confidence = Some(confidence);
        Ok(self)
    }

    /// With the highest overhead allowed, in bytes with the defense over bytes without; above 0 and up to [`MOST_OVERHEAD`].
    ///
    /// # Errors
    /// What is no such number.
    pub fn with_max_overhead(mut self, overhead: f64) -> Result<Self, LimitError> {
        if !(overhead > 0.0 && overhead <= MOST_OVERHEAD) {
            let range = format!("a number above 0 and up to {MOST_OVERHEAD}, as 5; 1 is free");
            return Err(refused(MAX_OVERHEAD, overhead, range));
        }
        self.max_overhead = Some(overhead);
        Ok(self)
    }

    /// With the highest confidence held against every device by itself too, each of which then needs activities enough. What a
    /// defense costs is of the home as a whole, and is held against its limits once.
    pub fn with_each_device(mut self, each_device: bool) -> Self {
        self.each_device = each_device;
        self
    }

    /// With the longest delay allowed for 99 % of genuine packets, up to [`MOST_LATENCY`].
    ///
    /// # Errors
    /// What is longer.
    pub fn with_max_added_latency(mut self, latency: Duration) -> Result<Self, LimitError> {
        if latency > MOST_LATENCY {
            let range = "a time from 0 to 1 day, as 200ms";
            return Err(refused(MAX_ADDED_LATENCY, format!("{latency:?}"), range));
        }
        self.max_added_latency = Some(latency);
        Ok(self)
    }

    /// With the fewest genuine activities on which a gate passes, at least 1.
    ///
    /// # Errors
    /// None at all.
    pub fn with_min_activities(mut self, activities: u64) -> Result<Self, LimitError> {
        if activities == 0 {
            let range = "a whole number from 1, as 5";
            return Err(refused("min-activities", activities, range));
        }
        self.min_activities = activities;
        Ok(self)
    }

    /// Whether any limit was set.
    pub fn any(&self) -> bool {
        self.max_confidence.is_some()
            || self.max_overhead.is_some()
            || self.max_added_latency.is_some()
    }
}

fn refused(rule: &'static str, given: impl ToString, range: impl Into<String>) -> LimitError {
    LimitError {
        rule,
        given: given.to_string(),
        range: range.into(),
    }
}
