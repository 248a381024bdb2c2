//! The shaper for real: two ends of a tunnel whose wire is the shaper's schedule and nothing else.
//!
//! [`wire`] lays out a datagram, [`keys`] keeps who may speak, [`replay`] what was heard already, [`session`] the keys of the
//! hour, which `noise` makes, [`packing`] packets in cells; [`endpoint`] puts them together around [`crate::stp`], still without
//! clock and socket. [`relay`] is the observer in the path, who may also do harm. [`run`] speaks UDP and knows what time it is,
//! with `port` an end, `observer` the relay, `clock` their time.

mod clock;
pub mod endpoint;
pub mod keys;
mod noise;
mod observer;
pub mod packing;
mod port;
pub mod relay;
pub mod replay;
pub mod run;
pub mod session;
pub mod wire;
