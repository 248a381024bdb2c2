//! The shaper of stochastic traffic padding, with no clock and no socket, and the list of its decision functions.
//!
//! Time and chance are arguments: a simulator drives it in virtual time, a gateway in real time, and both drive the same
//! code. The paper, section 6.

pub mod bernoulli;
pub mod budget;
pub mod cadence;
pub mod decision;
pub mod durations;
pub mod follower;
pub mod hmm;
pub mod hourly;
pub mod lane;
pub mod learning;
pub mod lowering;
pub mod shaper;

use decision::Make;

/// A decision function by its name.
pub struct Row {
    /// What `--decision` calls it.
    pub name: &'static str,
    /// What it does, for people.
    pub about: &'static str,
    /// Whether it follows habits, and so has to know some.
    pub habits: bool,
    /// Whether it follows moods beside the hours of the day: what takes a hidden Markov model.
    pub moods: bool,
    /// Makes one that follows these habits, if it follows any.
    pub make: Make,
}

/// The decision functions. Under each of them as much is padded at the same q.
pub static DECISIONS: &[Row] = &[
    Row {
        name: "bernoulli",
        about: "a coin for every second without padding, or for every period of the grid",
        habits: false,
        moods: false,
        make: bernoulli::make,
    },
    Row {
        name: "hourly",
        about: "a coin that follows the hours of the day",
        habits: true,
        moods: false,
        make: hourly::make,
    },
    Row {
        name: "hmm",
        about: "phantom residents who live by a hidden Markov model of the real ones",
        habits: true,
        moods: true,
        make: hmm::make,
    },
];

/// The decision function of that name.
pub fn find(name: &str) -> Option<&'static Row> {
    DECISIONS.iter().find(|row| row.name == name)
}
