//! Numbers as they are typed: lists and ranges alike, as `0,0.01,0.1..1:0.1`.

use crate::units::Probability;
use std::collections::HashSet;

/// Most numbers of a list.
pub const VALUES_AT_MOST: usize = 100_000;

/// How far beyond its last step, in steps, the end of a range may lie and still belong to it.
const ROUNDING: f64 = 1e-6;

/// Reads numbers and ranges `FIRST..LAST:STEP` between commas. A range holds its end where a step falls on it. A number that
/// comes twice is taken once.
///
/// # Errors
/// What is wrong, and what may be written instead: no number, an infinite one, a step that is not above 0, a range that runs
/// backwards, more than [`VALUES_AT_MOST`] values.
pub fn parse_list(text: &str) -> Result<Vec<f64>, String> {
    let (mut values, mut seen) = (Vec::new(), HashSet::new());
    for item in text.split(',').map(str::trim) {
        let (first, count, step) = match item.split_once("..") {
            None => (number(item, item)?, 1, 0.0),
            Some((first, rest)) => range(item, first, rest)?,
        };
        for n in 0..count {
            let value = plain(first + n as f64 * step);
            if seen.insert(value.to_bits()) {
                values.push(value);
            }
        }
        if values.len() > VALUES_AT_MOST {
            return Err(many(text));
        }
    }
    Ok(values)
}

/// The same, of probabilities.
///
/// # Errors
/// As [`parse_list`]; and what is not from 0 to 1.
pub fn parse_probabilities(text: &str) -> Result<Vec<Probability>, String> {
    let values = parse_list(text)?.into_iter();
    values
        .map(|value| {
            Probability::new(value)
                .ok_or_else(|| format!("`{value}` is no probability; write numbers from 0 to 1"))
        })
        .collect()
}

fn number(text: &str, item: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().parse().ok();
    number.filter(|number| number.is_finite()).ok_or_else(|| {
        format!("`{item}` is no number and no range; write as 0.01, or as 0..1:0.01 from first to last by a step above 0")
    })
}

/// First, how many, and step.
fn range(item: &str, first: &str, rest: &str) -> Result<(f64, usize, f64), String> {
    let (last, step) = rest
        .split_once(':')
        .ok_or_else(|| format!("`{item}` lacks a step; write as 0..1:0.01"))?;
    let (first, last, step) = (
        number(first, item)?,
        number(last, item)?,
        number(step, item)?,
    );
    if step <= 0.0 {
        return Err(format!("the step of `{item}` must be above 0"));
    }
    if last < first {
        return Err(format!(
            "`{item}` runs backwards; write the smaller number first"
        ));
    }
    let steps = ((last - first) / step + ROUNDING).floor();
    // Also what is not finite: the span of two huge numbers, or a step too small for it.
    if !steps.is_finite() || steps >= VALUES_AT_MOST as f64 {
        return Err(many(item));
    }
    Ok((first, steps as usize + 1, step))
}

fn many(text: &str) -> String {
    format!("`{text}` has more than {VALUES_AT_MOST} values; take a larger step")
}

/// 57 steps of 0.01 are 0.57 and not 0.5700000000000001: the nearest number with 12 decimals, where that means anything.
/// Negative zero is zero.
fn plain(value: f64) -> f64 {
    let decimals = 1e12;
    match value.abs() < 1e3 && value.abs() >= 1e-6 {
        true => (value * decimals).round() / decimals,
        false => value + 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_may_be_mixed() {
        assert_eq!(parse_list("0.5"), Ok(vec![0.5]));
        assert_eq!(
            parse_list("0, 0.01,0.1..0.4:0.1,2"),
            Ok(vec![0.0, 0.01, 0.1, 0.2, 0.3, 0.4, 2.0])
        );
        // No step falls on the end.
        assert_eq!(parse_list("0..1:0.4"), Ok(vec![0.0, 0.4, 0.8]));
        assert_eq!(parse_list("0.3..0.3:1"), Ok(vec![0.3]));
        assert_eq!(parse_list("0,0,-0.0,0..1:1"), Ok(vec![0.0, 1.0]));
        assert_eq!(parse_list("-1..1:1"), Ok(vec![-1.0, 0.0, 1.0]));
    }

    #[test]
    fn steps_give_the_numbers_one_would_write() {
        let q = parse_list("0..1:0.01").unwrap();
        assert_eq!(q.len(), 101);
        for (n, value) in q.iter().enumerate() {
            let written: f64 = format!("{}.{:02}", n / 100, n % 100).parse().unwrap();
            assert_eq!(*value, written);
        }
        assert_eq!(parse_list("0.01..0.1:0.01").unwrap().len(), 10);
        assert_eq!(parse_list("1e-9").unwrap(), [1e-9]);
    }

    #[test]
    fn nonsense_is_refused_and_says_what_is_allowed() {
        for (bad, says) in [
            ("", "is no number"),
            ("0,,1", "is no number"),
            ("nan", "is no number"),
            ("inf", "is no number"),
            ("0..nan:1", "is no number"),
            ("0..1", "lacks a step"),
            ("0..1:0", "above 0"),
            ("0..1:-0.1", "above 0"),
            ("1..0:0.1", "backwards"),
            ("0..1:1e-9", "more than 100000"),
            ("-1e308..1e308:1", "more than 100000"),
            ("0..1e300:1e-300", "more than 100000"),
            ("0..1:0.00001,2..3:0.00001", "more than 100000"),
        ] {
            let error = parse_list(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
        let error = parse_probabilities("0.5,1.01").unwrap_err();
        assert!(error.contains("from 0 to 1"), "{error}");
        assert!(parse_probabilities("-0.1").is_err());
        assert_eq!(parse_probabilities("0..1:0.5").unwrap().len(), 3);
    }
}
