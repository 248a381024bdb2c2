//! Homes and defenses as small as an argument about adversaries allows: seconds are whole, packets few.

pub mod defenses;
pub mod home;
