//! The control: how right would the same claims be if what is genuine were dealt anew among the padded periods?
//!
//! Who knows nothing but where padding is does as well against dealt marks; who does better sees something through the
//! padding. Marks are dealt among the periods of the same flow, as many as there were, so that knowing which device is used
//! most is no merit. Here a claim is right when it touches a period that is marked, of a flow that may be of its device.
//!
//! # What is dealt
//! Marks do not fall singly: an activity that makes padding go on is under the period before and under the one after. Dealt
//! singly they would hit a run of two periods more often than activities do, and a rule that goes by run lengths would seem to
//! mislead where it knows nothing. What padding without a leak promises is this: *whatever made a period be padded, activity or
//! cover, was an activity with the same chance*, whether the period begins a run or goes on with one. So causes are dealt:
//! - each period was begun by one cause: that which began the run, or that which ran on at the end of the period before. An
//!   activity that did so is dealt to any period of the flow, each as likely, and marks it; where that period goes on with a
//!   run it marks the one before as well, for it was running there;
//! - an activity that came and went under a period made no difference to the wire, and is dealt to any period as well.
//!
//! They are drawn in their true proportion until as many periods are marked as truly are, so that claiming every period has
//! lift 1 exactly. With phantom activities a run of two is genuine with chance 1 - (1 - a)^2 where a single period is with
//! chance a, true or dealt: lift 1. Under the paper's rule hardly anything but an activity makes padding go on, the causes of
//! later periods are genuine far more often than those of first ones, and the lift of who bets on runs is above 1 (the leak).
//! Dealing whole blocks of marks to places as long would hide just that: such places are there only because activities made
//! them. An activity that outlasts T begins several periods and is dealt as so many causes; where T is that short, a rule that
//! goes by run lengths may come out below 1. So it may where T is hardly longer than a use and most padding is genuine: uses of
//! one device do not overlap, so what makes the period after a genuine one follow is more often cover than dealt. Uses and T of
//! the built-in home's camera foretell .95 so at q = .001, where six in ten of its periods are genuine; two weeks of that
//! home come to .93 to .97, and to 1.01 to 1.02 at a T of two minutes. At the usual q of .01 it is .99 to 1.01.
//!
//! # Whether the control itself holds
//! A fifth of the deals are single marks, each period as likely. Then it can be worked out how often a claim is right that
//! touches k of the n periods of a flow of which m are genuine: 1 - C(n-m, k) / C(n, k), and 1 - the product of these chances
//! to miss where it touches several flows. What was dealt over that must be 1 within its interval, whoever claims.

use super::periods::Marked;
use crate::threat::Guess;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Of so many deals one is of single marks.
const SINGLE_IN: usize = 5;

/// Counts of one device, or of all; of one trial, or of several added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shuffles {
    /// Trials added up.
    pub trials: u32,
    /// Claims.
    pub claims: u64,
    /// Those right by the true marks.
    pub correct: u64,
    /// Those right in each deal of causes.
    pub shuffled: Vec<u64>,
    /// Those right in each deal of single marks.
    pub singly: Vec<u64>,
    /// Those right on average over all deals of single marks that there could be.
    pub expected: f64,
}

/// What shuffling tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lift {
    /// Mean share of claims right over deals of causes.
    pub confidence: f64,
    /// The true share over that: 1 tells nothing.
    pub lift: f64,
    /// The true share over that of the luckiest deal but 2.5 %.
    pub low: f64,
    /// The true share over that of the unluckiest deal but 2.5 %; where that has none right, over half a claim. Never less than
    /// the lift itself, as where most deals have none right.
    pub high: f64,
    /// The share of claims that single marks make right by chance.
    pub chance: f64,
    /// The share that they did, over that, with what the middle 95 % of deals did over that: 1 within, or the control is wrong.
    pub dealt: [f64; 3],
}

impl Shuffles {
    /// Adds another trial of as many deals.
    pub fn add(&mut self, other: &Self) {
        self.trials += other.trials;
        self.claims += other.claims;
        self.correct += other.correct;
        self.expected += other.expected;
        for (mine, theirs) in [
            (&mut self.shuffled, &other.shuffled),
            (&mut self.singly, &other.singly),
        ] {
            mine.resize(mine.len().max(theirs.len()), 0);
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
    }

    /// What it tells; `None` without a claim, or where no deal ever makes one right.
    pub fn lift(&self) -> Option<Lift> {
        let causes = Deals::of(&self.shuffled);
        if self.claims == 0 || causes.mean <= 0.0 || self.expected <= 0.0 {
            return None;
        }
        let over = |count: f64| self.correct as f64 / count.max(0.5);
        let marks = Deals::of(&self.singly);
        let lift = self.correct as f64 / causes.mean;
        Some(Lift {
            confidence: causes.mean / self.claims as f64,
            lift,
            low: over(causes.high).min(lift),
            high: over(causes.low).max(lift),
            chance: self.expected / self.claims as f64,
            dealt: [marks.mean, marks.low, marks.high].map(|count| count / self.expected),
        })
    }
}

/// Right claims over deals: their mean, and the ends of the middle 95 %.
struct Deals {
    mean: f64,
    low: f64,
    high: f64,
}

impl Deals {
    fn of(counts: &[u64]) -> Self {
        let mut sorted = counts.to_vec();
        sorted.sort_unstable();
        let at = |share: f64| {
            let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
            sorted.get(place).copied().unwrap_or(0) as f64
        };
        let mean = sorted.iter().sum::<u64>() as f64 / sorted.len().max(1) as f64;
        Self {
            mean,
            low: at(0.025).min(mean),
            // Of rare hits the mean may lie above all but the luckiest deals.
            high: at(0.975).max(mean),
        }
    }
}

/// Holds claims against the marks and against `rounds` deals of them, a fifth of single marks and the rest of causes: of all together first, then of each of `devices`.
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
        let to = from.saturating_add(u32::try_from(of.len()).unwrap_or(u32::MAX));
        flows.push(Flow::new(of, from..to));
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
    let single = rounds.div_ceil(SINGLE_IN);
    for round in 0..rounds {
        for flow in &mut flows {
            match round < single {
                true => flow.deal_marks(chance),
                false => flow.deal_causes(chance),
            }
        }
        for table in tables.iter_mut().filter(|table| !table.silent) {
            table.round(flows.iter().map(|flow| (flow, &flow.dealt[..])));
            for (row, &right) in table.rows.iter_mut().zip(&table.right) {
                let count = match round.checked_sub(single) {
                    None => row.singly.get_mut(round),
                    Some(round) => row.shuffled.get_mut(round),
                };
                if let Some(count) = count {
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
    /// The place of its first period.
    first: u32,
    /// Places of those that are genuine.
    genuine: Vec<u32>,
    /// Of each period, whether it goes on with a run.
    goes_on: Vec<bool>,
    /// Of the causes and of what came and went: the share of causes.
    causes: f64,
    /// Places of those that are marked in this deal.
    dealt: Vec<u32>,
    /// The last deal in which each period was marked.
    stamps: Vec<u32>,
    deals: u32,
}

impl Flow {
    fn new(of: &[Marked], places: std::ops::Range<u32>) -> Self {
        let genuine = places.clone().zip(of);
        let genuine = genuine.filter(|(_, period)| period.genuine);
        let count = |what: fn(&Marked) -> bool| of.iter().filter(|period| what(period)).count();
        let (begun, within) = (count(|p| p.begun) as f64, count(|p| p.within) as f64);
        let device = of.first().and_then(|period| period.device);
        Self {
            row: device
                .and_then(|device| u32::try_from(row_of(device)).ok())
                .unwrap_or(NOBODY),
            first: places.start,
            genuine: genuine.map(|(place, _)| place).collect(),
            goes_on: of.iter().map(|period| period.goes_on).collect(),
            causes: if begun > 0.0 {
                begun / (begun + within)
            } else {
                0.0
            },
            dealt: Vec::new(),
            stamps: vec![0; of.len()],
            deals: 0,
            deck: places.collect(),
        }
    }

    /// Marks as many periods as are genuine, each as likely.
    fn deal_marks(&mut self, chance: &mut ChaCha8Rng) {
        // The first so many of a deck shuffled as far as needed (R. Durstenfeld, CACM 7(7), 1964, algorithm 235).
        for place in 0..self.genuine.len() {
            let other = chance.gen_range(place..self.deck.len());
            self.deck.swap(place, other);
        }
        self.dealt.clear();
        let first = self.deck.get(..self.genuine.len());
        self.dealt.extend_from_slice(first.unwrap_or_default());
    }

    /// Deals causes, and what came and went, until as many periods are marked as are genuine.
    fn deal_causes(&mut self, chance: &mut ChaCha8Rng) {
        self.dealt.clear();
        let (wanted, all) = (self.genuine.len(), self.stamps.len());
        self.deals += 1;
        // The last few of nearly all would be long in coming: what so many draws leave is taken from the first on.
        let draws = all.saturating_mul(DRAWS_A_PERIOD);
        for _ in 0..draws {
            if self.dealt.len() >= wanted || wanted == all {
                break;
            }
            let place = chance.gen_range(0..all);
            let goes_on = self.goes_on.get(place).copied().unwrap_or(false);
            let before = goes_on && (self.causes >= 1.0 || chance.gen_bool(self.causes));
            self.mark(place);
            if before && self.dealt.len() < wanted {
                self.mark(place.saturating_sub(1));
            }
        }
        for place in 0..all {
            if self.dealt.len() >= wanted {
                break;
            }
            self.mark(place);
        }
    }

    fn mark(&mut self, place: usize) {
        if let Some(stamp) = self.stamps.get_mut(place).filter(|of| **of != self.deals) {
            *stamp = self.deals;
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            self.dealt.push(self.first.saturating_add(place));
        }
    }

    /// The chance that single marks miss `touched` of its periods.
    fn missed(&self, touched: usize) -> f64 {
        let (all, marked) = (self.deck.len(), self.genuine.len());
        let bare = all.saturating_sub(marked);
        if touched > bare {
            return 0.0;
        }
        let of = |gone: usize| (bare - gone) as f64 / (all - gone) as f64;
        (0..touched).map(of).product()
    }
}

/// Draws a period at most, in a deal of causes.
const DRAWS_A_PERIOD: usize = 16;

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
        let single = rounds.div_ceil(SINGLE_IN);
        let empty = Shuffles {
            trials: 1,
            shuffled: vec![0; rounds.saturating_sub(single)],
            singly: vec![0; single],
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
        let mut missed = vec![1.0f64; guesses.len()];
        for (flow, dealt) in periods.chunk_by(|a, b| a.flow == b.flow).zip(flows) {
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
                let before = pairs.len();
                pairs.extend(places.zip(touched).map(|(place, _)| (place, claim)));
                if let Some(missed) = missed.get_mut(claim as usize) {
                    *missed *= dealt.missed(pairs.len() - before);
                }
            }
            from = from.saturating_add(u32::try_from(flow.len()).unwrap_or(u32::MAX));
        }
        for (guess, missed) in guesses.iter().zip(&missed) {
            for row in [Some(0), guess.device.map(row_of)].into_iter().flatten() {
                if let Some(row) = rows.get_mut(row) {
                    row.expected += 1.0 - missed;
                }
            }
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
mod tests;
