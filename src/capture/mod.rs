//! Frames from captures: files, FIFOs, standard input; pcap and pcapng, plain or in gzip or zstd.
//!
//! [`Reader`] opens any number of inputs and lends one [`Frame`] after the other, in time order, without seeking and
//! without copying packets. What a file was like is told by [`InputSummary`]: its format, its span, and where it broke off
//! if it did. Nothing in a file can make us panic or take memory for bytes that are not there.

mod bpf;
mod buffer;
mod clock;
mod comment;
mod error;
mod filter;
mod filter_words;
mod frame;
mod pcap;
mod pcapng;
mod reader;
mod record;
mod source;
mod stored;
mod wait;
mod writer;

pub use comment::comment;
pub use error::{CaptureError, Truncation};
pub use frame::{Frame, LinkType};
pub use reader::{Options, Reader};
pub use source::InputSummary;
pub use writer::Writer;
