//! A recording: packets of one or more interfaces into one file, a ring of files or a pipe, until enough is recorded.
//!
//! One file has its name from the first byte on, so that it can be followed. A file of a ring is called `NAME.part` while it
//! is written, and takes its name in one step once it is whole. Whatever goes wrong, a file ends with a whole record.

use super::blocks::{self, Interface, Section, Statistics};
use super::frame::LinkType;
use super::limits::{Amount, Limits};
use super::pcap_records;
use super::ring_name::RingName;
use super::sink::{Cut, Form, Sink};
use crate::units::Timestamp;
use jiff::tz::TimeZone;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Notes kept for a packet that never comes.
const NOTES_AT_MOST: usize = 64;
/// Longest statistics of one interface without its notes, in bytes: room kept for them where a disk is full.
const STATISTICS_BYTES: usize = 128;

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
    /// Begin the [next file](Recorder::next_file).
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

/// Why a recording could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A file could not be made.
    #[error(
        "{path}: cannot be written: {source}; choose a file in a folder that you may write to"
    )]
    Create {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A write failed: disk full, taken away, broken.
    #[error("{path}: writing failed: {source}; {left}; {lost} packets were taken and not written; {hint}")]
    Write {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
        /// What is left.
        left: &'static str,
        /// Packets that are in no file.
        lost: u64,
        /// What to try.
        hint: &'static str,
    },
    /// A finished file could not be given its name.
    #[error("{path}: is whole, but could not be given its name: {source}; it is called {part}")]
    Name {
        /// The name.
        path: String,
        /// What it is called.
        part: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Whoever read the pipe has gone.
    #[error("{path}: nobody reads any more")]
    Closed {
        /// The pipe.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// What a file is called while it is written, and once it is whole, where these are two names.
type Renamed = Option<(PathBuf, PathBuf)>;

/// A recording under way.
pub struct Recorder {
    plan: Plan,
    names: Option<RingName>,
    sink: Sink,
    /// The names of the file at hand.
    renamed: Renamed,
    /// A ring's whole files, the oldest first; empty where all are kept.
    kept: VecDeque<PathBuf>,
    recorded: Recorded,
    file: Amount,
    began: Moment,
    file_began: Duration,
    turn: Option<Timestamp>,
    /// Packets recorded from each interface.
    delivered: Vec<u64>,
    /// What is to be said with the next packet of an interface.
    notes: Vec<(usize, String)>,
    broken: bool,
}

impl Recorder {
    /// Begins a recording in `opened`, or else in a new file as planned; one of that name is written over.
    ///
    /// # Errors
    /// The file cannot be made, or its head not be written.
    pub fn begin(plan: Plan, opened: Option<File>, now: Moment) -> Result<Self, RecordError> {
        let names = plan
            .ring
            .as_ref()
            .map(|_| RingName::of(&plan.path, plan.zone.clone()));
        let (file, renamed) = match (opened, &names) {
            (Some(file), _) => (file, None),
            (None, None) => (create(&plan.path, plan.group_reads)?, None),
            (None, Some(names)) => next(names, 1, now.wall, plan.group_reads)?,
        };
        let mut recorder = Self {
            names,
            sink: Sink::new(file, plan.form),
            renamed,
            kept: VecDeque::new(),
            recorded: Recorded::default(),
            file: Amount::default(),
            began: now,
            file_began: now.since,
            turn: None,
            delivered: vec![0; plan.interfaces.len()],
            notes: Vec::new(),
            broken: false,
            plan,
        };
        recorder.head(now)?;
        Ok(recorder)
    }

    /// The head of a file, which is written at once.
    fn head(&mut self, now: Moment) -> Result<(), RecordError> {
        let head = self.sink.gather(0);
        let begin = head.len();
        match self.plan.form {
            Form::Pcapng => {
                let about = &self.plan.recorder;
                let section = Section {
                    hardware: &about.hardware,
                    system: &about.system,
                    program: &about.program,
                    comment: &about.comment,
                };
                blocks::section(head, &section);
                for source in &self.plan.interfaces {
                    let interface = Interface {
                        link: source.link.0,
                        snaplen: source.snaplen,
                        name: &source.name,
                        description: &source.description,
                        filter: &source.filter,
                        system: &about.system,
                    };
                    blocks::interface(head, &interface);
                }
            }
            Form::Pcap => {
                let first = self.plan.interfaces.first();
                let link = first.map_or(LinkType::ETHERNET, |source| source.link);
                let snaplen = first.map_or(0, |source| source.snaplen);
                pcap_records::header(head, link.0, snaplen);
            }
        }
        let bytes = (head.len() - begin) as u64;
        self.recorded.files += 1;
        self.recorded.bytes += bytes;
        self.file = Amount { bytes, packets: 0 };
        self.file_began = now.since;
        self.turn = self
            .plan
            .ring
            .as_ref()
            .and_then(|ring| ring.next_turn(now.wall));
        self.flush()
    }

    /// A packet of an interface: its time, its bytes on the wire, and the first of them.
    ///
    /// # Errors
    /// What was gathered could not be written.
    #[inline]
    pub fn packet(
        &mut self,
        interface: usize,
        at: Timestamp,
        wire_len: u32,
        data: &[u8],
    ) -> Result<Then, RecordError> {
        // No packet is from before 1970, whatever the clock says.
        let at = u64::try_from(at.0).unwrap_or(0);
        let notes = match self.notes.is_empty() {
            true => Vec::new(),
            false => self.notes_of(interface),
        };
        let into = self.sink.gather(1);
        let begin = into.len();
        match self.plan.form {
            Form::Pcapng => blocks::packet(into, interface as u32, at, wire_len, data, &notes),
            Form::Pcap => pcap_records::packet(into, at, wire_len, data),
        }
        let bytes = (into.len() - begin) as u64;
        if let Some(delivered) = self.delivered.get_mut(interface) {
            *delivered += 1;
        }
        self.recorded.packets += 1;
        self.recorded.bytes += bytes;
        self.file.packets += 1;
        self.file.bytes += bytes;
        if self.sink.is_full() {
            self.flush()?;
        }
        Ok(self.after_packet())
    }

    #[inline]
    fn after_packet(&self) -> Then {
        let stop = &self.plan.stop;
        if stop
            .packets
            .is_some_and(|most| self.recorded.packets >= most)
        {
            return Then::End;
        }
        match &self.plan.ring {
            Some(ring) if ring.reached_by(self.file) => Then::NextFile,
            None if stop.reached_by(self.file) => Then::End,
            _ => Then::GoOn,
        }
    }

    /// What is to be done at that time, whether packets come or not.
    pub fn at(&self, now: Moment) -> Then {
        if self
            .plan
            .stop
            .is_over(now.since.saturating_sub(self.began.since))
        {
            return Then::End;
        }
        match &self.plan.ring {
            Some(ring)
                if ring.is_over(now.since.saturating_sub(self.file_began))
                    // Other than planned: the turn has come, or the clock was set back.
                    || ring.next_turn(now.wall) != self.turn =>
            {
                Then::NextFile
            }
            _ => Then::GoOn,
        }
    }

    /// Says something with the next packet of an interface, or at the file's end. Classic pcap has no place for it.
    pub fn note(&mut self, interface: usize, text: String) {
        if self.notes.len() < NOTES_AT_MOST {
            self.notes.push((interface, text));
        }
    }

    fn notes_of(&mut self, interface: usize) -> Vec<String> {
        let (mine, others) = std::mem::take(&mut self.notes)
            .into_iter()
            .partition(|(of, _)| *of == interface);
        self.notes = others;
        let mine: Vec<(usize, String)> = mine;
        mine.into_iter().map(|(_, text)| text).collect()
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// It could not be written; the file was cut back to its last whole record, and all there is to do is to
    /// [finish](Self::finish).
    pub fn flush(&mut self) -> Result<(), RecordError> {
        let spare = STATISTICS_BYTES * self.plan.interfaces.len();
        self.sink.flush(spare).map_err(|cut| {
            self.broken = true;
            self.recorded.lost += cut.lost;
            failed(self.at_hand(), cut)
        })
    }

    /// Whether somebody waits for each packet at the other end of a pipe.
    pub fn is_piped(&self) -> bool {
        self.sink.is_piped()
    }

    /// The file at hand, as whoever wants to know about its disk may ask the system.
    pub fn file(&self) -> &File {
        self.sink.file()
    }

    /// What was recorded so far.
    pub fn recorded(&self) -> Recorded {
        self.recorded
    }

    /// The file at hand by its name.
    fn at_hand(&self) -> &Path {
        match &self.renamed {
            Some((part, _)) => part,
            None => &self.plan.path,
        }
    }

    /// Ends the file at hand and begins the next; deletes the oldest of a full ring. `counts` are the interfaces', in order.
    ///
    /// # Errors
    /// One could not be written, the other not be made.
    pub fn next_file(&mut self, counts: &[Counts], now: Moment) -> Result<Then, RecordError> {
        let files = self.recorded.files;
        let enough = self.plan.stop.files.is_some_and(|most| files >= most);
        let Some(names) = self.names.clone().filter(|_| !enough) else {
            return Ok(Then::End);
        };
        self.end_file(counts, now)?;
        if let Some(most) = self.plan.ring.as_ref().and_then(|ring| ring.files) {
            while self.kept.len() as u64 >= most {
                let Some(oldest) = self.kept.pop_front() else {
                    break;
                };
                // One that somebody took away already is no matter.
                let _ = fs::remove_file(oldest);
            }
        }
        let (file, renamed) = next(&names, files + 1, now.wall, self.plan.group_reads)?;
        self.sink.turn_to(file);
        self.renamed = renamed;
        self.head(now)?;
        Ok(Then::GoOn)
    }

    /// Statistics, the last bytes, the name.
    fn end_file(&mut self, counts: &[Counts], now: Moment) -> Result<(), RecordError> {
        if self.plan.form == Form::Pcapng {
            self.statistics(counts, now);
        }
        let written = self.flush();
        let Some((part, path)) = self.renamed.take() else {
            return written;
        };
        let named = fs::rename(&part, &path).map_err(|source| RecordError::Name {
            path: path.display().to_string(),
            part: part.display().to_string(),
            source,
        });
        if self
            .plan
            .ring
            .as_ref()
            .is_some_and(|ring| ring.files.is_some())
        {
            self.kept.push_back(path);
        }
        written.and(named)
    }

    fn statistics(&mut self, counts: &[Counts], now: Moment) {
        let time = |at: Timestamp| u64::try_from(at.0).unwrap_or(0);
        for (interface, counts) in counts.iter().enumerate() {
            let comments = self.notes_of(interface);
            let statistics = Statistics {
                began: time(self.began.wall),
                ended: time(now.wall),
                received: counts.received,
                // As dumpcap does: all that was lost, so that those who read this number alone see it.
                lost: counts.dropped.saturating_add(counts.interface_dropped),
                system_lost: counts.dropped,
                delivered: self.delivered.get(interface).copied().unwrap_or_default(),
                comments: &comments,
            };
            let into = self.sink.gather(0);
            let begin = into.len();
            blocks::statistics(into, interface as u32, time(now.wall), &statistics);
            let bytes = (into.len() - begin) as u64;
            self.recorded.bytes += bytes;
            self.file.bytes += bytes;
        }
    }

    /// Ends the recording. After a failed write, statistics are added where they still fit.
    ///
    /// # Errors
    /// The end could not be written, where nothing had failed before.
    pub fn finish(mut self, counts: &[Counts], now: Moment) -> Result<Recorded, RecordError> {
        let broken = self.broken;
        let ended = self.end_file(counts, now);
        match broken {
            true => Ok(self.recorded),
            false => ended.map(|()| self.recorded),
        }
    }
}

fn failed(path: &Path, cut: Cut) -> RecordError {
    let path = match path.as_os_str().as_encoded_bytes() {
        b"-" => "standard output".to_owned(),
        _ => path.display().to_string(),
    };
    let source = cut.source;
    if source.kind() == io::ErrorKind::BrokenPipe {
        return RecordError::Closed { path, source };
    }
    RecordError::Write {
        path,
        left: match cut.whole {
            true => "the file was cut back to its last whole record",
            false => "the last record is cut off",
        },
        lost: cut.lost,
        hint: match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "make room, or keep a ring of files, as with -b filesize:100000 -b files:10"
            }
            io::ErrorKind::ReadOnlyFilesystem => "write to another disk",
            _ => "look at the disk (dmesg), or write to another",
        },
        source,
    }
}

/// A ring's next file and its names.
fn next(
    names: &RingName,
    number: u64,
    at: Timestamp,
    group_reads: bool,
) -> Result<(File, Renamed), RecordError> {
    let path = names.file(number, at);
    let mut part = path.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let file = create(&part, group_reads)?;
    Ok((file, Some((part, path))))
}

/// A file for its owner alone, as a recording is somebody's day at home.
fn create(path: &Path, group_reads: bool) -> Result<File, RecordError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if group_reads { 0o640 } else { 0o600 });
    }
    options.open(path).map_err(|source| RecordError::Create {
        path: path.display().to_string(),
        source,
    })
}
