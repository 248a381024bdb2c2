//! Guesses held against the truth: how many are right, what guessing at random would earn, and what shuffled truth does.
//!
//! Nothing here knows of adversaries or defenses: guesses, periods and a trace go in, counts come out.

pub mod chance;
pub mod delay;
pub mod periods;
pub mod shuffle;
pub mod tally;
pub mod truth;
