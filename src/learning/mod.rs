//! Learning from examples: what an adversary needs that trains on defended traffic, and how well what it learned does.
//!
//! Rows of numbers and whether each is genuine go in; beliefs, curves and bounds come out. Nothing here knows of traffic. The
//! learning itself is linfa's; what linfa takes silently and should not (numbers that are none, a single class) is refused
//! here first, and its trees are kept in a form of our own that is small and can be saved.

pub mod curve;
pub mod examples;
pub mod factorial;
pub mod forest;
pub mod logistic;
pub mod neighbours;
pub mod pairs;
pub mod sample;
