//! The parameters of the model, from windows of which it is known who was in use.
//!
//! Chances to begin and to end are counted, half a count added to each (H. Jeffreys), windows without traffic as ones without
//! anybody in use. What the background sends is taken from windows in which nobody is in use. What a device sends is, less
//! the background's mean, what is seen while it alone is in use; of a device that hardly ever is alone what is left of the sum
//! by least squares: its mean is the one that leaves least, each window weighted by one over the square of what it is
//! expected to hold, for spread grows with it. The levels at which it sends are found in that. Nothing is drawn by chance.
//!
//! Windows in which a device is in use of which there is too little for a chain teach neither.

use super::levels::{idle_variance, less, levels, with_silence, Moments};
use super::model::{
    Chain, Factorial, Level, BACKGROUND_LEVELS_AT_MOST, LEVELS_AT_MOST, SUMS_AT_MOST,
};
use super::series::{Lesson, Step, Window};
use super::states::sums;
use crate::learning::examples::{LearnError, EACH_AT_LEAST};
use std::collections::BTreeMap;

/// Windows of one part, and of the background, that levels are found of at most: evenly from all.
const SAMPLES_AT_MOST: usize = 20_000;
/// Turns of least squares.
const TURNS: usize = 20;

/// How often a part went from idle or in use to idle or in use.
#[derive(Clone, Copy, Debug, Default)]
struct Changes {
    begun: f64,
    ended: f64,
    stayed: f64,
}

/// Windows of the groups that are wanted, of all lessons.
fn windows<'a>(
    lessons: &'a [Lesson],
    wanted: &'a dyn Fn(u32) -> bool,
) -> impl Iterator<Item = Window<'a>> {
    let all = lessons.iter().flat_map(Lesson::each);
    all.filter(|window| wanted(window.group))
}

impl Factorial {
    /// Learns from the windows of the groups that are wanted. A chain each have parts of which there are enough windows in use
    /// and not.
    ///
    /// # Errors
    /// A window that holds what is no number of bytes; no part with enough of both; too many parts.
    pub fn learn(lessons: &[Lesson], wanted: &dyn Fn(u32) -> bool) -> Result<Self, LearnError> {
        lessons.iter().try_for_each(Lesson::check)?;
        let (mut used, mut count) = (BTreeMap::new(), 0);
        for window in windows(lessons, wanted) {
            count += 1;
            for (_, part) in window.used {
                *used.entry(*part).or_insert(0usize) += 1;
            }
        }
        let parts = Self::enough(&used, count)?;
        let (changes, silent) = changes(lessons, wanted, &parts);
        let anything = anything(windows(lessons, wanted).map(|of| of.step));
        let mut idle = Moments::default();
        let mut seen = Sample::default();
        for window in windows(lessons, wanted).filter(|of| of.used.is_empty()) {
            idle.add(1.0, window.step.bytes);
            seen.pass(window.step.bytes);
        }
        let beside = Level {
            share: idle.weight / (idle.weight + silent).max(1.0),
            mean: idle.mean(),
            variance: idle.variance(),
        };
        let background = match levels(&seen.kept, BACKGROUND_LEVELS_AT_MOST) {
            // Somebody always is in use: nothing is known of the background.
            none if none.is_empty() => vec![Level::silent(1.0)],
            some => some,
        };
        // Beside them one is that nothing is sent.
        let most = (1..LEVELS_AT_MOST).rev();
        let mut most = most.filter(|&levels| sums(parts.len(), levels + 1) <= SUMS_AT_MOST);
        let most = most.next().unwrap_or(1);
        let usual = beside.mean.map(|mean| mean * beside.share);
        let noise = idle_variance(&beside);
        let sent = sent(lessons, wanted, &parts, usual);
        let chains = parts.iter().zip(&sent).map(|(part, sent)| {
            let changed = changes.get(part).copied().unwrap_or_default();
            let windows = count as f64 + silent;
            let idle = windows - changed.stayed - changed.ended - changed.begun;
            let begins = (changed.begun + 0.5) / (idle.max(0.0) + changed.begun + 1.0);
            let ends = (changed.ended + 0.5) / (changed.stayed + changed.ended + 1.0);
            let mut levels = match sent {
                Sent::Alone(rows) => {
                    let rows: Vec<[f64; 2]> = rows.iter().map(|row| less(*row, [0.0; 2])).collect();
                    levels(&rows, most)
                }
                Sent::Left(level) => vec![level.clone()],
            };
            // The background's spread is added again wherever it is added.
            levels.iter_mut().for_each(|level| {
                level.variance = less(level.variance, noise);
            });
            if let Sent::Alone(rows) = sent {
                levels = with_silence(levels, rows, &background, &beside);
            }
            Chain {
                part: *part,
                begins,
                // In use is never less likely right after use than without.
                ends: ends.min(1.0 - begins),
                levels,
            }
        });
        let chains: Vec<Chain> = chains.collect();
        Ok(Self {
            background,
            beside,
            anything,
            chains,
        })
    }
}

/// Changes by part, and windows without traffic between wanted ones.
fn changes(
    lessons: &[Lesson],
    wanted: &dyn Fn(u32) -> bool,
    parts: &[u32],
) -> (BTreeMap<u32, Changes>, f64) {
    let mut changes: BTreeMap<u32, Changes> = parts
        .iter()
        .map(|part| (*part, Changes::default()))
        .collect();
    let mut silent = 0.0;
    for lesson in lessons {
        let mut before: Option<Window> = None;
        for window in lesson.each() {
            let last = before.replace(window);
            let Some(last) = last.filter(|of| wanted(of.group) && wanted(window.group)) else {
                continue;
            };
            let gap = window.step.index.saturating_sub(last.step.index).max(1) - 1;
            // Between days that are both wanted but do not follow one another lies what is not.
            silent += match window.group.saturating_sub(last.group) {
                0 | 1 => gap as f64,
                _ => 0.0,
            };
            for (_, part) in last.used {
                if let Some(of) = changes.get_mut(part) {
                    match gap == 0 && window.uses(*part) {
                        true => of.stayed += 1.0,
                        false => of.ended += 1.0,
                    }
                }
            }
            for (_, part) in window.used {
                if let Some(of) = changes.get_mut(part) {
                    if gap > 0 || !last.uses(*part) {
                        of.begun += 1.0;
                    }
                }
            }
        }
    }
    (changes, silent)
}

/// Mean and variance of the logarithms of all windows, twice as wide.
fn anything(all: impl Iterator<Item = Step>) -> Level {
    let mut moments = Moments::default();
    for step in all {
        moments.add(1.0, step.bytes.map(f64::ln_1p));
    }
    Level {
        share: 1.0,
        mean: moments.mean(),
        variance: moments.variance().map(|of| (4.0 * of).max(1.0)),
    }
}

/// Rows that stand for all that passed: every one, or every second, or fourth.
#[derive(Clone, Debug, Default)]
struct Sample {
    kept: Vec<[f64; 2]>,
    passed: u64,
    every: u32,
}

impl Sample {
    fn pass(&mut self, row: [f64; 2]) {
        let every = 1u64.checked_shl(self.every).unwrap_or(u64::MAX);
        if self.passed.checked_rem(every) == Some(0) {
            self.kept.push(row);
        }
        self.passed += 1;
        if self.kept.len() >= 2 * SAMPLES_AT_MOST {
            let mut place = 0u32;
            self.kept.retain(|_| {
                place = place.wrapping_add(1);
                place % 2 == 1
            });
            self.every += 1;
        }
    }
}

/// What a part sent in windows in use.
enum Sent {
    /// In each of those in which it was alone; below 0 where there was less than the background usually sends.
    Alone(Vec<[f64; 2]>),
    /// What is left of windows with others, as one level.
    Left(Level),
}

/// What each part sent in windows in use, the background's usual bytes taken away: alone, or, where it hardly ever is, what
/// the others' means leave.
fn sent(
    lessons: &[Lesson],
    wanted: &dyn Fn(u32) -> bool,
    parts: &[u32],
    usual: [f64; 2],
) -> Vec<Sent> {
    let place = |part: u32| parts.binary_search(&part).ok();
    let mut alone = vec![Sample::default(); parts.len()];
    // Windows with several: who, and what they sent together.
    let mut together: Vec<(Vec<usize>, [f64; 2])> = Vec::new();
    for window in windows(lessons, wanted) {
        let who: Option<Vec<usize>> = window.used.iter().map(|(_, part)| place(*part)).collect();
        let [up, down] = window.step.bytes;
        let bytes = [up - usual[0], down - usual[1]];
        match who.as_deref() {
            Some([one]) => {
                if let Some(alone) = alone.get_mut(*one) {
                    alone.pass(bytes);
                }
            }
            Some([_, _, ..]) if together.len() < SAMPLES_AT_MOST => {
                together.push((who.unwrap_or_default(), bytes));
            }
            _ => {}
        }
    }
    let enough = |sample: &Sample| sample.kept.len() >= EACH_AT_LEAST;
    let moments = |sample: &Sample| {
        let mut moments = Moments::default();
        sample.kept.iter().for_each(|row| moments.add(1.0, *row));
        moments
    };
    let mean = |of: &Sample| moments(of).mean().map(|mean| mean.max(0.0));
    let mut means: Vec<[f64; 2]> = alone.iter().map(mean).collect();
    let sum_of = |means: &[[f64; 2]], who: &[usize], but: usize| {
        let others = who.iter().filter(|of| **of != but);
        others
            .filter_map(|of| means.get(*of))
            .fold([0.0; 2], |sum, mean| [sum[0] + mean[0], sum[1] + mean[1]])
    };
    for _ in 0..TURNS {
        for part in 0..parts.len() {
            if alone.get(part).is_none_or(enough) {
                continue;
            }
            let mut sums = [[0.0; 2]; 2];
            for (who, bytes) in together.iter().filter(|(who, _)| who.contains(&part)) {
                let all = sum_of(&means, who, usize::MAX);
                let others = sum_of(&means, who, part);
                for direction in 0..2 {
                    let get = |of: &[f64; 2]| of.get(direction).copied().unwrap_or_default();
                    let level = 1.0 + get(&usual) + get(&all);
                    let weight = 1.0 / (level * level);
                    if let Some(sum) = sums.get_mut(direction) {
                        *sum = [
                            sum[0] + weight * (get(bytes) - get(&others)),
                            sum[1] + weight,
                        ];
                    }
                }
            }
            if let Some(mean) = means.get_mut(part) {
                *mean = sums.map(|[sum, weight]| (sum / weight.max(f64::MIN_POSITIVE)).max(0.0));
            }
        }
    }
    let spreads: Vec<[f64; 2]> = alone.iter().map(|of| moments(of).variance()).collect();
    let all = alone.into_iter().enumerate();
    all.map(|(part, sample)| {
        if enough(&sample) {
            return Sent::Alone(sample.kept);
        }
        // One level: of its mean, and of the spread that is left when that of the others is taken away.
        let mean = means.get(part).copied().unwrap_or_default();
        let mut left = Moments::default();
        for (who, bytes) in together.iter().filter(|(who, _)| who.contains(&part)) {
            let (others, spread) = (sum_of(&means, who, part), sum_of(&spreads, who, part));
            let square = |direction: usize| {
                let of = |all: &[f64; 2]| all.get(direction).copied().unwrap_or_default();
                let off = of(bytes) - of(&others) - of(&mean);
                off * off - of(&spread)
            };
            left.add(1.0, [square(0), square(1)]);
        }
        Sent::Left(Level {
            share: 1.0,
            mean,
            variance: left.mean().map(|of| of.max(0.0)),
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::examples::tests::chance;
    use rand::Rng;
    use rand_chacha::ChaCha8Rng;

    /// A number whose logarithm is Gaussian, with this mean, spread by a share of it.
    fn around(mean: f64, spread: f64, chance: &mut ChaCha8Rng) -> f64 {
        let variance = (spread * spread).ln_1p();
        let (a, b): (f64, f64) = (chance.gen(), chance.gen());
        let gauss = (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        (mean.ln() - variance / 2.0 + variance.sqrt() * gauss).exp()
    }

    /// Begins, ends, bytes up and down, of three devices.
    const KNOWN: [(f64, f64, [f64; 2]); 3] = [
        (0.02, 0.30, [2_000.0, 500.0]),
        (0.05, 0.20, [300.0, 4_000.0]),
        (0.01, 0.50, [50_000.0, 9_000.0]),
    ];

    /// Windows of that home, all with traffic. Where `apart`, the first never is in use without the second.
    fn lived(count: i64, seed: u64, apart: bool) -> Lesson {
        let mut chance = chance(seed);
        let mut lesson = Lesson::default();
        let mut used = [false; 3];
        for index in 0..count {
            let mut bytes = [
                around(200.0, 0.2, &mut chance),
                around(150.0, 0.2, &mut chance),
            ];
            for (used, (begins, ends, _)) in used.iter_mut().zip(KNOWN) {
                let change = chance.gen_bool(if *used { ends } else { begins });
                *used ^= change;
            }
            let mut here = used;
            if apart {
                here[1] |= here[0];
            }
            for (used, (_, _, sent)) in here.iter().zip(KNOWN) {
                if *used {
                    let sent = sent.map(|mean| around(mean, 0.3, &mut chance));
                    bytes = [bytes[0] + sent[0], bytes[1] + sent[1]];
                }
            }
            lesson.push(Step { index, bytes }, (index / 2_500) as u32);
            let parts = (0..3).filter(|&part| here[part as usize]);
            parts.for_each(|part| lesson.mark(index, part));
        }
        lesson
    }

    fn mean(chain: &Chain) -> [f64; 2] {
        let sum = |place: usize| {
            chain
                .levels
                .iter()
                .map(|of| of.share * of.mean[place])
                .sum()
        };
        [sum(0), sum(1)]
    }

    #[test]
    fn parameters_are_recovered() {
        let learned = Factorial::learn(&[lived(20_000, 1, false)], &|_| true).unwrap();
        assert_eq!(learned.check(), Ok(()));
        for (chain, (begins, ends, sent)) in learned.chains.iter().zip(KNOWN) {
            assert!((chain.begins - begins).abs() < 0.005, "{chain:?}");
            assert!((chain.ends - ends).abs() < 0.05, "{chain:?}");
            for (found, sent) in mean(chain).into_iter().zip(sent) {
                assert!((found / sent - 1.0).abs() < 0.07, "{found} of {sent}");
            }
        }
        let usual = learned.beside.mean;
        assert!((usual[0] - 200.0).abs() < 4.0 && (usual[1] - 150.0).abs() < 3.0);
        assert_eq!(learned.beside.share, 1.0);
        // And it tells who is in use in other windows, better the more a device stands out.
        let other = lived(20_000, 2, false);
        let posterior = learned.posterior(&other.steps(&|_| true));
        for (chain, least) in [(0, 0.97), (1, 0.985), (2, 0.999)] {
            let windows = other.each().zip(posterior.column(chain).to_vec());
            let right = windows.filter(|(of, sure)| of.uses(chain as u32) == (*sure > 0.5));
            let right = right.count() as f64 / 20_000.0;
            assert!(right > least, "chain {chain}: {right}");
        }
    }

    #[test]
    fn who_never_is_alone_is_told_by_what_is_left() {
        let learned = Factorial::learn(&[lived(20_000, 3, true)], &|_| true).unwrap();
        let first = mean(&learned.chains[0]);
        // What is left scatters around 2,000 and 500, and 500 beside 4,000 are not told so well.
        assert!((first[0] / 2_000.0 - 1.0).abs() < 0.05, "{first:?}");
        assert!((first[1] / 500.0 - 1.0).abs() < 0.2, "{first:?}");
    }

    #[test]
    fn what_teaches_nothing_is_refused() {
        let few = |genuine, other| Err(LearnError::Few { genuine, other });
        assert_eq!(Factorial::learn(&[], &|_| true), few(0, 0));
        // Nobody is in use, or somebody always.
        let window = |index| Step {
            index,
            bytes: [60.0, 60.0],
        };
        let mut nobody = Lesson::default();
        (0..50).for_each(|index| nobody.push(window(index), 0));
        assert_eq!(Factorial::learn(&[nobody], &|_| true), few(0, 50));
        let mut always = Lesson::default();
        for index in 0..50 {
            always.push(window(index), 0);
            always.mark(index, 4);
        }
        assert_eq!(Factorial::learn(&[always], &|_| true), few(50, 0));
        let mut strange = lived(200, 4, false);
        strange.push(
            Step {
                index: 200,
                bytes: [f64::INFINITY, 0.0],
            },
            0,
        );
        let refused = LearnError::NotFinite {
            row: 200,
            column: 0,
        };
        assert_eq!(Factorial::learn(&[strange], &|_| true), Err(refused));
    }

    #[test]
    fn silence_is_nobody_in_use() {
        // Three uses of two windows each, ten windows apart, nothing in between: three begins of 31 idle windows.
        let mut lesson = Lesson::default();
        for index in [0, 1, 12, 13, 24, 25, 36, 37] {
            lesson.push(
                Step {
                    index,
                    bytes: [1_000.0, 1_000.0],
                },
                0,
            );
            lesson.mark(index, 0);
        }
        let (changes, silent) = changes(&[lesson], &|_| true, &[0]);
        assert_eq!(silent, 30.0);
        let of = changes[&0];
        assert_eq!((of.begun, of.ended, of.stayed), (3.0, 3.0, 4.0));
    }
}
