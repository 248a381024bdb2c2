//! What a device is called in a report: one name, a set of names, or its id where nobody knows it.

use super::human::{line, listed};
use crate::inference::{Candidate, Device};

/// Candidates within this share of the best one's score are as likely as it, and named beside it.
const AS_LIKELY: f64 = 0.9;
/// Names shown of a set, as many as fit this width.
const SHOWN: usize = 3;
const WIDE: usize = 48;

/// `Belkin WeMo Switch`; `Nest Cam {Indoor|IQ}` where several are equally likely; the id where none is known.
pub fn device_name(device: &Device) -> String {
    let likely = likely(&device.candidates);
    let name = |shown: usize| {
        let names: Vec<&str> = likely
            .iter()
            .take(shown)
            .map(|one| one.name.as_str())
            .collect();
        match (likely.len().saturating_sub(shown), names.as_slice()) {
            (0, _) => families(&names),
            // One of a set alone would read as if it were the answer.
            (more, [only]) => match only.split_once(' ') {
                Some((vendor, product)) => format!("{vendor} {{{product}|{more} more}}"),
                None => format!("{{{only}|{more} more}}"),
            },
            (more, _) => format!("{} +{more} more", families(&names)),
        }
    };
    if likely.is_empty() {
        return line(&device.id);
    }
    let fitting = (1..=SHOWN).rev().map(name).find(|name| name.len() <= WIDE);
    line(&fitting.unwrap_or_else(|| name(1)))
}

/// The candidates that are as likely as the best.
pub fn likely(candidates: &[Candidate]) -> &[Candidate] {
    let best = candidates.first().map_or(0.0, |best| best.score);
    let as_likely = |one: &&Candidate| one.score >= best * AS_LIKELY;
    // The best is one of them even where its score is no number.
    let number = candidates.iter().take_while(as_likely).count().max(1);
    candidates.get(..number).unwrap_or(candidates)
}

/// Names of one vendor (the first word) go together; vendors are set apart by `or`.
fn families(names: &[&str]) -> String {
    let mut families: Vec<Vec<Vec<&str>>> = Vec::new();
    for name in names {
        let words: Vec<&str> = name.split_whitespace().collect();
        let kin = families
            .iter_mut()
            .find(|family| family.first().and_then(|one| one.first()) == words.first());
        match kin {
            Some(family) => family.push(words),
            None => families.push(vec![words]),
        }
    }
    let families: Vec<String> = families.iter().map(|family| braces(family)).collect();
    listed(&families, SHOWN, " or ")
}

/// The words all names begin with, then what sets each apart. A name that is nothing but those words is the vendor's other
/// products, and comes last.
fn braces(names: &[Vec<&str>]) -> String {
    let Some((first, others)) = names.split_first() else {
        return String::new();
    };
    if others.is_empty() {
        return first.join(" ");
    }
    let common = first
        .iter()
        .enumerate()
        .take_while(|(at, word)| others.iter().all(|name| name.get(*at) == Some(word)))
        .count();
    let rest = |name: &Vec<&str>| name.get(common..).unwrap_or_default().join(" ");
    let (mut apart, whole): (Vec<String>, Vec<String>) =
        names.iter().map(rest).partition(|rest| !rest.is_empty());
    if !whole.is_empty() {
        apart.push("other".to_owned());
    }
    let common = first.get(..common).unwrap_or_default().join(" ");
    format!("{common} {{{}}}", apart.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(candidates: &[(&str, f64)]) -> String {
        let mut device = crate::report::sample::unknown("unknown-7");
        device.candidates = candidates
            .iter()
            .map(|(name, score)| Candidate {
                id: name.to_lowercase(),
                name: (*name).to_owned(),
                score: *score,
            })
            .collect();
        device_name(&device)
    }

    #[test]
    fn one_is_named_and_none_is_the_id() {
        assert_eq!(called(&[]), "unknown-7");
        assert_eq!(called(&[("Belkin WeMo Switch", 0.9)]), "Belkin WeMo Switch");
    }

    #[test]
    fn equals_share_what_they_have_in_common() {
        assert_eq!(
            called(&[("Nest Cam Indoor", 0.48), ("Nest Cam IQ", 0.47)]),
            "Nest Cam {Indoor|IQ}"
        );
    }

    #[test]
    fn the_less_likely_are_left_to_the_evidence() {
        assert_eq!(
            called(&[("Nest Cam Indoor", 0.8), ("Nest Cam IQ", 0.1)]),
            "Nest Cam Indoor"
        );
    }

    #[test]
    fn the_vendor_alone_stands_for_its_other_products() {
        assert_eq!(
            called(&[("Nest", 0.5), ("Nest Cam", 0.5)]),
            "Nest {Cam|other}"
        );
    }

    #[test]
    fn vendors_are_set_apart_and_the_rest_is_counted() {
        assert_eq!(
            called(&[("Ring Doorbell", 0.5), ("Nest Cam", 0.5)]),
            "Ring Doorbell or Nest Cam"
        );
        assert_eq!(
            called(&[
                ("Nest Cam", 0.5),
                ("Ring Doorbell", 0.5),
                ("Nest Protect", 0.5),
                ("Hue Hub", 0.5),
                ("Wyze", 0.5)
            ]),
            "Nest {Cam|Protect} or Ring Doorbell +2 more"
        );
    }

    #[test]
    fn the_best_is_named_even_where_its_score_is_no_number() {
        assert_eq!(called(&[("Nest Cam", f64::NAN), ("Ring", 0.2)]), "Nest Cam");
    }
}
