//! The count: claims, those that are right, activities, those that are met, and how the surest claims fare.

use super::truth::{meets, Truth};
use crate::threat::Guess;
use crate::trace::disjoint;
use crate::units::Span;

/// Shares of the surest claims that are looked at.
pub const SUREST: [f64; 3] = [0.01, 0.05, 0.10];

/// The count of one device, or of all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Claims.
    pub claims: u64,
    /// Those that are right.
    pub correct: u64,
    /// Activities.
    pub activities: u64,
    /// Those that a claim meets.
    pub hit: u64,
    /// The surest claims, for each of [`SUREST`].
    pub surest: [Surest; 3],
}

/// The surest claims.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Surest {
    /// How many: the share of all, rounded up, so at least one where there is any.
    pub claims: u64,
    /// How many of them are right. A fraction where only some of equally sure claims are among the surest: their share of
    /// right ones stands for those, which is what any order among them gives on average.
    pub correct: f64,
}

impl Tally {
    /// Adds another trial.
    pub fn add(&mut self, other: &Self) {
        self.claims += other.claims;
        self.correct += other.correct;
        self.activities += other.activities;
        self.hit += other.hit;
        for (mine, theirs) in self.surest.iter_mut().zip(&other.surest) {
            mine.claims += theirs.claims;
            mine.correct += theirs.correct;
        }
    }
}

/// Counts claims: of all together first, then of each device. Claims that name nobody are counted with all alone.
pub fn tally(guesses: &[Guess], truth: &Truth) -> Vec<Tally> {
    let right: Vec<bool> = guesses.iter().map(|guess| truth.bears_out(guess)).collect();
    let claimed = |of: &dyn Fn(Option<usize>) -> bool| -> Vec<Span> {
        let of = guesses.iter().filter(|guess| of(guess.device));
        disjoint(of.map(|guess| guess.span).collect())
    };
    let unnamed = claimed(&|device| device.is_none());
    let mut sets: Vec<Vec<(f64, bool)>> = vec![Vec::new(); truth.devices.len()];
    for (guess, &right) in guesses.iter().zip(&right) {
        if let Some(set) = guess.device.and_then(|device| sets.get_mut(device)) {
            set.push((guess.belief, right));
        }
    }
    let mut all = count(
        guesses
            .iter()
            .map(|guess| guess.belief)
            .zip(right)
            .collect(),
    );
    let mut devices = Vec::with_capacity(sets.len());
    for (device, (set, used)) in sets.into_iter().zip(&truth.devices).enumerate() {
        let named = claimed(&|of| of == Some(device));
        let hit = |spans: &[Span], of: &[Span; 3]| of.iter().any(|&span| meets(spans, span));
        let mut tally = count(set);
        tally.activities = used.activities.len() as u64;
        for activity in &used.activities {
            let by_name = hit(&named, activity);
            tally.hit += u64::from(by_name);
            all.hit += u64::from(by_name || hit(&unnamed, activity));
        }
        all.activities += tally.activities;
        devices.push(tally);
    }
    devices.insert(0, all);
    devices
}

/// Of (belief, whether right).
fn count(mut claims: Vec<(f64, bool)>) -> Tally {
    // What is not even a number is believed in least.
    let key = |belief: f64| {
        if belief.is_nan() {
            f64::NEG_INFINITY
        } else {
            belief
        }
    };
    claims.sort_by(|a, b| key(b.0).total_cmp(&key(a.0)));
    let total = claims.len() as u64;
    let mut surest = SUREST.map(|share| Surest {
        claims: (share * total as f64).ceil() as u64,
        correct: 0.0,
    });
    let mut taken = 0u64;
    for equals in claims.chunk_by(|a, b| key(a.0).total_cmp(&key(b.0)).is_eq()) {
        let right = equals.iter().filter(|claim| claim.1).count() as f64;
        for of in &mut surest {
            let room = of.claims.saturating_sub(taken).min(equals.len() as u64);
            of.correct += right * room as f64 / equals.len() as f64;
        }
        taken += equals.len() as u64;
    }
    Tally {
        claims: total,
        correct: claims.iter().filter(|claim| claim.1).count() as u64,
        surest,
        ..Tally::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::tests::tiny;
    use crate::units::Timestamp;
    use std::time::Duration;

    fn guess(from: i64, to: i64, device: Option<usize>, belief: f64) -> Guess {
        Guess {
            span: Span::new(Timestamp::new(from, 0), Timestamp::new(to, 0)),
            device,
            belief,
        }
    }

    /// Activities of one plug at 10 to 12, 50 and 90 s; of another at 50 s.
    fn truth(tolerance: u64) -> Truth {
        let mut trace = tiny(
            &[(0, true, 40), (99, true, 40)],
            &[(10, 12), (50, 50), (90, 90)],
        );
        trace.devices.push(trace.devices[0].clone());
        let mut other = trace.activities[1].clone();
        other.device = 1;
        trace.activities.push(other);
        Truth::of(&trace.checked().unwrap(), Duration::from_secs(tolerance))
    }

    #[test]
    fn a_score_by_hand() {
        let guesses = [
            guess(12, 15, Some(0), 3.0),
            guess(16, 17, Some(0), 2.0),
            guess(40, 55, Some(1), 1.0),
            guess(89, 89, None, 4.0),
            guess(51, 60, None, 5.0),
        ];
        let brief = |tolerance| -> Vec<[u64; 4]> {
            let tallies = tally(&guesses, &truth(tolerance));
            let of = |t: &Tally| [t.claims, t.correct, t.activities, t.hit];
            tallies.iter().map(of).collect()
        };
        assert_eq!(brief(0), [[5, 2, 4, 2], [2, 1, 3, 1], [1, 1, 1, 1]]);
        // A second off: 89 is near 90, 51 near 50 of both; 16 is four seconds behind 12.
        assert_eq!(brief(1), [[5, 4, 4, 4], [2, 1, 3, 1], [1, 1, 1, 1]]);
        assert_eq!(brief(4), [[5, 5, 4, 4], [2, 2, 3, 1], [1, 1, 1, 1]]);
    }

    #[test]
    fn nobody_is_right_about_devices_that_do_not_exist() {
        let tallies = tally(&[guess(10, 12, Some(7), 0.0)], &truth(0));
        assert_eq!(
            (tallies[0].claims, tallies[0].correct, tallies.len()),
            (1, 0, 3)
        );
        assert_eq!(tally(&[], &truth(0))[0].surest, [Surest::default(); 3]);
    }

    #[test]
    fn the_surest_share_ties() {
        // 40 claims: 1 of 1 %, 2 of 5 %, 4 of 10 %. The surest is right, the next five are equally sure and two are right.
        let mut claims = vec![(9.0, true)];
        claims.extend([true, false, false, true, false].map(|right| (5.0, right)));
        claims.extend([(1.0, false); 34]);
        let tally = count(claims.clone());
        let of = tally.surest.map(|of| (of.claims, of.correct));
        assert_eq!(of, [(1, 1.0), (2, 1.0 + 0.4), (4, 1.0 + 3.0 * 0.4)]);
        claims.reverse();
        assert_eq!(count(claims), tally);
        let doubtful = count(vec![(f64::NAN, true), (0.0, false)]);
        assert_eq!(doubtful.surest[0].correct, 0.0);
    }
}
