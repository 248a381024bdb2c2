//! A recording: packets of one or more interfaces into one file, a ring of files or a pipe, until enough is recorded.
//!
//! One file has its name from the first byte on, so that it can be followed. A file of a ring is called `NAME.part` while it
//! is written, and takes its name in one step once it is whole. Whatever goes wrong, a file ends with a whole record.

use super::blocks::{self, Interface, Section, Statistics};
use super::frame::LinkType;
use super::limits::Amount;
use super::pcap_records;
use super::plan::{Counts, Moment, Plan, Recorded, Then};
use super::record_error::{failed, RecordError};
use super::ring_name::RingName;
use super::sink::{Form, Sink};
use crate::units::Timestamp;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Notes kept for a packet that never comes.
const NOTES_AT_MOST: usize = 64;
/// Longest statistics of one interface without its notes, in bytes: room kept for them where a disk is full.
const STATISTICS_BYTES: usize = 128;

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

#[cfg(test)]
mod tests {
    use super::super::comment;
    use super::super::limits::Limits;
    use super::super::plan::{About, Source};
    use super::*;
    use jiff::tz::TimeZone;

    fn at(seconds: i64) -> Moment {
        Moment {
            wall: Timestamp::new(seconds, 0),
            since: Duration::from_secs(u64::try_from(seconds).unwrap()),
        }
    }

    fn plan(path: PathBuf, ring: Option<Limits>) -> Plan {
        Plan {
            path,
            form: Form::Pcapng,
            stop: Limits::default(),
            ring,
            group_reads: false,
            zone: TimeZone::UTC,
            recorder: About {
                comment: "why".into(),
                ..About::default()
            },
            interfaces: vec![Source {
                name: "eth1".into(),
                description: String::new(),
                filter: String::new(),
                snaplen: 256,
                link: LinkType::ETHERNET,
            }],
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_turn_with_the_clock_and_when_it_is_set_back() {
        let folder = tempfile::tempdir().unwrap();
        let ring = Limits {
            interval: Some(60),
            files: Some(2),
            ..Limits::default()
        };
        let plan = plan(folder.path().join("r.pcapng"), Some(ring));
        let mut recorder = Recorder::begin(plan, None, at(119)).unwrap();
        assert_eq!(recorder.at(at(119)), Then::GoOn);
        assert_eq!(recorder.at(at(120)), Then::NextFile);
        let counts = [Counts::default()];
        assert_eq!(recorder.next_file(&counts, at(120)).unwrap(), Then::GoOn);
        assert_eq!(recorder.at(at(179)), Then::GoOn);
        assert_eq!(recorder.at(at(30)), Then::NextFile);
        assert_eq!(recorder.next_file(&counts, at(30)).unwrap(), Then::GoOn);
        assert_eq!(
            names(folder.path()),
            [
                "r_00002_19700101000200.pcapng",
                "r_00003_19700101000030.pcapng.part"
            ]
        );
        let recorded = recorder.finish(&counts, at(31)).unwrap();
        assert_eq!((recorded.files, recorded.packets), (3, 0));
        let last = folder.path().join("r_00003_19700101000030.pcapng");
        assert_eq!(comment(&last).as_deref(), Some("why"));
    }

    #[test]
    fn packets_and_bytes_end_a_recording_when_they_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        for (stop, packets) in [
            (
                Limits {
                    packets: Some(3),
                    ..Limits::default()
                },
                3,
            ),
            (
                Limits {
                    bytes: Some(1_000),
                    ..Limits::default()
                },
                // Each takes 232 bytes, beside those of the head.
                4,
            ),
        ] {
            let path = folder.path().join("f.pcapng");
            let mut plan = plan(path.clone(), None);
            plan.stop = stop;
            let mut recorder = Recorder::begin(plan, None, at(0)).unwrap();
            let mut taken = 0;
            let mut then = Then::GoOn;
            while then == Then::GoOn {
                then = recorder
                    .packet(0, Timestamp::new(taken, 0), 1_500, &[0; 200])
                    .unwrap();
                taken += 1;
            }
            assert_eq!((then, taken), (Then::End, packets));
            let recorded = recorder.finish(&[Counts::default()], at(9)).unwrap();
            assert_eq!(recorded.bytes, path.metadata().unwrap().len());
        }
    }

    #[test]
    fn a_recording_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for (group_reads, mode) in [(false, 0o600), (true, 0o640)] {
            let path = folder.path().join(format!("{group_reads}.pcapng"));
            let mut plan = plan(path.clone(), None);
            plan.group_reads = group_reads;
            Recorder::begin(plan, None, at(0)).unwrap();
            let made = path.metadata().unwrap().permissions().mode();
            // Less, where the user's own mask takes more away.
            assert_eq!(made & 0o777 & !mode, 0);
        }
    }
}
