//! Habits: when a device, or a home, is used. What padding needs that is to pass for somebody's doing.
//!
//! [`hourly`] is how busy each hour of the day is, [`markov`] a hidden Markov model of moods that last, over [`steps`] of
//! time and fitted by [`training`]; [`learned`] puts them together, [`resident`] lives by them and is nobody,
//! [`file`](mod@file) keeps them. The paper, section 6.4: "We have found that hidden Markov models can be trained to mimic
//! the patterns of real user activities".

pub mod file;
pub mod hourly;
pub mod learned;
pub mod markov;
pub mod resident;
pub mod steps;
pub mod training;

pub use file::{HabitsFile, HabitsFileError};
pub use hourly::Hourly;
pub use learned::{Habits, Moods};
