//! The levels at which a device sends, found in what it sent.
//!
//! By k-means (S. Lloyd, 1982) on the logarithms, from beginnings that are always the same, so nothing is drawn by chance. Of
//! devices another level is that nothing is sent: a use that begins a moment after the window's end counts for it too. How
//! often that is, a few turns of expectation and maximisation tell (A. Dempster, N. Laird, D. Rubin, 1977), which move the
//! other levels as well.

use super::model::{Level, Sum};

/// Windows that each level stands for at least.
const LEVEL_AT_LEAST: usize = 8;
/// Turns of k-means, and of expectation and maximisation.
const TURNS: usize = 20;

/// Mean and variance of bytes up and down, while they are summed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    /// How many, by their weights.
    pub(super) weight: f64,
    sum: [f64; 2],
    squares: [f64; 2],
}

impl Moments {
    pub(super) fn add(&mut self, weight: f64, of: [f64; 2]) {
        self.weight += weight;
        for ((sum, squares), of) in self.sum.iter_mut().zip(&mut self.squares).zip(of) {
            *sum += weight * of;
            *squares += weight * of * of;
        }
    }

    pub(super) fn mean(&self) -> [f64; 2] {
        self.sum.map(|sum| sum / self.weight.max(f64::MIN_POSITIVE))
    }

    pub(super) fn variance(&self) -> [f64; 2] {
        let mean = self.mean();
        let of = |squares: f64, mean: f64| {
            (squares / self.weight.max(f64::MIN_POSITIVE) - mean * mean).max(0.0)
        };
        [of(self.squares[0], mean[0]), of(self.squares[1], mean[1])]
    }
}

/// Levels of rows of bytes up and down, at most so many: k-means on the logarithms, from parts of equal number.
pub(super) fn levels(rows: &[[f64; 2]], most: usize) -> Vec<Level> {
    let mut points: Vec<([f64; 2], [f64; 2])> =
        rows.iter().map(|row| (row.map(f64::ln_1p), *row)).collect();
    points.sort_by(|(a, _), (b, _)| {
        let (sum_a, sum_b) = (a[0] + a[1], b[0] + b[1]);
        sum_a.total_cmp(&sum_b).then(a[0].total_cmp(&b[0]))
    });
    let count = most.min(points.len() / LEVEL_AT_LEAST).max(1);
    let mut centres: Vec<[f64; 2]> = (0..count)
        .filter_map(|nth| {
            let from = nth * points.len() / count;
            let part = points.get(from..(nth + 1) * points.len() / count)?;
            let mut moments = Moments::default();
            part.iter().for_each(|(log, _)| moments.add(1.0, *log));
            (moments.weight > 0.0).then(|| moments.mean())
        })
        .collect();
    let mut found = Vec::new();
    for _ in 0..TURNS {
        let mut logs = vec![Moments::default(); centres.len()];
        let mut bytes = logs.clone();
        for (log, row) in &points {
            let place = nearest(&centres, *log);
            if let (Some(logs), Some(bytes)) = (logs.get_mut(place), bytes.get_mut(place)) {
                logs.add(1.0, *log);
                bytes.add(1.0, *row);
            }
        }
        bytes.retain(|of| of.weight > 0.0);
        found = bytes;
        let next: Vec<[f64; 2]> = logs
            .iter()
            .filter(|of| of.weight > 0.0)
            .map(Moments::mean)
            .collect();
        if next == centres {
            break;
        }
        centres = next;
    }
    let all = points.len().max(1) as f64;
    found
        .iter()
        .map(|of| Level {
            share: of.weight / all,
            mean: of.mean(),
            variance: of.variance(),
        })
        .collect()
}

pub(super) fn nearest(centres: &[[f64; 2]], to: [f64; 2]) -> usize {
    let far = |centre: &[f64; 2]| {
        let (up, down) = (centre[0] - to[0], centre[1] - to[1]);
        up * up + down * down
    };
    let all = centres.iter().enumerate();
    let nearest = all.min_by(|(_, a), (_, b)| far(a).total_cmp(&far(b)));
    nearest.map_or(0, |(place, _)| place)
}

/// What is left of bytes up and down, at least nothing.
pub(super) fn less(bytes: [f64; 2], by: [f64; 2]) -> [f64; 2] {
    [(bytes[0] - by[0]).max(0.0), (bytes[1] - by[1]).max(0.0)]
}

/// The same levels and one of nothing, by expectation and maximisation over rows of what was seen less the background's usual.
pub(super) fn with_silence(
    mut levels: Vec<Level>,
    rows: &[[f64; 2]],
    background: &[Level],
    beside: &Level,
) -> Vec<Level> {
    let usual = beside.mean.map(|mean| mean * beside.share);
    let noise = idle_variance(beside);
    let seen: Vec<[f64; 2]> = rows
        .iter()
        .map(|row| [row[0] + usual[0], row[1] + usual[1]].map(f64::ln_1p))
        .collect();
    let under = [Level::silent(1.0 - beside.share), beside.clone()];
    let first = 1.0 / (levels.len() as f64 + 1.0);
    levels.iter_mut().for_each(|of| of.share *= 1.0 - first);
    levels.push(Level::silent(first));
    for _ in 0..TURNS {
        let densities: Vec<Vec<Sum>> = levels
            .iter()
            .map(|level| {
                let under = if level.is_silent() {
                    background
                } else {
                    &under
                };
                let all = under.iter().map(|of| of.with(level));
                all.filter(|of| of.share > 0.0).map(|of| of.sum()).collect()
            })
            .collect();
        let mut found = vec![Moments::default(); levels.len()];
        for (row, seen) in rows.iter().zip(&seen) {
            let logs: Vec<Vec<f64>> = densities
                .iter()
                .map(|sums| sums.iter().map(|sum| sum.log(*seen)).collect())
                .collect();
            let best = logs
                .iter()
                .flatten()
                .fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            let chances: Vec<f64> = logs
                .iter()
                .map(|logs| logs.iter().map(|log| (log - best).exp()).sum())
                .collect();
            let all: f64 = chances.iter().sum();
            for (found, chance) in found.iter_mut().zip(&chances) {
                found.add(chance / all.max(f64::MIN_POSITIVE), less(*row, [0.0; 2]));
            }
        }
        let count = rows.len().max(1) as f64;
        for (level, found) in levels.iter_mut().zip(&found) {
            level.share = found.weight / count;
            if !level.is_silent() && found.weight > 0.5 {
                level.mean = found.mean();
                level.variance = less(found.variance(), noise);
            }
        }
    }
    levels.retain(|of| of.share > 0.0);
    levels
}

/// The variance of what the background adds to a window that may be silent.
pub(super) fn idle_variance(beside: &Level) -> [f64; 2] {
    let of = |mean: f64, variance: f64| {
        let whole = mean * beside.share;
        (beside.share * (variance + mean * mean) - whole * whole).max(0.0)
    };
    [
        of(beside.mean[0], beside.variance[0]),
        of(beside.mean[1], beside.variance[1]),
    ]
}
