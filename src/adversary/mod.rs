//! Those who watch and claim: one file an adversary, each opening with whose it is and where we differ, and the one list of
//! them, which feeds help, tables and JSON.
//!
//! An adversary is given what the wire shows and what it had learned of the devices beforehand, never the truth.

pub mod blocks;
pub mod count;
pub mod device_from_rates;
pub mod device_rate;
pub mod every_padded_period;
pub mod features;
pub mod hours;
pub mod identity;
pub mod learned;
pub mod mind;
pub mod model;
pub mod packet_pairs;
pub mod padding;
pub mod priors;
pub mod pupil;
pub mod questions;
pub mod recover;
pub mod run_length;
pub mod settings;
pub mod taught;
pub mod threshold;
pub mod together;
pub mod wire;

#[cfg(test)]
mod sample;

pub use settings::Settings;

use crate::learning::forest::Growth;
use crate::threat::Knowledge;
use pupil::{Choice, Pupil};
use std::sync::Arc;
use wire::Watcher;

/// What an adversary's guesses are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// That a device was used then: scored by confidence and recall.
    Activities,
    /// One guess a day, surer the more it looks like a day at home: scored by the area under the curve of days at home
    /// against days away.
    Days,
}

/// An adversary as it is listed.
pub struct Row {
    /// The word for it on the command line and in reports.
    pub name: &'static str,
    /// What it does, in half a line.
    pub about: &'static str,
    /// Prepares it with what it has learned.
    pub make: fn(Arc<Knowledge>, &Settings) -> Box<dyn Watcher>,
    /// What its guesses are about.
    pub kind: Kind,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every adversary, in the order of the tables.
pub static ADVERSARIES: &[Row] = &[
    Row {
        name: "threshold",
        about: "claims where rates stand out from the usual, as infer does",
        make: |knowledge, settings| Box::new(threshold::Threshold::new(knowledge, settings)),
        kind: Kind::Activities,
    },
    Row {
        name: "every-padded-period",
        about: "claims each period of padding (the paper's adversary)",
        make: |knowledge, _| Box::new(every_padded_period::EveryPaddedPeriod::new(knowledge)),
        kind: Kind::Activities,
    },
    Row {
        name: "run-length",
        about: "claims only where padding lasts two periods and more",
        make: |knowledge, _| Box::new(run_length::RunLength::new(knowledge)),
        kind: Kind::Activities,
    },
    Row {
        name: "device-rate",
        about: "claims bursts that look like a device's learned activities",
        make: |knowledge, settings| Box::new(device_rate::DeviceRate::new(&knowledge, settings)),
        kind: Kind::Activities,
    },
    Row {
        name: "count",
        about: "tells days at home from days away by the padding, or the bytes, of a day",
        make: |_, _| Box::new(count::Count),
        kind: Kind::Days,
    },
];

/// What pupils may be told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Schooling {
    /// How large forests are.
    pub growth: Growth,
    /// What [`priors`] knows beforehand of each hour (UTC); learned where there is none.
    pub priors: Option<[f64; 24]>,
    /// Which way `device-from-rates` takes.
    pub choice: Choice,
}

/// An adversary that has to be taught, as it is listed.
pub struct PupilRow {
    /// The word for it on the command line and in reports.
    pub name: &'static str,
    /// What it does, in half a line.
    pub about: &'static str,
    /// Makes it, untaught.
    pub make: fn(&Schooling) -> Arc<dyn Pupil>,
}

impl std::fmt::Debug for PupilRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every adversary that has to be taught, in the order of the tables, where they come after the others. They take their time,
/// and are run only where they are asked for.
pub static PUPILS: &[PupilRow] = &[
    PupilRow {
        name: "learned",
        about: "trained on defended traffic of other days or homes, claims what looks genuine",
        make: |schooling| {
            Arc::new(learned::Learned {
                growth: schooling.growth,
            })
        },
    },
    PupilRow {
        name: "packet-pairs",
        about: "trained on lengths of requests and replies, tells kinds of activities",
        make: |_| Arc::new(packet_pairs::PacketPairs),
    },
    PupilRow {
        name: "priors",
        about: "knows at which hours devices are used, and combines that with what it sees",
        make: |schooling| {
            Arc::new(priors::ByPriors {
                table: schooling.priors,
            })
        },
    },
    PupilRow {
        name: "device-from-rates",
        about: "trained on rates of the whole home, tells which devices are in use",
        make: |schooling| {
            Arc::new(device_from_rates::DeviceFromRates {
                // One for each device: small ones.
                growth: Growth {
                    trees: schooling.growth.trees.div_ceil(2),
                    depth: schooling.growth.depth.min(6),
                    ..schooling.growth
                },
                choice: schooling.choice,
            })
        },
    },
];

/// The adversary of that name that has to be taught.
pub fn find_pupil(name: &str) -> Option<&'static PupilRow> {
    let mut rows = PUPILS.iter();
    rows.find(|row| row.name.eq_ignore_ascii_case(name.trim()))
}

/// The adversary of that name.
pub fn find(name: &str) -> Option<&'static Row> {
    let mut rows = ADVERSARIES.iter();
    rows.find(|row| row.name.eq_ignore_ascii_case(name.trim()))
}
