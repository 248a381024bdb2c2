//! How single values are read from what was typed; each refusal says what is allowed.

use crate::cli::nearest::nearest;
use crate::defense::settings::DailyBudget;
use crate::flow::home::Vantage;
use crate::flow::observer::BinsFrom;
use crate::model::DeviceModel;
use crate::units::Rate;
use crate::{adversary, defense};
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

/// `--vantage`: as the traffic tells, or as the user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VantageChoice {
    /// As the traffic tells.
    Auto,
    /// As the user does.
    Told(Vantage),
}

impl VantageChoice {
    /// What the user told, if anything.
    pub fn told(self) -> Option<Vantage> {
        match self {
            Self::Auto => None,
            Self::Told(vantage) => Some(vantage),
        }
    }
}

pub(super) fn vantage(text: &str) -> Result<VantageChoice, String> {
    match text {
        "auto" => Ok(VantageChoice::Auto),
        "lan" => Ok(VantageChoice::Told(Vantage::Lan)),
        "wan" => Ok(VantageChoice::Told(Vantage::Wan)),
        _ => Err("there are auto, lan and wan".into()),
    }
}

pub(super) fn bins_from(text: &str) -> Result<BinsFrom, String> {
    match text {
        "clock" => Ok(BinsFrom::Clock),
        "first" => Ok(BinsFrom::First),
        _ => Err("there are clock and first".into()),
    }
}

pub(super) fn prefix(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "write an address or a prefix, as 203.0.113.9 or 192.168.1.0/24".into())
}

/// A time span such as `1s`, `500ms`, `2m`, `1h30m`, `1d12h`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time span such as 500ms, 1s, 2m, 1h30m or 1d".to_string();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
    }
    let (days, rest) = days(text).unwrap_or((Duration::ZERO, text));
    if rest.is_empty() && !text.is_empty() {
        return Ok(days);
    }
    let signed: jiff::SignedDuration = rest.parse().map_err(|_| wrong())?;
    let rest = Duration::try_from(signed).map_err(|_| wrong())?;
    days.checked_add(rest).ok_or_else(wrong)
}

/// The days that a time span begins with, of 24 hours each, and what stands after them.
fn days(text: &str) -> Option<(Duration, &str)> {
    let (days, rest) = text.split_once('d')?;
    let days: f64 = days.trim().parse().ok()?;
    let days = Duration::try_from_secs_f64(days * 86_400.0).ok()?;
    let rest = match rest.strip_prefix("ay") {
        Some(rest) => rest.strip_prefix('s').unwrap_or(rest),
        None => rest,
    };
    Some((days, rest.trim_start_matches([' ', ','])))
}

pub(super) fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => {
            Err("it must be longer than nothing: write a time from 1ns on, as 1s".into())
        }
        span => Ok(span),
    }
}

/// How long padding may last.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    let (least, most) = (Duration::from_millis(1), A_YEAR);
    from_to(
        text,
        least,
        most,
        "write a time from 1 ms to 365 days, as 6s",
    )
}

/// How often rates may be lowered.
pub(super) fn lowering(text: &str) -> Result<Duration, String> {
    let (least, most) = (Duration::from_secs(1), A_YEAR);
    from_to(
        text,
        least,
        most,
        "write a time from 1 s to 365 days, as 1h",
    )
}

const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

fn from_to(text: &str, least: Duration, most: Duration, wrong: &str) -> Result<Duration, String> {
    let span = duration(text)?;
    match (least..=most).contains(&span) {
        true => Ok(span),
        false => Err(wrong.into()),
    }
}

pub(super) fn sigma(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(k) if k.is_finite() && k > 0.0 => Ok(k),
        _ => Err("write a number above 0, as 3".into()),
    }
}

pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}

pub(super) fn flows(text: &str) -> Result<usize, String> {
    const RANGE: std::ops::RangeInclusive<usize> = 16..=4_000_000;
    match text.parse::<usize>() {
        Ok(flows) if RANGE.contains(&flows) => Ok(flows),
        _ => Err(format!(
            "write a number from {} to {}",
            RANGE.start(),
            RANGE.end()
        )),
    }
}

/// A choice by its word.
pub(super) fn one_of<T: Copy>(text: &str, all: &[(&str, T)]) -> Result<T, String> {
    let text = text.trim();
    let found = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, one)| *one).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        unknown(text, &names)
    })
}

/// What there is, and which of it somebody may have meant.
pub(super) fn unknown(typed: &str, names: &[&str]) -> String {
    let near = nearest(typed, names.iter().copied());
    match near.is_empty() {
        true => format!("there are {}", listed(names)),
        false => format!(
            "did you mean {}? there are {}",
            near.join(" or "),
            listed(names)
        ),
    }
}

/// `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.join(", "),
    }
}

/// A number within a range.
pub(super) fn between(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number: Option<f64> = text.trim().parse().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("write a number from {least} to {most}"))
}

/// A share that is more than nothing.
pub(super) fn share_above_zero(text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.trim().parse().ok();
    share
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| "write a number above 0 and up to 1, as 0.1".into())
}

/// A rate; its refusal names the range.
pub(super) fn tunnel_rate(text: &str) -> Result<Rate, String> {
    text.parse()
}

/// A time that a made-up trace may last: whole seconds, up to ten years.
pub(super) fn long(text: &str) -> Result<Duration, String> {
    const MOST: u64 = crate::model::generate::SECONDS_AT_MOST;
    let time = duration(text)?;
    match (1..=MOST).contains(&time.as_secs()) {
        true => Ok(time),
        false => Err("write a time from 1s to 10 years (3650d), as 1h".into()),
    }
}

/// Bytes in 30 days: `10GB/month`.
pub(super) fn data_cap(text: &str) -> Result<f64, String> {
    let wrong = || "write bytes in 30 days above 0 and up to 1e18, as 10GB/month".to_string();
    let lower = text.trim().to_ascii_lowercase();
    let amount = lower.strip_suffix("/month").unwrap_or(&lower).trim_end();
    let amount = amount.strip_suffix('b').unwrap_or(amount);
    let units = [('k', 1e3), ('m', 1e6), ('g', 1e9), ('t', 1e12)];
    let unit = units.iter().find(|(letter, _)| amount.ends_with(*letter));
    let (number, worth) = match unit {
        Some((letter, worth)) => (amount.trim_end_matches(*letter), *worth),
        None => (amount, 1.0),
    };
    let bytes = number.trim().parse::<f64>().map_err(|_| wrong())? * worth;
    match bytes > 0.0 && bytes <= 1e18 {
        true => Ok(bytes),
        false => Err(wrong()),
    }
}

/// Periods a day, or auto.
pub(super) fn daily_budget(text: &str) -> Result<DailyBudget, String> {
    if text.trim().eq_ignore_ascii_case("auto") {
        return Ok(DailyBudget::Auto);
    }
    let periods = text
        .trim()
        .parse()
        .ok()
        .filter(|n| (1..=10_000_000u64).contains(n));
    let periods = periods.map(DailyBudget::Periods);
    periods.ok_or_else(|| "write auto, or periods a day, 1 to 10000000".into())
}

/// A row of the list of defenses, or all.
#[derive(Clone, Copy)]
pub enum DefenseChoice {
    /// All of them.
    All,
    /// This one.
    One(&'static defense::Row),
}

impl std::fmt::Debug for DefenseChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::One(row) => row.name,
        })
    }
}

pub(super) fn defense(text: &str) -> Result<DefenseChoice, String> {
    let text = text.trim().to_ascii_lowercase();
    match (text.as_str(), defense::find(&text)) {
        ("all", _) => Ok(DefenseChoice::All),
        (_, Some(row)) => Ok(DefenseChoice::One(row)),
        _ => {
            let names = defense::DEFENSES.iter().map(|row| row.name);
            let names: Vec<&str> = names.chain(["all"]).collect();
            Err(unknown(&text, &names))
        }
    }
}

/// A row of the lists of adversaries, or several.
#[derive(Clone, Copy, Debug)]
pub enum AdversaryChoice {
    /// All of them.
    All,
    /// Those that need not be taught.
    Usual,
    /// This one.
    One(&'static adversary::Row),
    /// This one, which has to be taught.
    Taught(&'static adversary::PupilRow),
}

pub(super) fn adversary(text: &str) -> Result<AdversaryChoice, String> {
    let text = text.trim().to_ascii_lowercase();
    let (usual, taught) = (adversary::find(&text), adversary::find_pupil(&text));
    match (text.as_str(), usual, taught) {
        ("all", ..) => Ok(AdversaryChoice::All),
        ("usual", ..) => Ok(AdversaryChoice::Usual),
        (_, Some(row), _) => Ok(AdversaryChoice::One(row)),
        (.., Some(row)) => Ok(AdversaryChoice::Taught(row)),
        _ => {
            let names = adversary::ADVERSARIES.iter().map(|row| row.name);
            let taught = adversary::PUPILS.iter().map(|row| row.name);
            let names: Vec<&str> = names.chain(taught).chain(["usual", "all"]).collect();
            Err(unknown(&text, &names))
        }
    }
}

/// The id of one of the paper's devices.
pub(super) fn published(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    let known = DeviceModel::published();
    match known.iter().find(|model| model.id == text) {
        Some(model) => Ok(model.id.clone()),
        None => {
            let ids: Vec<&str> = known.iter().map(|model| model.id.as_str()).collect();
            Err(unknown(&text, &ids))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, millis) in [
            ("1s", 1_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("0.5", 500),
            ("1d", 86_400_000),
            ("365d", 31_536_000_000),
            ("1d12h", 129_600_000),
            ("2 days, 1s", 172_801_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "", "-1s", "nan", "inf", "1x", "1e300", "1dx", "d", "1e300d", "-1d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(positive("0s").unwrap_err().contains("from 1ns"));
        assert_eq!(period("365d"), Ok(A_YEAR));
        for (refused, range) in [
            (period("0"), "1 ms to 365 days"),
            (period("400d"), "1 ms to 365 days"),
            (lowering("0"), "1 s to 365 days"),
        ] {
            assert!(refused.unwrap_err().contains(range));
        }
    }

    #[test]
    fn homes_are_addresses_or_prefixes() {
        assert_eq!(prefix("203.0.113.9").unwrap().to_string(), "203.0.113.9/32");
        assert_eq!(
            prefix("2001:db8::/48").unwrap().to_string(),
            "2001:db8::/48"
        );
        assert!(prefix("home").is_err());
    }

    #[test]
    fn data_caps_are_read_with_their_unit() {
        for (text, bytes) in [
            ("10GB/month", 10e9),
            ("1.5 TB", 1.5e12),
            ("500mb/month", 500e6),
            ("1000", 1000.0),
        ] {
            assert_eq!(data_cap(text), Ok(bytes), "{text}");
        }
        for text in [
            "", "0", "-1GB", "nan", "inf", "1e30", "GB/month", "10GB/day",
        ] {
            assert!(data_cap(text).is_err(), "{text}");
        }
    }

    #[test]
    fn daily_budgets_are_read() {
        assert_eq!(daily_budget("Auto"), Ok(DailyBudget::Auto));
        assert_eq!(daily_budget("120"), Ok(DailyBudget::Periods(120)));
        for text in ["", "0", "-3", "1.5", "10000001"] {
            assert!(daily_budget(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lists_of_names_are_told() {
        let said = one_of("x", &[("a", 1), ("b", 2), ("c", 3)]).unwrap_err();
        assert_eq!(said, "there are a, b and c");
        let said = defense("spt").err().unwrap_or_default();
        assert!(
            said.starts_with("did you mean stp? there are none"),
            "{said}"
        );
        let said = adversary("treshold").err().unwrap_or_default();
        assert!(said.starts_with("did you mean threshold? "), "{said}");
        let said = one_of("phantm", &[("phantom", 1), ("paper", 2)]).unwrap_err();
        assert_eq!(said, "did you mean phantom? there are phantom and paper");
        assert!(defense("nothing").unwrap_err().contains("stp and all"));
        assert!(adversary("nobody")
            .unwrap_err()
            .starts_with("there are threshold"));
        assert_eq!(
            published("fridge").unwrap_err(),
            "there are wemo, nest and echo"
        );
    }
}
