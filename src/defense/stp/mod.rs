//! Stochastic traffic padding: activities are padded, and other times by chance.
//!
//! The paper, section 6, in virtual time: the [`Shaper`](crate::stp::shaper::Shaper) that a trace is replayed through is the
//! one a gateway drives. Each device is padded by itself and seen as one flow, or the home as one device in one tunnel
//! (sections 6.4 and 7.1). What is automatic is worked out from the trace: T, rates and p by `fit`, q by `solve`. A device
//! that was never used has nothing to hide, and is left as it is unless T, both rates and q are all given.
//!
//! Where we differ from the paper, besides what [`crate::stp::shaper`] tells: padding stops with the trace, in the middle of
//! a period if need be, unless something still waits.
//!
//! - `padded`: how each stream is padded, and what its shaper is told.
//! - `making`: that worked out from settings and a trace; `cap`: q by trial, until a cap of bytes is kept.
//! - `shape`: a trace replayed through the shapers; `parameters`: what reports say of it.

mod cap;
mod making;
mod padded;
mod parameters;
mod shape;

pub(super) use making::made;
pub use making::make;
