//! Defenses, one file each, and the list of them.
//!
//! A new defense is one file and one row here; help, reports and audits read the list.

pub mod firewall;
mod fit;
pub mod framing;
pub mod habits;
pub mod ilp;
pub mod none;
mod replay;
mod service;
pub mod settings;
mod solve;
pub mod stp;
mod stream;
pub mod tunnel;
pub mod vpn;
mod waits;
mod wire;

pub use settings::{DefenseError, Settings};

use crate::threat::Defense;
use crate::trace::Trace;

/// Makes a defense for a trace.
pub type Make = fn(&Settings, &Trace) -> Result<Box<dyn Defense>, DefenseError>;

/// A defense by its name.
pub struct Row {
    /// What `--mode` and reports call it.
    pub name: &'static str,
    /// What it does, for people.
    pub about: &'static str,
    /// Makes it for a trace: whatever is automatic is worked out from that trace, whatever cannot be is refused.
    pub make: Make,
}

/// The defenses, from the least to the most.
pub static DEFENSES: &[Row] = &[
    Row {
        name: "none",
        about: "nothing: traffic as it is",
        make: none::make,
    },
    Row {
        name: "firewall",
        about: "devices cannot reach the Internet; seen from outside",
        make: firewall::outside,
    },
    Row {
        name: "firewall-inside",
        about: "the same firewall, seen from within the home",
        make: firewall::inside,
    },
    Row {
        name: "vpn",
        about: "all traffic of the home in one tunnel",
        make: vpn::make,
    },
    Row {
        name: "ilp",
        about: "independent link padding: one tunnel, always at the same rate",
        make: ilp::constant,
    },
    Row {
        name: "ilp-random",
        about: "independent link padding with random sizes and intervals",
        make: ilp::random,
    },
    Row {
        name: "stp",
        about: "stochastic traffic padding: activities are padded, and other times by chance",
        make: stp::make,
    },
];

/// The defense of that name.
pub fn find(name: &str) -> Option<&'static Row> {
    DEFENSES.iter().find(|row| row.name == name)
}
