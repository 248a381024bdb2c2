//! `learned`: trained on defended traffic itself.
//!
//! Ours. The paper's adversary claims every padded period because "the adversary cannot tell these periods apart" (section
//! 6.1). Whether that is so only one can tell who tried to: this one knows the defense and its parameters, runs it on other
//! days and other homes with coins of its own, sees there which periods are genuine, and learns by a random forest and by
//! logistic regression, whichever does better on days it held back, from all that is seen of a period and around it
//! ([`features`]). It answers for each padded period, and for each burst where nothing is padded.

use super::features::{self, Question};
use super::pupil::{Pupil, Way};
use super::wire::Wire;
use crate::learning::forest::Growth;
use crate::threat::Knowledge;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Learned {
    /// How large its forest is.
    pub growth: Growth,
}

impl Pupil for Learned {
    fn look(&self, wire: &Wire, knowledge: &Knowledge, show: &mut dyn FnMut(&Question, &[f64])) {
        features::each(wire, knowledge, show);
    }

    fn way(&self) -> Way {
        Way::Best(self.growth)
    }
}
