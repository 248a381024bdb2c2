//! The threat model in types: who knows what.
//!
//! A [`Trace`] is the truth. A [`Defense`] turns it into what the wire shows, an [`Observation`], and into what that cost,
//! which the home alone knows. An [`Adversary`] is given the observation and nothing else, besides what it had learned
//! before ([`Knowledge`]: the paper's adversary "can obtain and independently evaluate smart home devices", section 2),
//! and answers with [`Guess`]es. If an adversary seems to need more, the threat model is changing.
//!
//! [`Trace`]: crate::trace::Trace

mod adversary;
mod defense;
mod knowledge;
mod observation;

pub use adversary::{Adversary, Guess};
pub use defense::{Cost, Defense, Delay, Foretold, PaddedPeriod, ShapedTrace};
pub use knowledge::{Knowledge, KnownDevice, Signature, GAP_S};
pub use observation::{Observation, SeenFlow, Shaping, Sighting, Vantage};
