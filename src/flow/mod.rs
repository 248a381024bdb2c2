//! Who talked to whom: flows, names, hosts, and what was skipped.
pub mod bounded;
pub mod census;
pub mod counter;
pub mod facts;
pub mod home;
pub mod host;
pub mod key;
pub mod names;
pub mod shape;
pub mod table;
