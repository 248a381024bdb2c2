//! Frames made fit to be stored, or to be shown to others: cut back to headers and names, or freed of every address and
//! name.
//!
//! A capture is somebody's day at home. [`Scrubber::headers_only`] keeps what the inference reads and nothing else: what
//! `infer` says of such a file is what it says of the whole one. [`Scrubber::anonymous`] keeps sizes, times, vendors and
//! the structure of networks, and no address, hardware address, name or serial number.

mod addresses;
mod anonymous;
mod key;
mod layers;
mod macs;
mod names;
mod scrubber;

pub use addresses::Addresses;
pub use key::{Key, KeyError};
pub use macs::Macs;
pub use scrubber::Scrubber;
