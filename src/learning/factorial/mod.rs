//! A factorial hidden Markov model of a home: a chain for each device, in use or not, and what they send together.
//!
//! Z. Ghahramani, M. Jordan, "Factorial Hidden Markov Models", Machine Learning 29, 1997: several chains that change each by
//! itself, of which only a sum is seen. J. Kolter, T. Jaakkola, "Approximate Inference in Additive Factorial HMMs with
//! Application to Energy Disaggregation", AISTATS 2012, tell appliances apart by what a whole house draws; here devices are
//! told apart by what a whole home sends, up and down, in windows of one length. Theirs learn without labels; ours are
//! taught on labelled wires, so that nothing has to be climbed, and answers exactly where theirs approximate.
//!
//! - [`series`]: windows with traffic, and who was in use in them.
//! - [`states`]: which devices are in use at once, and how that changes.
//! - [`model`]: the parameters, whether they could have been learned, and what each state sends.
//! - [`posterior`]: how sure it is of each device in each window.
//! - [`fit`]: the parameters from labelled windows; `levels`: at which levels a device sends.

pub mod fit;
mod levels;
pub mod model;
pub mod posterior;
pub mod series;
pub mod states;
