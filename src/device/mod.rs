//! Which devices live in a home: fingerprints, and what of them was seen.

pub mod catalog;
pub mod demux;
pub mod evidence;
pub mod fingerprint;
pub mod habits;
pub mod identify;
pub mod inventory;
pub mod learn;
pub mod load;
pub mod mud;
mod naming;
pub mod pattern;
pub mod port;
pub mod product;
pub mod suspicion;
