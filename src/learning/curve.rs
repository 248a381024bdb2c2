//! How well beliefs tell what is genuine: the precision-recall curve, the area under the ROC curve, how often the surest
//! answers are right, and all of it over the base rate, with intervals from resampling whole days.
//!
//! Answers of one day hang together: the same people, the same coins before and after. So days are drawn, not answers (B.
//! Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, section 8.6). Answers are counted by level of belief, two
//! thousand levels at most, so that a million of them are drawn a thousand times in a moment.

use crate::stats::{wilson, Interval, LEVEL};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Shares of the surest answers that are looked at.
pub const SUREST: [f64; 3] = [0.01, 0.05, 0.10];
/// Levels of belief that are told apart.
const LEVELS: usize = 2_000;
/// How often days are drawn.
const RESAMPLES: usize = 400;
/// Steps of recall of the curve.
const STEPS: u32 = 20;

/// What was believed, and what was true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// How sure, on any scale; what is no number is least sure of all.
    pub belief: f32,
    /// Whether it was.
    pub genuine: bool,
    /// Its day, or another part of the window that is drawn as a whole.
    pub block: u32,
}

/// A place on the precision-recall curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Share of what is genuine that is claimed.
    pub recall: f64,
    /// Share of what is claimed that is genuine: confidence, c.
    pub precision: f64,
}

/// How well beliefs tell what is genuine.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Answers.
    pub answers: u64,
    /// Of them genuine.
    pub genuine: u64,
    /// The share of those: c of who claims all.
    pub base: f64,
    /// Area under the ROC curve: .5 tells nothing.
    pub auc: Interval,
    /// Mean precision over recall.
    pub average_precision: f64,
    /// Precision where as few are claimed as meet all that is genuine.
    pub full_recall: Interval,
    /// Precision among the surest, for each of [`SUREST`].
    pub surest: [Interval; 3],
    /// Precision among the surest tenth over the base rate: 1 tells nothing.
    pub lift: Interval,
    /// The curve, by ascending recall.
    pub curve: Vec<Point>,
    /// Days, or blocks, that were drawn from.
    pub blocks: usize,
}

/// Counts of a level: genuine and other.
type Level = [f64; 2];

/// Answers by block and level, the surest level first.
struct Counted {
    blocks: Vec<Vec<Level>>,
    levels: usize,
}

/// Numbers of one drawing.
#[derive(Clone, Copy)]
struct Numbers {
    auc: f64,
    full_recall: f64,
    surest: [f64; 3],
    lift: f64,
}

/// Of answers; `None` where all, or none, are genuine: there is nothing to tell apart, unless all are genuine, which is told of
/// as certain by [`wilson`] elsewhere.
pub fn told(answers: &[Answer], chance: &mut ChaCha8Rng) -> Option<Told> {
    let genuine = answers.iter().filter(|answer| answer.genuine).count();
    if genuine == 0 || genuine == answers.len() {
        return None;
    }
    let counted = Counted::of(answers);
    let whole = counted.sum(&vec![1.0; counted.blocks.len()]);
    let value = numbers(&whole)?;
    let drawn: Vec<Numbers> = match counted.blocks.len() {
        0 | 1 => Vec::new(),
        blocks => (0..RESAMPLES)
            .filter_map(|_| {
                let mut weights = vec![0.0; blocks];
                for _ in 0..blocks {
                    if let Some(weight) = weights.get_mut(chance.gen_range(0..blocks)) {
                        *weight += 1.0;
                    }
                }
                numbers(&counted.sum(&weights))
            })
            .collect(),
    };
    let interval = |of: &dyn Fn(&Numbers) -> f64| within(of(&value), drawn.iter().map(of));
    // Where all drawings agree nothing is left to draw: few answers that agree are no certainty.
    let share = |of: &dyn Fn(&Numbers) -> f64, count: f64| {
        let interval = interval(of);
        let hits = (of(&value) * count).round();
        match interval.low < interval.high {
            true => interval,
            false => wilson(hits as u64, count as u64).map_or(interval, |by| Interval {
                value: interval.value,
                low: by.low.min(interval.value),
                high: by.high.max(interval.value),
                ..by
            }),
        }
    };
    let total = answers.len() as f64;
    let surest = |place: usize| {
        let of = move |n: &Numbers| n.surest.get(place).copied().unwrap_or_default();
        let share_of = SUREST.get(place).copied().unwrap_or_default();
        share(&of, (share_of * total).ceil())
    };
    Some(Told {
        answers: answers.len() as u64,
        genuine: genuine as u64,
        base: genuine as f64 / total,
        auc: interval(&|n| n.auc),
        average_precision: average_precision(&whole),
        full_recall: share(&|n| n.full_recall, total),
        surest: [surest(0), surest(1), surest(2)],
        lift: interval(&|n| n.lift),
        curve: curve(&whole),
        blocks: counted.blocks.len(),
    })
}

impl Counted {
    fn of(answers: &[Answer]) -> Self {
        let key = |answer: &Answer| match answer.belief.is_nan() {
            true => f32::NEG_INFINITY,
            false => answer.belief,
        };
        let mut places: Vec<usize> = (0..answers.len()).collect();
        let belief = |&place: &usize| answers.get(place).map_or(f32::NEG_INFINITY, key);
        places.sort_by(|a, b| belief(b).total_cmp(&belief(a)));
        let equal = |a: &usize, b: &usize| belief(a).total_cmp(&belief(b)).is_eq();
        let distinct = places.chunk_by(equal).count();
        let mut level_of = vec![0usize; answers.len()];
        let (mut passed, mut levels) = (0usize, 0usize);
        for (nth, equals) in places.chunk_by(equal).enumerate() {
            let level = match distinct <= LEVELS {
                true => nth,
                false => passed.saturating_mul(LEVELS) / answers.len().max(1),
            };
            for &place in equals {
                if let Some(of) = level_of.get_mut(place) {
                    *of = level;
                }
            }
            passed += equals.len();
            levels = levels.max(level + 1);
        }
        let mut blocks: BTreeMap<u32, Vec<Level>> = BTreeMap::new();
        for (answer, level) in answers.iter().zip(level_of) {
            let of = blocks.entry(answer.block);
            let of = of.or_insert_with(|| vec![[0.0; 2]; levels]);
            if let Some([genuine, other]) = of.get_mut(level) {
                match answer.genuine {
                    true => *genuine += 1.0,
                    false => *other += 1.0,
                }
            }
        }
        Self {
            blocks: blocks.into_values().collect(),
            levels,
        }
    }

    fn sum(&self, weights: &[f64]) -> Vec<Level> {
        let mut sum = vec![[0.0; 2]; self.levels];
        for (block, weight) in self.blocks.iter().zip(weights) {
            if *weight > 0.0 {
                for ([g, o], [genuine, other]) in sum.iter_mut().zip(block) {
                    *g += weight * genuine;
                    *o += weight * other;
                }
            }
        }
        sum
    }
}

fn totals(levels: &[Level]) -> (f64, f64) {
    let sum = |(g, o): (f64, f64), [genuine, other]: &Level| (g + genuine, o + other);
    levels.iter().fold((0.0, 0.0), sum)
}

fn numbers(levels: &[Level]) -> Option<Numbers> {
    let (genuine, other) = totals(levels);
    if genuine <= 0.0 || other <= 0.0 {
        return None;
    }
    // Every genuine answer against every other: won against those less sure, and half against those as sure.
    let (mut won, mut left) = (0.0, other);
    let (mut claimed, mut right) = (0.0, 0.0);
    let mut full_recall = 0.0;
    for [g, o] in levels {
        left -= o;
        won += g * (left + o / 2.0);
        claimed += g + o;
        right += g;
        if *g > 0.0 {
            full_recall = right / claimed;
        }
    }
    let base = genuine / (genuine + other);
    let surest = SUREST.map(|share| top(levels, (share * (genuine + other)).ceil()));
    Some(Numbers {
        auc: won / (genuine * other),
        full_recall,
        surest,
        lift: surest[2] / base,
    })
}

/// Precision of the surest `count`; of equally sure ones that are only partly among them their share stands.
fn top(levels: &[Level], count: f64) -> f64 {
    let (mut taken, mut right) = (0.0, 0.0);
    for [genuine, other] in levels {
        let here = genuine + other;
        let room: f64 = (count - taken).min(here);
        if room <= 0.0 {
            continue;
        }
        right += genuine * room / here;
        taken += room;
    }
    match taken > 0.0 {
        true => right / taken,
        false => 0.0,
    }
}

fn average_precision(levels: &[Level]) -> f64 {
    let (genuine, _) = totals(levels);
    let (mut claimed, mut right, mut sum) = (0.0, 0.0, 0.0);
    for [g, o] in levels {
        claimed += g + o;
        right += g;
        if claimed > 0.0 {
            // Divided once, at the end: the sum of whole numbers is whole, and who is always right has 1 and not a hair more.
            sum += g * (right / claimed);
        }
    }
    sum / genuine.max(1.0)
}

fn curve(levels: &[Level]) -> Vec<Point> {
    let (genuine, _) = totals(levels);
    let (mut claimed, mut right) = (0.0, 0.0);
    let mut points = Vec::new();
    let mut step = 1u32;
    for [g, o] in levels {
        claimed += g + o;
        right += g;
        let recall = right / genuine.max(1.0);
        let reached = recall * f64::from(STEPS) >= f64::from(step) - 1e-9;
        if *g > 0.0 && reached {
            points.push(Point {
                recall,
                precision: right / claimed,
            });
            while f64::from(step) <= recall * f64::from(STEPS) + 1e-9 {
                step += 1;
            }
        }
    }
    points
}

/// The middle 95 % of what was drawn, around the value itself.
fn within(value: f64, drawn: impl Iterator<Item = f64>) -> Interval {
    let mut drawn: Vec<f64> = drawn.collect();
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (share * drawn.len().saturating_sub(1) as f64).round() as usize;
        drawn.get(place).copied().unwrap_or(value)
    };
    Interval {
        value,
        low: at((1.0 - LEVEL) / 2.0).min(value),
        high: at((1.0 + LEVEL) / 2.0).max(value),
        level: LEVEL,
        method: match drawn.is_empty() {
            true => "a single block: no interval",
            false => "bootstrap by block",
        },
    }
}

/// The mean of numbers and where the middle 95 % of them lie: of a few, between the least and the most. `None` of none.
pub fn spread(numbers: impl Iterator<Item = f64>) -> Option<Interval> {
    let numbers: Vec<f64> = numbers.collect();
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    mean.is_finite().then(|| Interval {
        method: "middle 95 % of deals",
        ..within(mean, numbers.into_iter())
    })
}

/// The mean of so many bits an answer saved by one belief over another, over blocks, with its interval: what the second tells
/// that the first does not. Given as (bits saved, answers) a block. `None` without an answer.
pub fn mean_by_block(blocks: &[(f64, f64)], chance: &mut ChaCha8Rng) -> Option<Interval> {
    let mean = |weights: &dyn Fn(usize) -> f64| {
        let sums = blocks.iter().enumerate();
        let sums = sums.fold((0.0, 0.0), |(part, all), (place, (p, n))| {
            (part + weights(place) * p, all + weights(place) * n)
        });
        (sums.1 > 0.0).then(|| sums.0 / sums.1)
    };
    let value = mean(&|_| 1.0)?;
    let drawn: Vec<f64> = (0..if blocks.len() > 1 { RESAMPLES } else { 0 })
        .filter_map(|_| {
            let mut weights = vec![0.0; blocks.len()];
            for _ in 0..blocks.len() {
                if let Some(weight) = weights.get_mut(chance.gen_range(0..blocks.len())) {
                    *weight += 1.0;
                }
            }
            mean(&|place| weights.get(place).copied().unwrap_or_default())
        })
        .collect();
    Some(within(value, drawn.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::super::examples::tests::chance;
    use super::*;

    fn answers(of: &[(f32, bool)]) -> Vec<Answer> {
        let of = of.iter().zip(0..);
        of.map(|(&(belief, genuine), n)| Answer {
            belief,
            genuine,
            block: n % 5,
        })
        .collect()
    }

    #[test]
    fn numbers_by_hand() {
        // Ten answers, surest first: right, wrong, right, and seven that are wrong, the last a genuine one at the very end.
        let mut of: Vec<(f32, bool)> = (0..10).map(|n| (-(n as f32), false)).collect();
        for place in [0, 2, 9] {
            of[place].1 = true;
        }
        let told = told(&answers(&of), &mut chance(1)).unwrap();
        assert_eq!((told.answers, told.genuine, told.base), (10, 3, 0.3));
        // Of 21 pairs the first genuine wins 7, the second 6, the last none.
        assert!((told.auc.value - 13.0 / 21.0).abs() < 1e-12);
        assert_eq!(told.full_recall.value, 0.3);
        // The surest of ten is one, whatever the share up to a tenth.
        assert_eq!(told.surest.map(|of| of.value), [1.0; 3]);
        assert!((told.lift.value - 1.0 / 0.3).abs() < 1e-12);
        let ap = (1.0 + 2.0 / 3.0 + 3.0 / 10.0) / 3.0;
        assert!((told.average_precision - ap).abs() < 1e-12);
        let points: Vec<(f64, f64)> = told.curve.iter().map(|p| (p.recall, p.precision)).collect();
        assert_eq!(
            points,
            [(1.0 / 3.0, 1.0), (2.0 / 3.0, 2.0 / 3.0), (1.0, 0.3)]
        );
    }

    #[test]
    fn who_is_always_right_has_a_precision_of_one_to_the_last_bit() {
        for genuine in 1..100 {
            let of: Vec<(f32, bool)> = (0..100).map(|n| (-(n as f32), n < genuine)).collect();
            let told = told(&answers(&of), &mut chance(1)).unwrap();
            assert_eq!(told.average_precision, 1.0, "{genuine}");
        }
    }

    #[test]
    fn equal_beliefs_tell_nothing() {
        let of: Vec<(f32, bool)> = (0..100).map(|n| (0.0, n % 4 == 0)).collect();
        let told = told(&answers(&of), &mut chance(1)).unwrap();
        assert_eq!((told.auc.value, told.lift.value), (0.5, 1.0));
        assert_eq!(told.surest.map(|of| of.value), [0.25; 3]);
        assert_eq!(told.full_recall.value, 0.25);
    }

    #[test]
    fn intervals_hold_their_value_and_many_levels_lose_little() {
        let mut chance = chance(7);
        let many: Vec<Answer> = (0..20_000)
            .map(|n| {
                let genuine = chance.gen_bool(0.2);
                let belief = chance.gen::<f32>() + f32::from(u8::from(genuine));
                Answer {
                    belief,
                    genuine,
                    block: n % 20,
                }
            })
            .collect();
        let told = told(&many, &mut chance).unwrap();
        // A uniform against one that is moved by 1: all above.
        assert!(told.auc.value > 0.999);
        assert!(told.auc.low <= told.auc.value && told.auc.value <= told.auc.high);
        assert!((told.lift.value - 5.0).abs() < 0.2, "{:?}", told.lift);
        assert!(told.lift.low < told.lift.high);
    }

    #[test]
    fn where_nothing_is_to_be_told_apart_nothing_is_told() {
        assert_eq!(told(&answers(&[(1.0, true); 9]), &mut chance(1)), None);
        assert_eq!(told(&[], &mut chance(1)), None);
        assert_eq!(mean_by_block(&[], &mut chance(1)), None);
        let mean = mean_by_block(&[(3.0, 2.0), (1.0, 2.0)], &mut chance(1)).unwrap();
        assert_eq!(mean.value, 1.0);
    }
}
