//! The shaper of stochastic traffic padding, with no clock and no socket, and the list of its decision functions.
//!
//! Time and chance are arguments: a simulator drives it in virtual time, a gateway in real time, and both drive the same
//! code. The paper, section 6.

pub mod bernoulli;
pub mod cadence;
pub mod decision;
pub mod durations;
pub mod follower;
pub mod lane;
pub mod lowering;
pub mod plan;
pub mod shaper;

use decision::{Decision, Draws};

/// A decision function by its name.
pub struct Row {
    /// What `--decision` calls it.
    pub name: &'static str,
    /// What it does, for people.
    pub about: &'static str,
    /// Makes one.
    pub make: fn(Draws) -> Box<dyn Decision>,
}

/// The decision functions.
pub static DECISIONS: &[Row] = &[Row {
    name: "bernoulli",
    about: "a coin for every second without padding, or for every period of the grid",
    make: bernoulli::make,
}];

/// The decision function of that name.
pub fn find(name: &str) -> Option<&'static Row> {
    DECISIONS.iter().find(|row| row.name == name)
}
