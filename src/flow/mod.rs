//! Who talked to whom: flows, names, hosts, and what was skipped.
pub mod bounded;
pub mod census;
pub mod home;
pub mod key;
pub mod names;
pub mod table;
