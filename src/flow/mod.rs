//! Who talked to whom, and which flows come from one and the same host behind a NAT.
pub mod counter;
pub mod facts;
pub mod host;
pub mod shape;
