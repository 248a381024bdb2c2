//! A pupil that was taught: models that are asked about a wire, each about the days that it was taught without.

use super::blocks::Folds;
use super::features::Question;
use super::mind::Mind;
use super::model::Model;
use super::pupil::{Pupil, Series};
use super::wire::{Watcher, Wire};
use crate::learning::factorial::series::Step;
use crate::rate::Grid;
use crate::threat::{Adversary, Guess, Knowledge, Observation};
use crate::units::Span;
use ndarray::Array2;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A model that was asked about a wire.
pub struct Asked<'m> {
    model: &'m Model,
    grid: Option<Grid>,
    /// Windows that were asked about, ascending.
    windows: Vec<i64>,
    /// Of each window and chain how sure it is. Shape (windows, chains).
    used: Array2<f32>,
    /// Where the chain of each part is.
    chains: BTreeMap<u32, usize>,
}

impl<'m> Asked<'m> {
    /// About the windows of a wire that are `wanted`.
    pub fn about(model: &'m Model, series: Option<&Series>, wanted: &dyn Fn(Span) -> bool) -> Self {
        let mut asked = Self {
            model,
            grid: series.map(|of| of.grid),
            windows: Vec::new(),
            used: Array2::default((0, 0)),
            chains: BTreeMap::new(),
        };
        if let (Some(series), Some(together)) = (series, &model.together) {
            let all = series.steps.iter();
            let steps: Vec<Step> = all.filter(|of| wanted(series.span(of))).copied().collect();
            asked.used = together.posterior(&steps);
            asked.windows = steps.iter().map(|step| step.index).collect();
            let parts = together.chains.iter().map(|chain| chain.part);
            asked.chains = parts.zip(0..).collect();
        }
        asked
    }

    /// How sure it is that a question is to be answered by yes, and from which belief on it claims; `None` where nothing was
    /// learned for it.
    pub fn belief(&self, question: &Question, row: &[f64]) -> Option<(f64, f64)> {
        let part = self.model.parts.get(&question.part)?;
        let belief = match part.mind {
            Mind::Chain => {
                let window = self.grid?.index(question.span.start);
                let window = self.windows.binary_search(&window).ok()?;
                let chain = self.chains.get(&question.part)?;
                self.used.get((window, *chain)).copied()?.into()
            }
            _ => part.belief(row),
        };
        Some((belief, part.claims_from))
    }
}

/// A pupil that was taught, with a model for each fold.
pub struct Taught {
    pupil: Arc<dyn Pupil>,
    knowledge: Arc<Knowledge>,
    folds: Folds,
    models: Vec<Model>,
}

impl Taught {
    /// Of models in the order of the folds.
    pub fn new(
        pupil: Arc<dyn Pupil>,
        knowledge: Arc<Knowledge>,
        folds: Folds,
        models: Vec<Model>,
    ) -> Self {
        Self {
            pupil,
            knowledge,
            folds,
            models,
        }
    }

    /// What it claims, and beside that all that it believes in, too little to claim it or not: what a curve over all beliefs is
    /// drawn from.
    pub fn claims_and_beliefs_on(&self, wire: &Wire) -> (Vec<Guess>, Vec<Guess>) {
        let (mut claims, mut beliefs) = (Vec::new(), Vec::new());
        self.each(wire, &mut |guess, claimed| {
            if claimed {
                claims.push(guess);
            }
            beliefs.push(guess);
        });
        (claims, beliefs)
    }

    /// Shows all that it believes in, and whether it claims it.
    fn each(&self, wire: &Wire, show: &mut dyn FnMut(Guess, bool)) {
        let whole = self.models.iter().any(|model| model.together.is_some());
        let series = whole.then(|| self.pupil.series(wire)).flatten();
        let asked: Vec<Asked> = self
            .models
            .iter()
            .zip(0..)
            .map(|(model, fold)| {
                let wanted = |span: Span| self.folds.at(span.start) == fold;
                Asked::about(model, series.as_ref(), &wanted)
            })
            .collect();
        self.pupil
            .look(wire, &self.knowledge, &mut |question, row| {
                let fold = self.folds.at(question.span.start);
                let answer = asked.get(fold as usize);
                let answer = answer.and_then(|asked| asked.belief(question, row));
                let Some((belief, claims_from)) = answer else {
                    return;
                };
                let guess = Guess {
                    span: question.span,
                    device: question.device,
                    belief,
                };
                show(guess, belief >= claims_from);
            });
    }
}

impl Adversary for Taught {
    fn guess(&self, seen: &Observation) -> Vec<Guess> {
        self.guess_on(&Wire::new(seen, &self.knowledge, Duration::from_secs(1)))
    }
}

impl Watcher for Taught {
    fn guess_on(&self, wire: &Wire) -> Vec<Guess> {
        let mut claims = Vec::new();
        self.each(wire, &mut |guess, claimed| {
            if claimed {
                claims.push(guess);
            }
        });
        claims
    }
}
