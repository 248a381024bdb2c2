//! The words everything else is written in: instants, spans, directions, addresses of the wire.
//!
//! The ground floor. It imports nothing of the project.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds in a second.
pub const NANOS: i64 = 1_000_000_000;

/// An instant of the capture, in nanoseconds since 1970-01-01 UTC; never the wall clock.
///
/// Arithmetic saturates: a hostile capture may name any instant, and none may panic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant `seconds` and `nanos` after 1970, clamped to what 64 bits of nanoseconds hold (1677 to 2262).
    pub fn new(seconds: i64, nanos: i64) -> Self {
        Self(seconds.saturating_mul(NANOS).saturating_add(nanos))
    }

    /// Seconds since 1970 as a floating-point number, for display and statistics only.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS as f64
    }

    /// How long after `earlier` this is; zero where it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }
}

/// A duration in whole nanoseconds, clamped to `i64`.
pub fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with as many decimals as the instant needs.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "{} ns since 1970", self.0),
        }
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From `start` to `end`, both included; never backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First instant.
    pub start: Timestamp,
    /// Last instant, at or after `start`.
    pub end: Timestamp,
}

impl Span {
    /// The span between two instants, given in either order.
    pub fn new(a: Timestamp, b: Timestamp) -> Self {
        Self {
            start: a.min(b),
            end: a.max(b),
        }
    }

    /// The single instant `at`.
    pub fn at(at: Timestamp) -> Self {
        Self { start: at, end: at }
    }

    /// The span grown so that it holds `at`.
    #[inline]
    pub fn extend(&mut self, at: Timestamp) {
        // Nearly every packet comes after those before: one test tells.
        if at > self.end {
            self.end = at;
        } else if at < self.start {
            self.start = at;
        }
    }

    /// The smallest span that holds both.
    pub fn union(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Whether the two share an instant once each end is moved outwards by `tolerance`.
    pub fn touches(self, other: Self, tolerance: Duration) -> bool {
        self.start <= other.end + tolerance && other.start <= self.end + tolerance
    }

    /// Whether `at` lies within.
    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at <= self.end
    }

    /// From start to end.
    pub fn duration(self) -> Duration {
        self.end.since(self.start)
    }
}

/// Which way bytes go, seen from the home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the home's device to its server.
    Up,
    /// From the server to the device.
    Down,
}

impl Direction {
    /// The other way.
    pub fn flip(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    /// Bytes that went this way, as bytes up and bytes down.
    pub fn split(self, bytes: u64) -> (u64, u64) {
        match self {
            Self::Up => (bytes, 0),
            Self::Down => (0, bytes),
        }
    }
}

/// A hardware address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The vendor's part: the first three bytes.
    pub fn oui(self) -> [u8; 3] {
        [self.0[0], self.0[1], self.0[2]]
    }

    /// Whether it names a group (multicast or broadcast) and not one device.
    pub fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether it was made up by the device (randomised), so that its first bytes tell no vendor.
    pub fn is_local(self) -> bool {
        self.0[0] & 2 == 2
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl std::str::FromStr for Mac {
    type Err = String;

    /// Six hexadecimal pairs split by `:` or `-`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0u8; 6];
        let mut parts = text.trim().split([':', '-']);
        for byte in &mut bytes {
            *byte = parts
                .next()
                .filter(|part| part.len() <= 2)
                .and_then(|part| u8::from_str_radix(part, 16).ok())
                .ok_or_else(|| {
                    format!("`{text}` is no MAC address; write it as 24:ce:33:24:b5:cb")
                })?;
        }
        match parts.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(format!("`{text}` is longer than a MAC address")),
        }
    }
}

/// A chance: a number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, serde::Serialize)]
#[serde(transparent)]
pub struct Probability(f64);

impl Probability {
    /// What never happens.
    pub const NEVER: Self = Self(0.0);
    /// What always happens.
    pub const ALWAYS: Self = Self(1.0);

    /// A chance, if the number is one.
    pub fn new(chance: f64) -> Option<Self> {
        // Adding zero turns -0.0 into 0.0.
        (0.0..=1.0).contains(&chance).then_some(Self(chance + 0.0))
    }

    /// The number nearest to `chance` that is a chance; none at all (NaN) counts as never.
    pub fn clamped(chance: f64) -> Self {
        match chance > 0.0 {
            true => Self(chance.min(1.0)),
            false => Self::NEVER,
        }
    }

    /// From 0 to 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Probability {
    type Err = String;

    /// A number from 0 to 1, as `0.01`.
    fn from_str(text: &str) -> Result<Self, String> {
        let chance = text.trim().parse().ok().and_then(Self::new);
        chance.ok_or_else(|| format!("`{text}` is no probability; write a number from 0 to 1"))
    }
}

/// Bytes a second, above none and at most [`Rate::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, serde::Serialize)]
#[serde(transparent)]
pub struct Rate(f64);

impl Rate {
    /// 100 Gbit/s: more than any home has.
    pub const MOST: Self = Self(12.5e9);

    /// A rate, if the number is one.
    pub fn new(bytes_per_s: f64) -> Option<Self> {
        (bytes_per_s > 0.0 && bytes_per_s <= Self::MOST.0).then_some(Self(bytes_per_s))
    }

    /// Bytes a second.
    pub fn bytes_per_s(self) -> f64 {
        self.0
    }
}

impl std::str::FromStr for Rate {
    type Err = String;

    /// Bytes a second with a decimal unit, as `40KB/s`, `1.5MB/s`, `800B/s`; a bare number is bytes a second.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no rate; write bytes a second above 0 and up to {:e}, as 40KB/s",
                Self::MOST.0
            )
        };
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_suffix("/s").unwrap_or(&text).trim_end();
        let text = text.strip_suffix('b').unwrap_or(text);
        let (number, unit) = match text.strip_suffix(['k', 'm', 'g']) {
            Some(number) if text.ends_with('k') => (number, 1e3),
            Some(number) if text.ends_with('m') => (number, 1e6),
            Some(number) => (number, 1e9),
            None => (text, 1.0),
        };
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        Self::new(number * unit).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_saturate_instead_of_wrapping() {
        assert_eq!(Timestamp::new(i64::MAX, 0).0, i64::MAX);
        assert_eq!(
            (Timestamp(i64::MAX - 1) + Duration::from_secs(5)).0,
            i64::MAX
        );
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }

    #[test]
    fn instants_print_as_rfc_3339() {
        assert_eq!(
            Timestamp::new(1_700_000_000, 123_456_789).to_string(),
            "2023-11-14T22:13:20.123456789Z"
        );
        assert_eq!(Timestamp::new(0, 0).to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn spans_touch_within_the_tolerance() {
        let a = Span::new(Timestamp::new(10, 0), Timestamp::new(20, 0));
        let b = Span::at(Timestamp::new(25, 0));
        assert!(!a.touches(b, Duration::from_secs(4)));
        assert!(a.touches(b, Duration::from_secs(5)));
        assert!(b.touches(a, Duration::from_secs(5)));
    }

    #[test]
    fn macs_are_read_and_printed() {
        let mac: Mac = "24:CE:33-24:b5:cb".parse().unwrap();
        assert_eq!(mac.to_string(), "24:ce:33:24:b5:cb");
        assert!("24:ce:33:24:b5".parse::<Mac>().is_err());
        assert!("24:ce:33:24:b5:cb:00".parse::<Mac>().is_err());
    }

    #[test]
    fn chances_lie_between_never_and_always() {
        assert_eq!("0.25".parse::<Probability>().unwrap().get(), 0.25);
        for bad in ["-0.01", "1.01", "nan", "inf", "", "10%"] {
            assert!(bad.parse::<Probability>().is_err(), "{bad}");
        }
        assert_eq!(Probability::clamped(f64::NAN), Probability::NEVER);
        assert_eq!(Probability::clamped(7.0), Probability::ALWAYS);
    }

    #[test]
    fn rates_are_read_with_their_unit() {
        let rate = |text: &str| text.parse::<Rate>().map(Rate::bytes_per_s);
        assert_eq!(rate("40KB/s"), Ok(40_000.0));
        assert_eq!(rate("1.5 MB/s"), Ok(1_500_000.0));
        assert_eq!(rate("800"), Ok(800.0));
        assert_eq!(rate("800B/s"), Ok(800.0));
        for bad in ["0", "-1", "1e30", "nan", "KB/s", ""] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
