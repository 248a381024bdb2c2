//! The ladder: what each adversary believes of each padded period, or burst, from who claims at random to who learned.
//!
//! Confidence in a row of the verdict is of what an adversary chose to claim. Here all are asked about the same periods, and
//! whether their beliefs rank the genuine ones first is told for any number of claims.

use crate::stats::Interval;
use serde::Serialize;
use std::collections::BTreeMap;

/// One adversary against one defense.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rung {
    /// The defense.
    pub defense: String,
    /// The adversary.
    pub adversary: String,
    /// Periods, or bursts, it was asked about, over the first trials.
    pub questions: u64,
    /// Of them genuine.
    pub genuine: u64,
    /// The share of those: the confidence of who claims all.
    pub base_rate: f64,
    /// Area under the ROC curve; .5 tells nothing.
    pub auc: Interval,
    /// Mean confidence over recall.
    pub average_precision: f64,
    /// Confidence where as few are claimed as meet all that is genuine.
    pub confidence_at_full_recall: Interval,
    /// Confidence among the surest.
    pub confidence_at: AtTop,
    /// Confidence among the surest tenth over the base rate; 1 tells nothing.
    pub lift: Interval,
    /// The precision-recall curve, by ascending recall.
    pub curve: Vec<CurvePoint>,
    /// What intervals are drawn by: `day`, or `eighth of the window` of less than two days.
    pub drawn_by: &'static str,
    /// Area under the curve on examples held back, of each way of learning.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub learned_by: BTreeMap<String, f64>,
    /// The same by device, and which way was taken; of adversaries that learn each device in several ways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<DeviceWays>,
    /// The control: the same, learned of labels that were dealt anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffled_labels: Option<Control>,
    /// What fewer examples teach, by ascending number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Fewer>,
    /// How often anybody must err, by the nearest neighbour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bayes_error: Option<BayesError>,
    /// How well kinds of activities are told apart; of adversaries that do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Kinds>,
    /// What the traffic adds to what was known beforehand; of `priors`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priors: Option<Adds>,
}

/// Ways in which one device was learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceWays {
    /// The device.
    pub device: String,
    /// Area under the curve on days held back, of each way.
    pub areas: BTreeMap<String, f64>,
    /// By how many models each way is taken: there is one of each fold.
    pub taken: BTreeMap<String, u64>,
}

/// Confidence among the surest claims.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtTop {
    /// Of the surest 1 %.
    pub top_1_percent: Interval,
    /// Of the surest 5 %.
    pub top_5_percent: Interval,
    /// Of the surest 10 %.
    pub top_10_percent: Interval,
}

/// A place on the curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Share of what is genuine that is claimed.
    pub recall: f64,
    /// Share of what is claimed that is genuine.
    pub confidence: f64,
}

/// A control: area and lift of who cannot know anything; the mean of several deals, and where the middle 95 % of them lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Control {
    /// Area under the ROC curve.
    pub auc: Interval,
    /// Lift of the surest tenth.
    pub lift: Interval,
}

/// What a number of examples teaches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fewer {
    /// How many examples at most.
    pub examples: u64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Lift of the surest tenth.
    pub lift: f64,
}

/// The nearest neighbour's bound (T. Cover, P. Hart, 1967), on examples in their own proportion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BayesError {
    /// Examples it rests on.
    pub examples: u64,
    /// How often the nearest example of another day or home is of the other class.
    pub nearest_neighbour: f64,
    /// The least error of any classifier, by that.
    pub at_least: f64,
    /// The error of who always says the commoner class.
    pub of_the_commoner_class: f64,
}

/// How well kinds are told apart, where somebody used a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kinds {
    /// How many kinds there are.
    pub kinds: u64,
    /// Share of genuine periods, or bursts, whose kind was named rightly; by Wilson.
    pub accuracy: Interval,
    /// What always naming the commonest kind earns; of flows that tell their device, the commonest of that device.
    pub chance: f64,
}

/// What the traffic adds to priors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Adds {
    /// Area under the ROC curve of who knows the hour alone.
    pub auc_alone: f64,
    /// Of who sees the traffic as well.
    pub auc_with_traffic: f64,
    /// Mean log-loss of who knows the hour alone, in bits a period.
    pub log_loss_alone_bits: f64,
    /// Of who sees the traffic as well.
    pub log_loss_with_traffic_bits: f64,
    /// The first less the second: bits that the traffic adds, a period; below 0 where it misleads.
    pub adds_bits: Interval,
}
