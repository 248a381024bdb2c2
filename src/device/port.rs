//! A transport and a port, as fingerprints write them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A transport and a port, `tcp/8883`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// UDP where true, TCP where false.
    pub udp: bool,
    /// The number, 1 to 65535.
    pub number: u16,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}",
            if self.udp { "udp" } else { "tcp" },
            self.number
        )
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| digits.parse().ok().filter(|&n| n > 0);
        match text.split_once('/') {
            Some(("tcp", digits)) => number(digits).map(|number| Self { udp: false, number }),
            Some(("udp", digits)) => number(digits).map(|number| Self { udp: true, number }),
            _ => None,
        }
        .ok_or_else(|| format!("{text:?} is no port: write `tcp/8883` or `udp/53`"))
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_written() {
        let port: Port = "udp/53".parse().unwrap();
        assert_eq!((port.udp, port.number), (true, 53));
        assert_eq!(port.to_string(), "udp/53");
        assert!("53".parse::<Port>().is_err() && "tcp/0".parse::<Port>().is_err());
    }
}
