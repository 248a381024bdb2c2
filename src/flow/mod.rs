//! Who talked to whom, and which flows come from one and the same host behind a NAT.
pub mod bounded;
pub mod census;
pub mod counter;
pub mod ear;
pub mod facts;
pub mod home;
pub mod host;
pub mod key;
pub mod names;
pub mod observer;
pub mod shape;
pub mod stack;
pub mod table;
pub mod track;
