//! Whose traffic it is: the catalog of fingerprints, and the identification of devices with the evidence for it.

pub mod catalog;
pub mod demux;
pub mod fingerprint;
pub mod habits;
pub mod learn;
pub mod suspicion;
