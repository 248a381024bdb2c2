//! Adversaries that have to be taught: what they look at, and how they learn; what they make of examples is a [`mind`](super::mind).
//!
//! They know the defense and its parameters, T, R and q among them, but not its coins (Kerckhoffs): they are taught on wires
//! that the same defense made of other days, or of another home, with other coins. Whoever shapes those wires and knows what
//! was true on them, one floor up, hands examples down; a pupil only ever sees rows.

use super::features::Question;
use super::wire::{half_open, Wire};
use crate::learning::factorial::series::Step;
use crate::learning::forest::Growth;
use crate::rate::Grid;
use crate::threat::Knowledge;
use crate::units::Span;

/// Which of two ways is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// For each device the one that tells more on days held back.
    #[default]
    Better,
    /// The forest, to compare with.
    Forest,
    /// The chains of all devices together, wherever there is one, to compare with.
    Chains,
}

/// How a pupil learns.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// By a forest or by regression, whichever tells more on days held back.
    Best(Growth),
    /// By a forest.
    Forest(Growth),
    /// By a forest for each device, or by the chains of all devices together, whichever tells more of a device on days held
    /// back: see [`together`](super::together).
    Together(Growth, Choice),
    /// By the hour alone, and by the hour and all that is seen: see [`hours`](super::hours).
    Priors {
        /// A table of 24 chances, or none: then it is learned.
        table: Option<[f64; 24]>,
    },
    /// By lengths of packets, for each kind of activity: see [`pairs`](crate::learning::pairs).
    Pairs,
}

/// One who has to be taught.
pub trait Pupil: Send + Sync {
    /// Shows every question it can be asked of a wire, and what it sees of each.
    fn look(&self, wire: &Wire, knowledge: &Knowledge, show: &mut dyn FnMut(&Question, &[f64]));

    /// The whole wire as one series, where it is looked at so as well: its windows are those of the questions of [`look`].
    ///
    /// [`look`]: Self::look
    fn series(&self, _wire: &Wire) -> Option<Series> {
        None
    }

    /// How it learns.
    fn way(&self) -> Way;

    /// From which part on parts are of devices, in their order; `None` where no part is.
    fn devices_from(&self) -> Option<u32> {
        None
    }

    /// Whether it tells kinds of activities apart.
    fn tells_kinds(&self) -> bool {
        false
    }
}

/// A wire as one series of windows.
#[derive(Clone, Debug)]
pub struct Series {
    /// What the windows lie on.
    pub grid: Grid,
    /// Those with traffic, ascending.
    pub steps: Vec<Step>,
}

impl Series {
    /// From when to when a window is.
    pub fn span(&self, step: &Step) -> Span {
        half_open(self.grid.span(step.index, step.index))
    }
}
