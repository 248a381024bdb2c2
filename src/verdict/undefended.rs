//! The control of the undefended home: an adversary who cannot tell what people do without a defense is no measure of one.

use super::held::ALL;
use super::Outcome;

/// The defense that is none.
const NONE: &str = "none";
/// An adversary who can do it at all is right in so many of its claims, by the upper end of the interval.
const ABLE: f64 = 0.9;

/// A caveat for each adversary who fails without a defense; none where nothing was left undefended. `rhythms`: whether claims
/// that follow a rhythm are left in.
pub fn unable(results: &[Outcome], rhythms: bool) -> Vec<String> {
    let undefended = results
        .iter()
        .filter(|row| row.defense == NONE && row.device == ALL);
    undefended
        .filter_map(|row| {
            let share = row.confidence.filter(|c| c.high < ABLE)?.value * 100.0;
            let hint = match (row.adversary.as_str(), rhythms) {
                ("threshold", true) => "; try --ignore-periodic",
                ("threshold", false) => "; try another --sigma, --merge or --tolerance",
                _ => "",
            };
            Some(format!(
                "{} is right in {share:.0} % of its claims even without a defense: what it reaches under one says little{hint}",
                row.adversary
            ))
        })
        .collect()
}
