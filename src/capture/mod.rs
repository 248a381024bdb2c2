//! Frames from captures: files, FIFOs, standard input; pcap and pcapng, plain or in gzip or zstd; and from interfaces, as they
//! pass.
//!
//! [`Reader`] opens any number of inputs and lends one [`Frame`] after the other, in time order, without seeking and
//! without copying packets. What a file was like is told by [`InputSummary`]: its format, its span, and where it broke off
//! if it did. Nothing in a file can make us panic or take memory for bytes that are not there.
//!
//! [`Live`] lends the frames of an interface, and a [`Recorder`] keeps them: in a file, a ring of files, or a pipe.

mod blocks;
mod bpf;
mod buffer;
mod clock;
mod comment;
mod error;
mod filter;
mod filter_place;
mod filter_words;
mod frame;
mod interfaces;
mod limits;
mod live;
mod live_error;
mod pcap;
mod pcap_records;
mod pcapng;
mod plan;
mod reader;
mod record;
mod record_error;
mod recorder;
mod ring_name;
mod sink;
mod source;
mod stored;
mod wait;
mod writer;

pub use comment::comment;
pub use error::{CaptureError, Truncation};
pub use frame::{Frame, LinkType};
pub use interfaces::{first as first_interface, interfaces, Interface};
pub use limits::Limits;
pub use live::{wait, Health, Listen, ListenError, Live, Woken, WHOLE};
pub use live_error::LiveError;
pub use plan::{About, Counts, Moment, Plan, Recorded, Source, Then};
pub use reader::{Options, Reader};
pub use record_error::RecordError;
pub use recorder::Recorder;
pub use sink::Form;
pub use source::InputSummary;
pub use writer::Writer;
