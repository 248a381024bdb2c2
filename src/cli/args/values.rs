//! How single values are read from what was typed; each refusal says what is allowed.

use crate::flow::home::Vantage;
use crate::flow::observer::BinsFrom;
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

/// A time span such as `1s`, `500ms`, `2m`, `1h30m`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time span such as 500ms, 1s, 2m or 1h30m".to_string();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
    }
    let signed: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

pub(super) fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".into()),
        span => Ok(span),
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
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "-1s", "nan", "inf", "1x", "1e300"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(positive("0s").is_err());
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
}
