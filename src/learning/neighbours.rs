//! How well anybody could do, from the nearest neighbour alone.
//!
//! Who always answers as the nearest known row did errs, with rows without end, at most twice as often as the best that any
//! classifier of these features can do: R* <= R_NN <= 2 R* (1 - R*) (T. Cover, P. Hart, "Nearest Neighbor Pattern
//! Classification", IEEE Trans. Inf. Theory 13, 1967). Turned round, the best errs at least (1 - sqrt(1 - 2 R_NN)) / 2. With
//! few rows both are estimates: a bound that is far above what a classifier reached says that rows are missing.

use super::examples::{Examples, LearnError};
use super::logistic::Scale;

/// Rows that are compared at most, each with each: four million comparisons.
pub const ROWS_AT_MOST: usize = 2_000;

/// What the nearest neighbour tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Rows it rests on.
    pub rows: usize,
    /// How often the nearest neighbour of another group is of another class: R_NN.
    pub neighbour: f64,
    /// The least error of any classifier, by that; never more than `always`, which is a classifier too.
    pub least: f64,
    /// The error of who always says the commoner class.
    pub always: f64,
}

/// Of rows in the proportion in which they come; `None` where no row has a neighbour of another group.
///
/// # Errors
/// Examples that cannot be learned from.
pub fn bound(examples: &Examples) -> Result<Option<Bound>, LearnError> {
    examples.check()?;
    let scale = Scale::of(examples);
    let rows: Vec<(Vec<f64>, bool, u32)> = examples
        .rows
        .iter()
        .take(ROWS_AT_MOST)
        .map(|e| (scale.apply(&e.row), e.genuine(), e.group))
        .collect();
    let (mut wrong, mut asked, mut genuine) = (0u32, 0u32, 0u32);
    for (row, class, group) in &rows {
        let others = rows.iter().filter(|other| other.2 != *group);
        let nearest = others.map(|other| (distance(row, &other.0), other.1));
        if let Some((_, found)) = nearest.min_by(|a, b| a.0.total_cmp(&b.0)) {
            asked += 1;
            wrong += u32::from(found != *class);
            genuine += u32::from(*class);
        }
    }
    if asked == 0 {
        return Ok(None);
    }
    let share = |count: u32| f64::from(count) / f64::from(asked);
    let neighbour = share(wrong);
    let always = share(genuine).min(1.0 - share(genuine));
    let least = (1.0 - (1.0 - 2.0 * neighbour.min(0.5)).sqrt()) / 2.0;
    Ok(Some(Bound {
        rows: asked as usize,
        neighbour,
        least: least.min(always),
        always,
    }))
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::super::examples::Example;
    use super::*;

    fn rows(values: &[(f64, u16)]) -> Examples {
        let rows = values
            .iter()
            .zip(0..)
            .map(|(&(value, class), group)| Example {
                row: vec![value],
                class,
                group,
            });
        Examples::whole(rows.collect())
    }

    #[test]
    fn the_bound_by_hand() {
        // Two clusters of ten, each row a step farther from the one before than that from its own: the nearest of each is the
        // one before it, and of the first the second. No neighbour is of the other class.
        let cluster =
            |from: f64, class| (0..10).map(move |n| (from + f64::from(n * (n + 1) / 2), class));
        let mut values: Vec<(f64, u16)> = cluster(0.0, 0).chain(cluster(1_000.0, 1)).collect();
        let clear = bound(&rows(&values)).unwrap().unwrap();
        assert_eq!(
            (clear.neighbour, clear.least, clear.always),
            (0.0, 0.0, 0.5)
        );
        // One of each cluster changes its class. In the first it errs and with it the first row and the third, whose nearest
        // it is; in the second it and the row after it.
        values[1].1 = 1;
        values[15].1 = 0;
        let blurred = bound(&rows(&values)).unwrap().unwrap();
        assert_eq!(blurred.neighbour, 5.0 / 20.0);
        let least = (1.0 - 0.5f64.sqrt()) / 2.0;
        assert!((blurred.least - least).abs() < 1e-12);
    }

    #[test]
    fn nobody_errs_more_than_the_commoner_class() {
        // A hundred pairs of neighbours; of the first eight one each is genuine, and both err. That is 16 of 200, by which the
        // best would err in (1 - sqrt(.84)) / 2, 4.2 %: but to say "not genuine" errs in 8 of 200.
        let pair = |n: u16| {
            [
                (f64::from(n) * 100.0, 0),
                (f64::from(n) * 100.0 + 1.0, u16::from(n < 8)),
            ]
        };
        let pairs: Vec<(f64, u16)> = (0..100).flat_map(pair).collect();
        let found = bound(&rows(&pairs)).unwrap().unwrap();
        assert_eq!((found.neighbour, found.always), (0.08, 0.04));
        assert_eq!(found.least, 0.04);
    }

    #[test]
    fn rows_of_one_group_have_no_neighbour() {
        let mut examples = rows(&[(0.0, 0); 10]);
        examples.rows.extend(rows(&[(1.0, 1); 10]).rows);
        for example in &mut examples.rows {
            example.group = 4;
        }
        assert_eq!(bound(&examples), Ok(None));
    }
}
