//! The control: how right would the same claims be if the genuine marks were dealt anew among the padded periods?
//!
//! Who knows nothing but where padding is does as well against shuffled marks; who does better sees something through the
//! padding. Marks are dealt among the periods of the same flow, so that knowing which device is used most is no merit. Here
//! a claim is right when it touches a period that is marked, of a flow that may be of its device.

use super::periods::Marked;
use crate::threat::Guess;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Counts of one device, or of all; of one trial, or of several added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shuffles {
    /// Claims.
    pub claims: u64,
    /// Those right by the true marks.
    pub correct: u64,
    /// Those right in each shuffle.
    pub shuffled: Vec<u64>,
}

/// What shuffling tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lift {
    /// Mean share of claims right over shuffles.
    pub confidence: f64,
    /// The true share over that: 1 tells nothing.
    pub lift: f64,
    /// The true share over that of the luckiest shuffle but 2.5 %.
    pub low: f64,
    /// The true share over that of the unluckiest shuffle but 2.5 %; where that has none right, over half a claim.
    pub high: f64,
}

impl Shuffles {
    /// Adds another trial of as many shuffles.
    pub fn add(&mut self, other: &Self) {
        self.claims += other.claims;
        self.correct += other.correct;
        self.shuffled
            .resize(self.shuffled.len().max(other.shuffled.len()), 0);
        for (mine, theirs) in self.shuffled.iter_mut().zip(&other.shuffled) {
            *mine += theirs;
        }
    }

    /// What it tells; `None` without a claim, or where no shuffle ever makes one right.
    pub fn lift(&self) -> Option<Lift> {
        let mut sorted = self.shuffled.clone();
        sorted.sort_unstable();
        let mean = sorted.iter().sum::<u64>() as f64 / sorted.len().max(1) as f64;
        if self.claims == 0 || mean <= 0.0 {
            return None;
        }
        let at = |share: f64| {
            let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
            sorted.get(place).copied().unwrap_or(0) as f64
        };
        let over = |count: f64| self.correct as f64 / count.max(0.5);
        Some(Lift {
            confidence: mean / self.claims as f64,
            lift: self.correct as f64 / mean,
            low: over(at(0.975)),
            high: over(at(0.025)),
        })
    }
}

/// Holds claims against the marks and against `rounds` shuffles of them: of all together first, then of each of `devices`.
/// Periods are ordered as [`mark`](super::periods::mark) orders them.
pub fn shuffle(
    guesses: &[Guess],
    periods: &[Marked],
    devices: usize,
    rounds: usize,
    chance: &mut ChaCha8Rng,
) -> Vec<Shuffles> {
    let empty = Shuffles {
        shuffled: vec![0; rounds],
        ..Shuffles::default()
    };
    let mut rows = vec![empty; devices.saturating_add(1)];
    let mut touches = Touches::new(guesses, periods);
    let place = |guess: &Guess| guess.device.map(|device| device.saturating_add(1));
    for guess in guesses {
        for row in [Some(0), place(guess)].into_iter().flatten() {
            if let Some(row) = rows.get_mut(row) {
                row.claims += 1;
            }
        }
    }
    // Calls `right` with the places of the rows of each claim that a marked period makes right.
    let mut hold = |marked: &mut dyn Iterator<Item = usize>, right: &mut dyn FnMut(usize)| {
        touches.round(marked, &mut |claim| {
            right(0);
            if let Some(row) = guesses.get(claim).and_then(place) {
                right(row);
            }
        });
    };
    let genuine = periods
        .iter()
        .enumerate()
        .filter(|(_, period)| period.genuine);
    hold(&mut genuine.map(|(place, _)| place), &mut |row| {
        if let Some(row) = rows.get_mut(row) {
            row.correct += 1;
        }
    });
    let mut decks: Vec<Vec<usize>> = Vec::new();
    let mut marks: Vec<usize> = Vec::new();
    let mut from = 0;
    for flow in periods.chunk_by(|a, b| a.flow == b.flow) {
        decks.push((from..from + flow.len()).collect());
        marks.push(flow.iter().filter(|period| period.genuine).count());
        from += flow.len();
    }
    for round in 0..rounds {
        for (deck, &marks) in decks.iter_mut().zip(&marks) {
            // The first so many of a deck shuffled as far as needed (R. Durstenfeld, CACM 7(7), 1964, algorithm 235).
            for place in 0..marks {
                let other = chance.gen_range(place..deck.len());
                deck.swap(place, other);
            }
        }
        let dealt = decks.iter().zip(&marks);
        let mut dealt = dealt.flat_map(|(deck, &marks)| deck.iter().take(marks).copied());
        hold(&mut dealt, &mut |row| {
            let row = rows
                .get_mut(row)
                .and_then(|row| row.shuffled.get_mut(round));
            if let Some(count) = row {
                *count += 1;
            }
        });
    }
    rows
}

/// Which claims each period makes right.
struct Touches {
    /// Claims of all periods, one period after the other.
    claims: Vec<u32>,
    /// Where those of each period begin, and one end more.
    begins: Vec<usize>,
    /// The last round in which each claim was right: a claim counts once a round.
    stamps: Vec<u32>,
    rounds: u32,
}

impl Touches {
    fn new(guesses: &[Guess], periods: &[Marked]) -> Self {
        let mut pairs: Vec<(usize, u32)> = Vec::new();
        let mut from = 0;
        for flow in periods.chunk_by(|a, b| a.flow == b.flow) {
            let of = flow.first().and_then(|period| period.device);
            for (guess, claim) in guesses.iter().zip(0u32..) {
                if matches!((guess.device, of), (Some(a), Some(b)) if a != b) {
                    continue;
                }
                // Periods of a flow are equally long and apart, so their ends ascend as well.
                let first = flow.partition_point(|period| period.span.end < guess.span.start);
                let last = flow.partition_point(|period| period.span.start <= guess.span.end);
                pairs.extend((first..last).map(|place| (from + place, claim)));
            }
            from += flow.len();
        }
        pairs.sort_unstable();
        let begins = (0..=periods.len())
            .map(|place| pairs.partition_point(|pair| pair.0 < place))
            .collect();
        Self {
            claims: pairs.into_iter().map(|pair| pair.1).collect(),
            begins,
            stamps: vec![0; guesses.len()],
            rounds: 0,
        }
    }

    fn round(&mut self, marked: &mut dyn Iterator<Item = usize>, right: &mut dyn FnMut(usize)) {
        self.rounds += 1;
        for place in marked {
            let ends = (self.begins.get(place), self.begins.get(place + 1));
            let (Some(&from), Some(&to)) = ends else {
                continue;
            };
            for &claim in self.claims.get(from..to).unwrap_or_default() {
                if let Some(stamp) = self.stamps.get_mut(claim as usize) {
                    if *stamp != self.rounds {
                        *stamp = self.rounds;
                        right(claim as usize);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Span, Timestamp};
    use rand::SeedableRng;

    /// A hundred periods, every tenth genuine.
    fn periods() -> Vec<Marked> {
        let of = |n: i64| Marked {
            flow: 0,
            device: Some(0),
            span: Span::new(Timestamp(n * 100), Timestamp(n * 100 + 9)),
            genuine: n % 10 == 0,
        };
        (0..100).map(of).collect()
    }

    fn claims(of: impl Fn(&Marked) -> bool) -> Vec<Guess> {
        let periods = periods().into_iter().filter(|period| of(period));
        let guess = |period: Marked| Guess {
            span: period.span,
            device: period.device,
            belief: 0.0,
        };
        periods.map(guess).collect()
    }

    fn lift(guesses: &[Guess]) -> Lift {
        let chance = &mut ChaCha8Rng::seed_from_u64(3);
        let rows = shuffle(guesses, &periods(), 1, 400, chance);
        assert_eq!(rows[0], rows[1]);
        rows[0].lift().unwrap()
    }

    #[test]
    fn claiming_all_is_no_better_than_shuffled() {
        let of = lift(&claims(|_| true));
        assert_eq!(
            (of.confidence, of.lift, of.low, of.high),
            (0.1, 1.0, 1.0, 1.0)
        );
    }

    #[test]
    fn claiming_half_of_them_blindly_has_lift_1_within_the_interval() {
        let of = lift(&claims(|period| period.span.start.0 / 100 % 20 < 10));
        assert!(of.low < 1.0 && 1.0 < of.high, "{of:?}");
        assert!((of.confidence - 0.1).abs() < 0.01);
    }

    #[test]
    fn who_knows_is_seen() {
        // Ten claims, all right; shuffled, one in ten.
        let of = lift(&claims(|period| period.genuine));
        assert!((of.lift - 10.0).abs() < 1.0 && of.low > 2.0, "{of:?}");
    }

    #[test]
    fn no_claims_or_no_marks_tell_nothing() {
        let chance = &mut ChaCha8Rng::seed_from_u64(3);
        assert_eq!(shuffle(&[], &periods(), 1, 9, chance)[0].lift(), None);
        let bare = shuffle(&claims(|_| true), &[], 1, 9, chance);
        assert_eq!((bare[0].claims, bare[0].lift()), (100, None));
    }
}
