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
    let mut all = shuffle_all(&[guesses], periods, devices, rounds, chance);
    all.pop().unwrap_or_default()
}

/// [`shuffle`] of the claims of several, all against the same shuffles: what each is told does not depend on the others.
pub fn shuffle_all(
    claims: &[&[Guess]],
    periods: &[Marked],
    devices: usize,
    rounds: usize,
    chance: &mut ChaCha8Rng,
) -> Vec<Vec<Shuffles>> {
    let mut flows: Vec<Flow> = Vec::new();
    let mut from = 0u32;
    // A trace has far fewer than 2^32 periods.
    for of in periods.chunk_by(|a, b| a.flow == b.flow) {
        let places = (from..).zip(of);
        let genuine: Vec<u32> = places
            .filter(|(_, period)| period.genuine)
            .map(|(place, _)| place)
            .collect();
        let to = from.saturating_add(u32::try_from(of.len()).unwrap_or(u32::MAX));
        flows.push(Flow {
            row: of
                .first()
                .and_then(|period| u32::try_from(row_of(period.device?)).ok())
                .unwrap_or(NOBODY),
            deck: (from..to).collect(),
            genuine,
        });
        from = to;
    }
    let mut tables: Vec<Table> = claims
        .iter()
        .map(|guesses| Table::new(guesses, periods, &flows, devices, rounds))
        .collect();
    for table in &mut tables {
        table.round(flows.iter().map(|flow| (flow, &flow.genuine[..])));
        for (row, &right) in table.rows.iter_mut().zip(&table.right) {
            row.correct = right;
        }
    }
    for round in 0..rounds {
        for flow in &mut flows {
            // The first so many of a deck shuffled as far as needed (R. Durstenfeld, CACM 7(7), 1964, algorithm 235).
            for place in 0..flow.genuine.len() {
                let other = chance.gen_range(place..flow.deck.len());
                flow.deck.swap(place, other);
            }
        }
        for table in tables.iter_mut().filter(|table| !table.silent) {
            table.round(flows.iter().map(|flow| (flow, flow.dealt())));
            for (row, &right) in table.rows.iter_mut().zip(&table.right) {
                if let Some(count) = row.shuffled.get_mut(round) {
                    *count = right;
                }
            }
        }
    }
    tables.into_iter().map(|table| table.rows).collect()
}

fn row_of(device: usize) -> usize {
    device.saturating_add(1)
}

/// The periods of one flow.
struct Flow {
    /// The row of its device, or [`NOBODY`].
    row: u32,
    /// Places of its periods, being shuffled.
    deck: Vec<u32>,
    /// Places of those that are genuine.
    genuine: Vec<u32>,
}

impl Flow {
    /// Places of those that are marked in this shuffle.
    fn dealt(&self) -> &[u32] {
        self.deck.get(..self.genuine.len()).unwrap_or_default()
    }
}

/// The claims of one, and which of them each period makes right.
struct Table {
    rows: Vec<Shuffles>,
    /// Right claims of this round, by row.
    right: Vec<u64>,
    /// Nothing any period makes right.
    silent: bool,
    /// What each period makes right.
    places: Vec<Place>,
    /// Of each flow all of whose periods make equally many claims right: how many those are.
    even: Vec<Option<[u32; 2]>>,
    /// Claims that several periods touch, with the row of the device they name or [`NOBODY`]: of all periods, one period after
    /// the other.
    shared: Vec<(u32, u32)>,
    /// The last round in which each claim was right: a claim counts once a round.
    stamps: Vec<u32>,
    rounds: u32,
}

/// The row of claims that name nobody.
const NOBODY: u32 = u32::MAX;

/// What a period makes right: looked at some hundred times for each, in any order, and therefore kept in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// Claims that it alone touches, and how many of those name its flow's device. Most claims are such, and counted without
    /// being looked at.
    alone: [u32; 2],
    /// Where in [`Table::shared`] the others begin, and how many there are.
    from: u32,
    count: u32,
}

impl Table {
    fn new(
        guesses: &[Guess],
        periods: &[Marked],
        flows: &[Flow],
        devices: usize,
        rounds: usize,
    ) -> Self {
        let empty = Shuffles {
            shuffled: vec![0; rounds],
            ..Shuffles::default()
        };
        let mut rows = vec![empty; devices.saturating_add(1)];
        for guess in guesses {
            for row in [Some(0), guess.device.map(row_of)].into_iter().flatten() {
                if let Some(row) = rows.get_mut(row) {
                    row.claims += 1;
                }
            }
        }
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let mut from = 0u32;
        for flow in periods.chunk_by(|a, b| a.flow == b.flow) {
            let of = flow.first().and_then(|period| period.device);
            for (guess, claim) in guesses.iter().zip(0u32..) {
                if matches!((guess.device, of), (Some(a), Some(b)) if a != b) {
                    continue;
                }
                // Periods of a flow are equally long and apart, so their ends ascend as well.
                let first = flow.partition_point(|period| period.span.end < guess.span.start);
                let later = flow.get(first..).unwrap_or_default();
                let touched = later
                    .iter()
                    .take_while(|period| period.span.start <= guess.span.end);
                let places = (from.saturating_add(u32::try_from(first).unwrap_or(u32::MAX)))..;
                pairs.extend(places.zip(touched).map(|(place, _)| (place, claim)));
            }
            from = from.saturating_add(u32::try_from(flow.len()).unwrap_or(u32::MAX));
        }
        let mut touched = vec![0u32; guesses.len()];
        for &(_, claim) in &pairs {
            if let Some(times) = touched.get_mut(claim as usize) {
                *times += 1;
            }
        }
        let mut places = vec![Place::default(); periods.len()];
        let silent = pairs.is_empty();
        pairs.retain(|&(place, claim)| {
            let times = touched.get(claim as usize).copied();
            let named = guesses.get(claim as usize).and_then(|guess| guess.device);
            let flow = periods.get(place as usize).and_then(|of| of.device);
            let countable = times == Some(1) && (named.is_none() || named == flow);
            if let Some(place) = places.get_mut(place as usize) {
                if countable {
                    place.alone[0] += 1;
                    place.alone[1] += u32::from(named.is_some());
                } else {
                    place.count += 1;
                }
            }
            !countable
        });
        pairs.sort_unstable();
        let mut from = 0u32;
        for place in &mut places {
            place.from = from;
            from = from.saturating_add(place.count);
        }
        let even = flows.iter().map(|flow| {
            let own = flow.deck.first().zip(flow.deck.last());
            let own = own.and_then(|(&from, &to)| places.get(from as usize..=to as usize))?;
            let first = own.first()?;
            let alike = |of: &Place| of.count == 0 && of.alone == first.alone;
            own.iter().all(alike).then_some(first.alone)
        });
        Self {
            right: vec![0; rows.len()],
            rows,
            silent,
            even: even.collect(),
            places,
            shared: pairs
                .into_iter()
                .map(|(_, claim)| {
                    let named = guesses.get(claim as usize).and_then(|guess| guess.device);
                    let row = named.and_then(|device| u32::try_from(row_of(device)).ok());
                    (claim, row.unwrap_or(NOBODY))
                })
                .collect(),
            stamps: vec![0; guesses.len()],
            rounds: 0,
        }
    }

    /// Counts the claims that the marked periods of each flow make right.
    fn round<'a>(&mut self, marked: impl Iterator<Item = (&'a Flow, &'a [u32])>) {
        self.rounds += 1;
        self.right.fill(0);
        for ((flow, marked), even) in marked.zip(&self.even) {
            if let Some([all, own]) = even {
                let times = marked.len() as u64;
                add(&mut self.right, 0, u64::from(*all) * times);
                add(&mut self.right, flow.row, u64::from(*own) * times);
                continue;
            }
            let (mut all, mut own) = (0u64, 0u64);
            for &place in marked {
                let Some(of) = self.places.get(place as usize) else {
                    continue;
                };
                all += u64::from(of.alone[0]);
                own += u64::from(of.alone[1]);
                if of.count == 0 {
                    continue;
                }
                let (from, count) = (of.from as usize, of.count as usize);
                let shared = self.shared.get(from..from.saturating_add(count));
                for &(claim, row) in shared.unwrap_or_default() {
                    let Some(stamp) = self.stamps.get_mut(claim as usize) else {
                        continue;
                    };
                    if *stamp != self.rounds {
                        *stamp = self.rounds;
                        all += 1;
                        add(&mut self.right, row, 1);
                    }
                }
            }
            add(&mut self.right, 0, all);
            add(&mut self.right, flow.row, own);
        }
    }
}

fn add(rows: &mut [u64], row: u32, right: u64) {
    if let Some(row) = rows.get_mut(row as usize) {
        *row += right;
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
