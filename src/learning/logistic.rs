//! Logistic regression: the log-odds of a row are a sum over its features (linfa's, by L-BFGS with a penalty on large
//! weights). What a straight line can tell; a forest that does no better says that there is no more to it.

use super::examples::{Examples, LearnError};
use linfa::prelude::Fit;
use linfa::DatasetBase;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

/// Steps at most.
const STEPS: u64 = 100;

/// How each feature is moved and stretched to mean 0 and deviation 1; one that never varies is left at 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scale {
    /// Of these rows.
    pub fn of(examples: &Examples) -> Self {
        let n = examples.rows.len().max(1) as f64;
        let column = |at: usize| {
            let values = examples.rows.iter();
            values.map(move |example| example.row.get(at).copied().unwrap_or(0.0))
        };
        let mean: Vec<f64> = (0..examples.width())
            .map(|at| column(at).sum::<f64>() / n)
            .collect();
        let deviation = mean.iter().enumerate().map(|(at, mean)| {
            let squares: f64 = column(at).map(|value| (value - mean).powi(2)).sum();
            (squares / n).sqrt()
        });
        Self {
            deviation: deviation.collect(),
            mean,
        }
    }

    /// A row by it.
    pub fn apply(&self, row: &[f64]) -> Vec<f64> {
        let scales = self.mean.iter().zip(&self.deviation);
        row.iter()
            .zip(scales)
            .map(|(value, (mean, deviation))| match *deviation > 1e-9 {
                // What is far outside of all that was learned from says no more than the farthest of it.
                true => ((value - mean) / deviation).clamp(-8.0, 8.0),
                false => 0.0,
            })
            .collect()
    }
}

/// The regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    scale: Scale,
    weights: Vec<f64>,
    intercept: f64,
}

impl Logistic {
    /// Fits it.
    ///
    /// # Errors
    /// Examples that cannot be learned from.
    pub fn fit(examples: &Examples) -> Result<Self, LearnError> {
        examples.check()?;
        let scale = Scale::of(examples);
        let rows = examples.rows.len();
        let numbers: Vec<f64> = examples
            .rows
            .iter()
            .flat_map(|e| scale.apply(&e.row))
            .collect();
        let failed = |error: &dyn std::fmt::Display| LearnError::Library(error.to_string());
        let records =
            Array2::from_shape_vec((rows, examples.width()), numbers).map_err(|e| failed(&e))?;
        let classes: Array1<bool> = examples.rows.iter().map(|e| e.genuine()).collect();
        let fitted = LogisticRegression::default()
            .alpha(1.0)
            .max_iterations(STEPS)
            .fit(&DatasetBase::new(records, classes))
            .map_err(|e| failed(&e))?;
        // linfa calls the commoner class positive, or the first of equals, whichever that is.
        let sign = match fitted.labels().pos.class {
            true => 1.0,
            false => -1.0,
        };
        Ok(Self {
            scale,
            weights: fitted.params().iter().map(|weight| sign * weight).collect(),
            intercept: sign * fitted.intercept(),
        })
    }

    /// The log-odds of a row, as if as many were genuine as were learned from.
    pub fn log_odds(&self, row: &[f64]) -> f64 {
        let scaled = self.scale.apply(row);
        let sum: f64 = scaled.iter().zip(&self.weights).map(|(x, w)| x * w).sum();
        sum + self.intercept
    }

    /// How sure it is that a row is genuine: 0 to 1.
    pub fn belief(&self, row: &[f64]) -> f64 {
        1.0 / (1.0 + (-self.log_odds(row)).exp())
    }

    /// Features of a row.
    pub fn width(&self) -> usize {
        self.weights.len()
    }

    /// Whether it is one that could have been fitted: of one that was read from a file.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn check(&self) -> Result<(), String> {
        let width = self.weights.len();
        let numbers = self.weights.iter().chain(&self.scale.mean);
        let mut numbers = numbers
            .chain(&self.scale.deviation)
            .chain([&self.intercept]);
        match width == self.scale.mean.len()
            && width == self.scale.deviation.len()
            && numbers.all(|number| number.is_finite())
        {
            true => Ok(()),
            false => Err("weights that are none".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::tests::told_by_the_first;
    use super::*;

    #[test]
    fn a_border_is_found_and_what_never_varies_does_no_harm() {
        let mut examples = told_by_the_first(400, 1);
        for example in &mut examples.rows {
            example.row.push(3.0);
        }
        let fitted = Logistic::fit(&examples).unwrap();
        assert!(fitted.belief(&[0.9, 0.5, 3.0]) > 0.9);
        let other = Logistic::fit(&told_by_the_first(401, 4)).unwrap();
        assert!(other.belief(&[0.9, 0.5]) > 0.9);
        assert!(fitted.belief(&[0.1, 0.5, 99.0]) < 0.1);
        assert_eq!(fitted.check(), Ok(()));
        let mut bad = fitted;
        bad.weights[0] = f64::NAN;
        assert!(bad.check().is_err());
    }
}
