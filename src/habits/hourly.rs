//! How busy each hour of the day is.
//!
//! A weight for each hour, 1 on average over the day: how many times as likely a begin is in that hour as in any. Weights are
//! smoothed, for a week tells little of an hour: each is shared with its neighbours, and a begin is added that could have been
//! at any time.
//!
//! Hours are those of UTC, from hour to hour of the capture's own clock: what matters is that the same hour of another day is
//! the same one. A change to summer time shifts habits by one.

use crate::units::{Span, Timestamp, NANOS};

/// Hours of a day.
pub const HOURS: usize = 24;
/// Nanoseconds of an hour.
pub const HOUR: i64 = 3_600 * NANOS;
/// Begins that are added to the day, evenly: one an hour of it is no evidence against quiet nights, none is none for them.
const ADDED: f64 = 2.0;
/// What of an hour stays, and what each neighbour gets.
const STAYS: f64 = 0.5;
const SHARED: f64 = 0.25;

/// Weights of the hours of a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Hourly([f64; HOURS]);

/// Which hour of the day an instant is in.
pub fn hour_of(at: Timestamp) -> usize {
    usize::try_from(at.0.div_euclid(HOUR).rem_euclid(HOURS as i64)).unwrap_or(0)
}

/// When the hour is over; `None` past the end of time.
pub fn hour_end(at: Timestamp) -> Option<Timestamp> {
    let hours = at.0.div_euclid(HOUR).checked_add(1)?;
    hours.checked_mul(HOUR).map(Timestamp)
}

impl Hourly {
    /// Every hour alike.
    pub const EVEN: Self = Self([1.0; HOURS]);

    /// Weights, made 1 on average; `None` where one is negative or no number, or none is above 0.
    pub fn new(weights: [f64; HOURS]) -> Option<Self> {
        let mean = weights.iter().sum::<f64>() / HOURS as f64;
        let sound = weights
            .iter()
            .all(|weight| weight.is_finite() && *weight >= 0.0);
        let sound = sound && mean.is_finite() && mean > 0.0;
        // Those that were divided once are left as they are, to the last bit.
        let near = (mean - 1.0).abs() < 1e-12;
        sound.then(|| Self(weights.map(|weight| if near { weight } else { weight / mean })))
    }

    /// What is told by begins within a window; [`Hourly::EVEN`] where there is none.
    ///
    /// An hour is held against how often it was watched: a capture from noon to midnight tells nothing of mornings.
    pub fn fitted(begins: &[Timestamp], window: Span) -> Self {
        let mut counts = [0.0; HOURS];
        for begin in begins.iter().filter(|&&begin| window.contains(begin)) {
            if let Some(count) = counts.get_mut(hour_of(*begin)) {
                *count += 1.0;
            }
        }
        let watched = watched(window);
        let (all, seconds) = (counts.iter().sum::<f64>(), watched.iter().sum::<f64>());
        if all <= 0.0 || seconds <= 0.0 {
            return Self::EVEN;
        }
        let mean = all / seconds;
        // So long would the added begins take, at the mean rate, in each hour.
        let added_s = ADDED / mean / HOURS as f64;
        let rates: Vec<f64> = (0..HOURS)
            .map(|hour| {
                let sum = |of: &[f64; HOURS]| {
                    let at = |hour: usize| of.get(hour % HOURS).copied().unwrap_or(0.0);
                    STAYS * at(hour) + SHARED * (at(hour + 1) + at(hour + HOURS - 1))
                };
                (sum(&counts) + ADDED / HOURS as f64) / (sum(&watched) + added_s)
            })
            .collect();
        let rates = rates.try_into().ok().and_then(Self::new);
        rates.unwrap_or(Self::EVEN)
    }

    /// The weight of an hour; hours beyond 23 are those of the next day.
    pub fn weight(&self, hour: usize) -> f64 {
        self.0.get(hour % HOURS).copied().unwrap_or(1.0)
    }

    /// The weight of the hour that an instant is in.
    pub fn at(&self, at: Timestamp) -> f64 {
        self.weight(hour_of(at))
    }

    /// All of them, from midnight on.
    pub fn weights(&self) -> &[f64; HOURS] {
        &self.0
    }

    /// The chances of the hours that follow these weights and are `mean` on average: those that would exceed 1 are 1, and
    /// the others make up for it. `mean` is 0 to 1.
    pub fn chances(&self, mean: f64) -> [f64; HOURS] {
        let mean = mean.clamp(0.0, 1.0);
        let at = |scale: f64| self.0.map(|weight| (weight * scale).min(1.0));
        let of = |scale: f64| at(scale).iter().sum::<f64>() / HOURS as f64;
        if mean * self.0.iter().copied().fold(0.0, f64::max) <= 1.0 {
            return at(mean);
        }
        let (mut below, mut above) = (mean, mean);
        // Hours of weight 0 stay at 0, and more than the others can give is not to be had.
        for _ in 0..1_000 {
            if of(above) >= mean {
                break;
            }
            above *= 2.0;
        }
        for _ in 0..200 {
            let middle = (below + above) / 2.0;
            match of(middle) < mean {
                true => below = middle,
                false => above = middle,
            }
        }
        at(above)
    }
}

/// Seconds of a window in each hour of the day.
fn watched(window: Span) -> [f64; HOURS] {
    let day = HOUR * HOURS as i64;
    let length = window.end.0.saturating_sub(window.start.0).max(0);
    let days = (length / day) as f64;
    let mut seconds = [days * 3_600.0; HOURS];
    // What is left is less than a day: at most 25 hours are touched.
    let mut at = Timestamp(window.start.0.saturating_add(length / day * day));
    while let Some(end) = hour_end(at).filter(|_| at < window.end) {
        let end = end.min(window.end);
        if let Some(sum) = seconds.get_mut(hour_of(at)) {
            *sum += end.since(at).as_secs_f64();
        }
        at = end;
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64) -> Timestamp {
        Timestamp((hours * HOUR as f64) as i64)
    }

    #[test]
    fn hours_are_told_on_both_sides_of_1970() {
        assert_eq!(
            [at(0.0), at(23.9), at(24.5), at(-0.5)].map(hour_of),
            [0, 23, 0, 23]
        );
        assert_eq!(hour_end(at(1.0)), Some(at(2.0)));
        assert_eq!(hour_end(at(-0.5)), Some(at(0.0)));
        assert_eq!(hour_end(Timestamp(i64::MAX)), None);
    }

    #[test]
    fn a_window_is_cut_into_its_hours() {
        // From 22:30 on for two days and two hours.
        let seconds = watched(Span::new(at(22.5), at(72.5)));
        assert_eq!(seconds[22], 2.0 * 3600.0 + 1800.0);
        assert_eq!(seconds[23], 3.0 * 3600.0);
        assert_eq!(seconds[0], 2.0 * 3600.0 + 1800.0);
        assert_eq!(seconds[12], 2.0 * 3600.0);
    }

    #[test]
    fn weights_by_hand() {
        // Ten days; 24 begins at 7:30, and 24 at 19:30: 48 in 240 hours, mean .2 an hour; added 2/24 in 2/24/.2 = 5/12 h.
        let days = (0..10).flat_map(|day| [7.5, 19.5].map(|h| f64::from(day) * 24.0 + h));
        let mut begins: Vec<Timestamp> = days.map(at).collect();
        begins.extend((0..14).flat_map(|_| [7.5, 19.5].map(at)));
        let fitted = Hourly::fitted(&begins, Span::new(at(0.0), at(240.0)));
        // At 7: (.5 * 24 + 1/12) / (10 + 5/12); at 6 and 8: (.25 * 24 + 1/12) / ...; elsewhere (1/12) / ....
        // Their sum: 2 (12 + 6 + 6) + 24/12 = 50 over that; so the mean is 50 / 24.
        let mean = 50.0 / 24.0;
        for (hour, share) in [
            (7, 12.0),
            (6, 6.0),
            (8, 6.0),
            (19, 12.0),
            (0, 0.0),
            (13, 0.0),
        ] {
            let expected = (share + 1.0 / 12.0) / mean;
            assert!((fitted.weight(hour) - expected).abs() < 1e-9, "{hour}");
        }
        assert_eq!(Hourly::fitted(&[], Span::at(at(0.0))), Hourly::EVEN);
        assert_eq!(fitted.weight(31), fitted.weight(7));
    }

    #[test]
    fn chances_keep_their_mean() {
        let mut weights = [0.5; HOURS];
        weights[8] = 20.0;
        let hourly = Hourly::new(weights).unwrap();
        for mean in [0.0, 1e-6, 0.01, 0.2, 0.5, 0.99, 1.0] {
            let chances = hourly.chances(mean);
            let found = chances.iter().sum::<f64>() / 24.0;
            assert!((found - mean).abs() < 1e-9, "{found} is not {mean}");
            assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
        }
        // Where none is cut they keep their ratio.
        let chances = hourly.chances(0.01);
        assert!((chances[8] / chances[0] - 40.0).abs() < 1e-9);
    }

    #[test]
    fn weights_that_are_none_are_refused() {
        assert_eq!(Hourly::new([0.0; HOURS]), None);
        assert_eq!(Hourly::new([f64::NAN; HOURS]), None);
        assert_eq!(Hourly::new([-1.0; HOURS]), None);
    }
}
