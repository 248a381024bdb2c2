//! A random forest: many trees, each grown on a part of the rows and of the features (L. Breiman, "Random Forests", Machine
//! Learning 45, 2001). linfa grows the trees; we deal rows and features, and keep what grew.
//!
//! linfa's own forest answers by the vote of its trees, cannot be saved, and grows one tree after the other. Ours are the same
//! trees as lists of numbers, a tenth of the size, and each leaf tells which share of the rows that fell into it was genuine:
//! a belief that can be ranked, where a vote of trees that all say no ranks nothing.

use super::examples::{Examples, LearnError};
use linfa::prelude::Fit;
use linfa::DatasetBase;
use linfa_trees::{DecisionTree, TreeNode};
use ndarray::{Array1, Array2};
use rand::seq::index::sample;
use rand::seq::SliceRandom;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How large a forest is grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// How many trees.
    pub trees: usize,
    /// Splits from the root to a leaf at most.
    pub depth: usize,
    /// Share of the rows that each tree is grown on.
    pub rows: f64,
    /// Share of the features that each tree sees.
    pub features: f64,
}

impl Default for Growth {
    fn default() -> Self {
        Self {
            trees: 30,
            depth: 8,
            rows: 0.7,
            features: 0.5,
        }
    }
}

/// What a genuine row weighs, where another weighs 1. Of as many of each linfa calls the commoner class whichever its hash map
/// names last, which is another one in each run, and cuts a tree back by that: the same seed would give other trees. With
/// this no count of one class weighs as much as any of the other, up to a thousand rows in one leaf, and sums stay exact.
const TIE_BREAKER: f32 = 1.0 + 1.0 / 1024.0;
/// Splits from the root to a leaf that a tree is read back with at most.
const DEPTH_AT_MOST: usize = 16;
/// Trees that a forest is read back with at most.
const TREES_AT_MOST: usize = 1_000;
/// Nodes that a tree is read back with at most.
const NODES_AT_MOST: usize = 1 << 17;

/// A forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    /// Features of a row.
    width: usize,
    trees: Vec<Tree>,
}

/// A tree; its root is node 0. A node without a place below is a leaf.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tree {
    /// Which feature each node asks for.
    feature: Vec<u16>,
    /// Up to which value the answer is the first child; of a leaf, the share of genuine rows.
    value: Vec<f32>,
    /// Where its first child is, its second right after it; 0: a leaf.
    below: Vec<u32>,
}

impl Forest {
    /// Grows it.
    ///
    /// # Errors
    /// Examples that cannot be learned from.
    pub fn grow(
        examples: &Examples,
        growth: Growth,
        chance: &mut ChaCha8Rng,
    ) -> Result<Self, LearnError> {
        examples.check()?;
        let width = examples.width();
        let seeds: Vec<u64> = (0..growth.trees.clamp(1, TREES_AT_MOST))
            .map(|_| chance.next_u64())
            .collect();
        // Each tree has chance of its own, so that they are the same in any order.
        let trees: Result<Vec<Tree>, LearnError> = seeds
            .into_par_iter()
            .map(|seed| Tree::grow(examples, growth, &mut ChaCha8Rng::seed_from_u64(seed)))
            .collect();
        Ok(Self {
            width,
            trees: trees?,
        })
    }

    /// How sure it is that a row is genuine, as if as many rows were genuine as were not: 0 to 1.
    pub fn belief(&self, row: &[f64]) -> f64 {
        let sum: f64 = self.trees.iter().map(|tree| tree.share(row)).sum();
        sum / self.trees.len().max(1) as f64
    }

    /// Features of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether it is one that could have been grown: of a forest that was read from a file.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.trees.is_empty() || self.trees.len() > TREES_AT_MOST {
            return Err(format!("a forest of {} trees", self.trees.len()));
        }
        for (index, tree) in self.trees.iter().enumerate() {
            tree.check(self.width)
                .map_err(|why| format!("tree {index}: {why}"))?;
        }
        Ok(())
    }
}

impl Tree {
    /// Grows one on rows drawn with replacement and on features drawn without.
    fn grow(
        examples: &Examples,
        growth: Growth,
        chance: &mut ChaCha8Rng,
    ) -> Result<Self, LearnError> {
        let width = examples.width();
        let part = |share: f64, of: usize| ((share * of as f64).ceil() as usize).clamp(1, of);
        let mut features = sample(chance, width, part(growth.features, width)).into_vec();
        features.sort_unstable();
        let all = &examples.rows;
        let rows: Vec<_> = (0..part(growth.rows, all.len()))
            .filter_map(|_| all.choose(chance))
            .collect();
        let number = |row: &[f64], feature: usize| row.get(feature).copied().unwrap_or_default();
        let numbers: Vec<f64> = rows
            .iter()
            .flat_map(|e| features.iter().map(|&feature| number(&e.row, feature)))
            .collect();
        let failed = |error: &dyn std::fmt::Display| LearnError::Library(error.to_string());
        let records = Array2::from_shape_vec((rows.len(), features.len()), numbers);
        let records = records.map_err(|e| failed(&e))?;
        let classes: Array1<usize> = rows.iter().map(|e| e.genuine().into()).collect();
        let weights = rows.iter().map(|e| match e.genuine() {
            true => TIE_BREAKER,
            false => 1.0,
        });
        let weights: Array1<f32> = weights.collect();
        let tree = DecisionTree::params()
            .max_depth(Some(growth.depth.clamp(1, DEPTH_AT_MOST)))
            .min_weight_split(8.0)
            .min_weight_leaf(4.0)
            .fit(&DatasetBase::new(records, classes).with_weights(weights))
            .map_err(|e| failed(&e))?;
        Ok(Self::of(&tree, &features, examples))
    }

    /// Of a tree of linfa's that was grown on these features alone.
    fn of(tree: &DecisionTree<f64, usize>, features: &[usize], examples: &Examples) -> Self {
        let mut own = Self::default();
        own.push();
        let mut left = vec![(tree.root_node(), 0usize)];
        while let Some((node, place)) = left.pop() {
            own.plant(node, place, features, &mut left);
        }
        own.fill(examples);
        own
    }

    fn push(&mut self) {
        self.feature.push(0);
        self.value.push(0.0);
        self.below.push(0);
    }

    fn plant<'t>(
        &mut self,
        node: &'t TreeNode<f64, usize>,
        place: usize,
        features: &[usize],
        left: &mut Vec<(&'t TreeNode<f64, usize>, usize)>,
    ) {
        let children = node.children();
        let [Some(one), Some(other)] = children[..] else {
            return;
        };
        let (column, value, _) = node.split();
        let feature = features.get(column).and_then(|&f| u16::try_from(f).ok());
        let (Some(feature), Ok(next)) = (feature, u32::try_from(self.below.len())) else {
            return;
        };
        self.push();
        self.push();
        if let (Some(of), Some(at), Some(below)) = (
            self.feature.get_mut(place),
            self.value.get_mut(place),
            self.below.get_mut(place),
        ) {
            (*of, *at, *below) = (feature, value as f32, next);
        }
        left.push((one, next as usize));
        left.push((other, next as usize + 1));
    }

    /// The share of genuine rows in each leaf, half a row of each kind added: a leaf of few rows is not sure.
    fn fill(&mut self, examples: &Examples) {
        let mut counts = vec![(0.5f32, 1.0f32); self.below.len()];
        for example in &examples.rows {
            if let Some((genuine, all)) = counts.get_mut(self.leaf(&example.row)) {
                *genuine += f32::from(u8::from(example.genuine()));
                *all += 1.0;
            }
        }
        let nodes = self.value.iter_mut().zip(&self.below);
        for ((value, &below), (genuine, all)) in nodes.zip(counts) {
            if below == 0 {
                *value = genuine / all;
            }
        }
    }

    /// Where a row ends.
    fn leaf(&self, row: &[f64]) -> usize {
        let mut place = 0;
        // No deeper than it could have been grown, so that nothing read from a file leads in a circle.
        for _ in 0..=DEPTH_AT_MOST {
            let (Some(&below), Some(&feature), Some(&value)) = (
                self.below.get(place),
                self.feature.get(place),
                self.value.get(place),
            ) else {
                break;
            };
            if below == 0 {
                break;
            }
            let first = row
                .get(usize::from(feature))
                .is_some_and(|seen| *seen <= f64::from(value));
            place = below as usize + usize::from(!first);
        }
        place
    }

    fn share(&self, row: &[f64]) -> f64 {
        let value = self.value.get(self.leaf(row));
        f64::from(value.copied().unwrap_or(0.5))
    }

    fn check(&self, width: usize) -> Result<(), String> {
        let nodes = self.below.len();
        if nodes == 0
            || nodes > NODES_AT_MOST
            || self.feature.len() != nodes
            || self.value.len() != nodes
        {
            return Err(format!("{nodes} nodes, or lists of different lengths"));
        }
        let all = self.below.iter().zip(&self.feature).zip(&self.value);
        for (place, ((&below, &feature), &value)) in all.enumerate() {
            let good = match below as usize {
                0 => (0.0..=1.0).contains(&value),
                // Downwards alone, so that it ends.
                below => {
                    below > place
                        && below + 1 < nodes
                        && usize::from(feature) < width
                        && value.is_finite()
                }
            };
            if !good {
                return Err(format!("node {place} is none"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::tests::{chance, told_by_the_first};
    use super::*;

    fn small() -> Growth {
        Growth {
            trees: 12,
            features: 1.0,
            ..Growth::default()
        }
    }

    #[test]
    fn what_can_be_told_is_told_and_seeds_repeat() {
        let examples = told_by_the_first(400, 1);
        let grow = |seed| Forest::grow(&examples, small(), &mut chance(seed)).unwrap();
        let forest = grow(5);
        assert_eq!(forest, grow(5));
        assert_ne!(forest, grow(6));
        assert!(forest.belief(&[0.9, 0.1]) > 0.9);
        assert!(forest.belief(&[0.1, 0.9]) < 0.1);
        // New rows, a thousand: those that lie beside the border may be missed.
        let new = told_by_the_first(1_000, 9);
        let right = new.rows.iter();
        let right = right.filter(|e| (forest.belief(&e.row) > 0.5) == e.genuine());
        assert!(right.clone().count() > 970, "{}", right.count());
    }

    #[test]
    fn a_forest_is_saved_and_read_back_whole() {
        let forest = Forest::grow(&told_by_the_first(300, 1), small(), &mut chance(1)).unwrap();
        let text = serde_json::to_string(&forest).unwrap();
        let back: Forest = serde_json::from_str(&text).unwrap();
        assert_eq!((back.check(), &back), (Ok(()), &forest));
    }

    #[test]
    fn a_forest_that_no_growth_gives_is_refused() {
        let forest = Forest::grow(&told_by_the_first(300, 1), small(), &mut chance(1)).unwrap();
        let refused = |spoil: &dyn Fn(&mut Forest)| {
            let mut bad = forest.clone();
            spoil(&mut bad);
            // Nor does it lead anybody astray who asks it nevertheless.
            assert!(bad.trees.is_empty() || bad.belief(&[0.5, 0.5]).is_finite());
            bad.check().is_err()
        };
        assert!(refused(&|f| f.trees.clear()));
        assert!(refused(&|f| f.trees[0].below[0] = 9_999_999));
        assert!(refused(&|f| {
            // A circle: the first child is the root's own place.
            let last = f.trees[0].below.len() - 1;
            f.trees[0].below[last] = 1;
        }));
        assert!(refused(&|f| f.trees[0].feature[0] = 7));
        assert!(refused(&|f| {
            f.trees[0].value.pop();
        }));
    }
}
