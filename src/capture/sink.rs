//! Where a recording's bytes go: a file, or a pipe. Buffered in whole records, so that after a failed write the file can be
//! cut back to its last whole one.

use super::{blocks, pcap_records};
use rustix::event::{poll, PollFd, PollFlags};
use std::fs::File;
use std::io::{self, Seek, Write};

/// How a file is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// pcapng, with what is known about interfaces and losses.
    #[default]
    Pcapng,
    /// Classic pcap with times in nanoseconds.
    Pcap,
}

impl Form {
    /// Of records that end anywhere, the bytes of those that are whole within the first `limit`, and how many of them are
    /// packets.
    fn whole(self, records: &[u8], limit: usize) -> (usize, u64) {
        match self {
            Self::Pcapng => blocks::whole(records, limit),
            Self::Pcap => pcap_records::whole(records, limit),
        }
    }
}

/// Bytes gathered before they are written.
const GATHERED: usize = 256 << 10;
/// Room for these and one more packet of any size.
const ROOM: usize = 1 << 20;

/// A file or pipe and what was not written to it yet.
pub(super) struct Sink {
    file: File,
    form: Form,
    /// Whether somebody waits at the other end, and nothing can be taken back.
    piped: bool,
    gathered: Vec<u8>,
    /// Packets among the gathered.
    waiting: u64,
}

/// What a failed write left.
#[derive(Debug)]
pub(super) struct Cut {
    /// The system's reason.
    pub(super) source: io::Error,
    /// Packets that were to be written and are not in the file.
    pub(super) lost: u64,
    /// Whether the file ends with a whole record now.
    pub(super) whole: bool,
}

impl Sink {
    pub(super) fn new(file: File, form: Form) -> Self {
        let piped = !file.metadata().is_ok_and(|about| about.is_file());
        Self {
            file,
            form,
            piped,
            gathered: Vec::with_capacity(ROOM),
            waiting: 0,
        }
    }

    /// The next file or pipe, once all is written to this one.
    pub(super) fn turn_to(&mut self, file: File) {
        self.piped = !file.metadata().is_ok_and(|about| about.is_file());
        self.file = file;
        self.gathered.clear();
        self.waiting = 0;
    }

    /// The file, to ask the system about.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn is_piped(&self) -> bool {
        self.piped
    }

    /// Where records are put: whole ones only. `packets` of them are packets.
    #[inline]
    pub(super) fn gather(&mut self, packets: u64) -> &mut Vec<u8> {
        self.waiting += packets;
        &mut self.gathered
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.gathered.len() >= GATHERED
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// Where the system takes no more. The file was then cut back to its last whole record, and so far that `spare` bytes fit
    /// behind it on the same disk, if at all that can be done within what was gathered.
    pub(super) fn flush(&mut self, spare: usize) -> Result<(), Cut> {
        let mut written = 0;
        let result = loop {
            match self.gathered.get(written..) {
                None | Some([]) => break Ok(()),
                Some(left) => match self.file.write(left) {
                    Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                    Ok(more) => written += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // Somebody we share the pipe with wants no writer to wait: so it is we who wait.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        let mut files = [PollFd::new(&self.file, PollFlags::OUT)];
                        match poll(&mut files, None) {
                            Ok(_) | Err(rustix::io::Errno::INTR) => {}
                            Err(error) => break Err(error.into()),
                        }
                    }
                    Err(error) => break Err(error),
                },
            }
        };
        let result = result.map_err(|source| self.cut(source, written, spare));
        self.gathered.clear();
        self.waiting = 0;
        result
    }

    /// Cuts the file back to its last whole record, of the gathered ones that were written in part.
    fn cut(&mut self, source: io::Error, written: usize, spare: usize) -> Cut {
        let (mut keep, mut packets) = self
            .form
            .whole(&self.gathered, written.saturating_sub(spare));
        let shorten = |file: &mut File, by: usize| -> io::Result<()> {
            // The end as the system has it: the file may have begun before us (`>>`).
            let end = file.stream_position()?;
            let end = end.saturating_sub(by as u64);
            file.set_len(end)?;
            file.seek(io::SeekFrom::Start(end)).map(|_| ())
        };
        let whole = match self.piped {
            true => false,
            false => shorten(&mut self.file, written - keep).is_ok(),
        };
        if !whole {
            (keep, packets) = self.form.whole(&self.gathered, written);
        }
        Cut {
            source,
            lost: self.waiting - packets.min(self.waiting),
            whole: whole || keep == written,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    #[test]
    fn a_full_disk_takes_nothing_and_all_is_counted_as_lost() {
        let Ok(full) = File::options().write(true).open("/dev/full") else {
            println!("skipped: no /dev/full");
            return;
        };
        let mut sink = Sink::new(full, Form::Pcap);
        pcap_records::packet(sink.gather(1), 0, 4, &[1; 4]);
        let cut = sink.flush(0).unwrap_err();
        assert_eq!((cut.lost, cut.whole), (1, true));
        assert_eq!(cut.source.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_cut_leaves_whole_records_and_room() {
        // 20 bytes a record; 50 of 60 went to the disk.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for (spare, kept, lost) in [(0, 40, 1), (11, 20, 2), (100, 0, 3)] {
            let mut file = File::create(&path).unwrap();
            file.write_all(b"before").unwrap();
            file.write_all(&[0; 50]).unwrap();
            let mut sink = Sink::new(file, Form::Pcap);
            for _ in 0..3 {
                pcap_records::packet(sink.gather(1), 0, 4, &[1; 4]);
            }
            let cut = sink.cut(io::ErrorKind::StorageFull.into(), 50, spare);
            assert_eq!((cut.lost, cut.whole), (lost, true));
            assert_eq!(path.metadata().unwrap().len(), 6 + kept);
        }
    }

    #[test]
    fn a_pipe_that_does_not_wait_is_waited_for() {
        use std::io::Read;
        let (mut ours, theirs) = io::pipe().unwrap();
        rustix::fs::fcntl_setfl(&theirs, rustix::fs::OFlags::NONBLOCK).unwrap();
        let mut sink = Sink::new(File::from(OwnedFd::from(theirs)), Form::Pcap);
        // More than a pipe holds.
        pcap_records::packet(sink.gather(1), 0, 4, &[1; 300_000]);
        let reader = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let mut all = Vec::new();
            ours.read_to_end(&mut all).unwrap();
            all.len()
        });
        sink.flush(0).unwrap();
        drop(sink);
        assert_eq!(reader.join().unwrap(), 300_016);
    }

    #[test]
    fn a_closed_pipe_is_told_from_a_full_disk() {
        let (ours, theirs) = io::pipe().unwrap();
        drop(ours);
        let mut sink = Sink::new(File::from(OwnedFd::from(theirs)), Form::Pcap);
        assert!(sink.is_piped());
        pcap_records::packet(sink.gather(1), 0, 4, &[1; 4]);
        let cut = sink.flush(0).unwrap_err();
        assert_eq!(cut.source.kind(), io::ErrorKind::BrokenPipe);
    }
}
