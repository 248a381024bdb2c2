//! Whose traffic it is: the catalog of fingerprints, and the identification of devices with the evidence for it.

pub mod catalog;
mod evidence;
pub mod fingerprint;
pub mod identify;
mod load;
mod pattern;
