//! All that an adversary learned: a mind for all questions, or for each device, of a home whose devices it knows.

use super::features::Question;
use super::identity::{self, Identity};
use super::mind::{Mind, Part};
use crate::learning::factorial::model::Factorial;
use crate::learning::pairs::Named;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A model: a part for all questions, or for each device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// By [`Question::part`].
    pub parts: BTreeMap<u32, Part>,
    /// Names of the kinds of activities, class 1 first; of those who tell kinds apart alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// All devices together, where the chain of one is taken.
    pub together: Option<Factorial>,
    /// The devices that parts are of, in the order of those: another home may have them in another order.
    pub devices: Vec<Identity>,
}

impl Model {
    /// How sure it is that a question is to be answered by yes, of one whose row tells; `None` where nothing was learned for it.
    pub fn belief(&self, question: &Question, row: &[f64]) -> Option<f64> {
        Some(self.parts.get(&question.part)?.belief(row))
    }

    /// Which kind of activity it was, of a model that tells kinds.
    pub fn name(&self, question: &Question, row: &[f64]) -> Option<Named> {
        match &self.parts.get(&question.part)?.mind {
            Mind::Pairs(signatures) => signatures.name(row),
            _ => None,
        }
    }

    /// Whether it is one that could have been learned, of rows of so many features: of one that was read from a file.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn check(&self, width: usize) -> Result<(), String> {
        for (part, of) in &self.parts {
            let numbers = [of.moved, of.claims_from];
            match numbers.iter().all(|number| number.is_finite()) {
                true => of.mind.check(width),
                false => Err("a number that is none".into()),
            }
            .map_err(|why| format!("part {part}: {why}"))?;
        }
        let chains = self.together.as_ref();
        chains.map_or(Ok(()), Factorial::check)?;
        let chains = chains.map(Factorial::parts).unwrap_or_default();
        let mut lone = self
            .parts
            .iter()
            .filter(|(part, of)| matches!(of.mind, Mind::Chain) && !chains.contains(part));
        if let Some((part, _)) = lone.next() {
            return Err(format!("part {part}: no chain where one is taken"));
        }
        let ids: BTreeSet<&String> = self.devices.iter().map(|of| &of.id).collect();
        if ids.len() < self.devices.len() || !self.devices.iter().all(Identity::is_sound) {
            return Err("a device without a name of its own, or with too many addresses".into());
        }
        match self.parts.is_empty() {
            true => Err("it has no part".into()),
            false => Ok(()),
        }
    }

    /// The model in a home whose devices are these, where parts `from` that one on are of devices: each part, and each chain,
    /// is that of the device it was [found](identity::found) as. Beside it the devices of which nothing was learned.
    pub fn at_home(&self, from: Option<u32>, devices: &[Identity]) -> (Self, Vec<String>) {
        let Some(from) = from else {
            return (self.clone(), Vec::new());
        };
        let found = identity::found(&self.devices, devices);
        let part = |part: u32| match part.checked_sub(from) {
            None => Some(part),
            Some(place) => {
                let place = found.get(place as usize).copied().flatten()?;
                u32::try_from(place).ok()?.checked_add(from)
            }
        };
        let parts = self.parts.iter();
        let parts: BTreeMap<u32, Part> = parts
            .filter_map(|(of, learned)| Some((part(*of)?, learned.clone())))
            .collect();
        let of_devices = self.parts.keys().any(|part| *part >= from);
        let unknown = devices.iter().zip(from..).filter(|(_, part)| {
            // Of nobody's flows there is a part for all: no device is missed.
            of_devices && !parts.contains_key(part)
        });
        let unknown = unknown.map(|(device, _)| device.id.clone()).collect();
        let together = self.together.as_ref().map(|of| of.renamed(&part));
        let home = Self {
            parts,
            // Without a chain there is nothing to ask.
            together: together.filter(|of| !of.chains.is_empty()),
            devices: devices.to_vec(),
            kinds: self.kinds.clone(),
        };
        (home, unknown)
    }
}
