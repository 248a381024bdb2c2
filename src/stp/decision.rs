//! What a decision function is: it says when padding begins where nobody does anything (the paper, section 6.1: "a binary
//! decision function" that "can be arbitrarily complicated in practice").

use crate::habits::Habits;
use crate::units::{Probability, Timestamp};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// How time is cut into draws; p and q of the one are other numbers than those of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeModel {
    /// A draw each second (the paper, section 6.2, and its simulator).
    #[default]
    PerSecond,
    /// A draw for each period of T on a fixed grid (section 6.1): what equations 1 and 2 are about.
    Grid,
}

/// What a decision function is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draws {
    /// How time is cut into draws.
    pub model: TimeModel,
    /// q: chance of a draw that padding begins.
    pub chance: Probability,
    /// T: length of a period.
    pub period: Duration,
    /// Where the grid begins.
    pub origin: Timestamp,
}

/// Makes a decision function that follows these habits, if it follows any.
pub type Make = fn(Draws, Option<&Habits>) -> Box<dyn Decision>;

/// Says when the next padding without an activity begins.
///
/// It may remember what it said before; a model that is trained, and one with moods, fit as well as a coin.
pub trait Decision: Send {
    /// The next begin at or after `from`; `None` where there is none any more. In the grid model it lies on the grid.
    ///
    /// It is asked again only for instants at or after its last answer, but that answer may have come to nothing: an activity
    /// may have begun padding before. Who wants to be asked anew ([`Decision::padded`]) is asked for instants before it, too.
    fn next(&mut self, from: Timestamp, chance: &mut ChaCha8Rng) -> Option<Timestamp>;

    /// What was said last has begun padding, or within it, as an activity that lasts until then would: whoever is to look like
    /// somebody begins nothing else meanwhile.
    fn lasts(&mut self, _until: Timestamp) {}

    /// An activity has begun.
    fn heard(&mut self, _at: Timestamp) {}

    /// A period of padding begins, whatever began it. Says whether to be asked anew for the next begin: what it said last
    /// holds no longer.
    fn padded(&mut self, _at: Timestamp) -> bool {
        false
    }

    /// Whether padding whose period ends at that instant is to go on at once, whatever runs: where it never is to end, a gap
    /// between one draw and the next would show which ends of periods an activity went across.
    fn goes_on(&self, _at: Timestamp) -> bool {
        false
    }

    /// How many more periods there may be on that day with nothing but cover; `None` without a bound.
    fn left(&self, _at: Timestamp) -> Option<u64> {
        None
    }
}
