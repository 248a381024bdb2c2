//! What a recording is to be, and what came of it: words that its maker and its keeper share.

use super::frame::LinkType;
use super::limits::Limits;
use super::sink::Form;
use crate::units::Timestamp;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::time::Duration;

/// Now, by both clocks: the one that is set, and the one that only goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// By the clock on the wall.
    pub wall: Timestamp,
    /// Since the program began.
    pub since: Duration,
}

/// What is to be recorded where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The file; of a ring, what its files' names are made of; `-` only names standard output in errors.
    pub path: PathBuf,
    /// How files are laid out.
    pub form: Form,
    /// When to end.
    pub stop: Limits,
    /// When the next file begins, where there are several; `files` are kept at a time.
    pub ring: Option<Limits>,
    /// Whether the file's group may read it; others never may.
    pub group_reads: bool,
    /// The zone of the times in a ring's names.
    pub zone: TimeZone,
    /// Who records.
    pub recorder: About,
    /// What is recorded from, in the order of their numbers.
    pub interfaces: Vec<Source>,
}

/// Who records, for those who look into the file.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The machine's kind.
    pub hardware: String,
    /// Its system.
    pub system: String,
    /// The program and its version.
    pub program: String,
    /// What is to be said; the host's name.
    pub comment: String,
}

/// An interface, for those who look into the file.
#[derive(Clone, Debug)]
pub struct Source {
    /// As the system calls it.
    pub name: String,
    /// In words, where there are some.
    pub description: String,
    /// The filter, as it was typed; empty for none.
    pub filter: String,
    /// Bytes of a packet that are kept at most.
    pub snaplen: u32,
    /// What its packets begin with.
    pub link: LinkType,
}

/// What became of an interface's packets, from the beginning on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that passed the filter, with those that were then dropped.
    pub received: u64,
    /// Of these, dropped by the kernel, as we did not take them soon enough.
    pub dropped: u64,
    /// Dropped by the interface or its driver before that.
    pub interface_dropped: u64,
}

/// What is to be done after a packet, or as time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Then {
    /// Go on.
    GoOn,
    /// Begin the next file (`Recorder::next_file`).
    NextFile,
    /// End: enough is recorded.
    End,
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Packets taken, those that a broken disk did not take included.
    pub packets: u64,
    /// Of these, packets that are in no file, as it could not be written.
    pub lost: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files begun.
    pub files: u64,
}
