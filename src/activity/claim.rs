//! What the detector claims: somebody used a device then.

use crate::units::{Direction, Span};
use std::fmt;
use std::str::FromStr;

/// How traffic changes when a device is used (the paper, section 4.1: "brief 'spikes', longer 'hills', or sometimes 'depressions'").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Bins far over the baseline, few in a row.
    Spike,
    /// Traffic that stays far over the baseline: more than half of the bins of a stretch.
    Hill,
    /// Steady traffic that stays under its baseline without a break.
    Depression,
}

impl Shape {
    /// Every shape, in the order they are printed.
    pub const ALL: [Self; 3] = [Self::Spike, Self::Hill, Self::Depression];

    /// The word used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Hill => "hill",
            Self::Depression => "depression",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|shape| shape.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| format!("`{text}` is no shape; there are spike, hill and depression"))
    }
}

/// One direction or both: which are watched, and in which an activity stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// From the device.
    Up,
    /// To the device.
    Down,
    /// Either way: watched, an activity may stand out in any of the two; of an activity, it does in each of the two.
    Both,
}

impl Side {
    /// Every side, in the order they are printed.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Both];

    /// The word used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Both => "both",
        }
    }

    /// The directions it holds.
    pub fn directions(self) -> &'static [Direction] {
        match self {
            Self::Up => &[Direction::Up],
            Self::Down => &[Direction::Down],
            Self::Both => &[Direction::Up, Direction::Down],
        }
    }

    /// What holds both this and `other`.
    pub fn union(self, other: Self) -> Self {
        if self == other {
            self
        } else {
            Self::Both
        }
    }
}

impl From<Direction> for Side {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|side| side.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| format!("`{text}` is no direction; there are up, down and both"))
    }
}

/// A claim that a device was used.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// From the start of its first bin to the end of its last.
    pub span: Span,
    /// How traffic changed.
    pub shape: Shape,
    /// Where it stands out.
    pub direction: Side,
    /// Bytes per second of its highest bin, in the directions in which it stands out together; of a depression, of its lowest.
    pub peak_bytes_per_s: f64,
    /// How many standard deviations the bin that stands out most is over the baseline of its direction; below zero in a
    /// depression.
    pub sigma: f64,
    /// What the truth calls it, where labels were given and one matches.
    pub label: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for shape in Shape::ALL {
            assert_eq!(shape.name().parse(), Ok(shape));
        }
        for side in Side::ALL {
            assert_eq!(side.name().to_uppercase().parse(), Ok(side));
        }
        assert!("peak".parse::<Shape>().is_err());
        assert!("".parse::<Side>().is_err());
    }

    #[test]
    fn sides_unite() {
        assert_eq!(Side::Up.union(Side::Up), Side::Up);
        assert_eq!(Side::Up.union(Side::Down), Side::Both);
        assert_eq!(Side::Both.union(Side::Down), Side::Both);
    }
}
