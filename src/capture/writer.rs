//! A pcapng file, written: one section, one interface, times to the nanosecond (draft-ietf-opsawg-pcapng, sections 4.1 to 4.3).

use super::blocks::{self, Interface, Section};
use super::frame::LinkType;
use crate::units::Timestamp;
use std::io::{self, Write};

/// Writes packets of one link type.
pub struct Writer<W> {
    out: W,
    snaplen: u32,
    packets: u64,
    /// The block at hand.
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a file of frames of type `link`, of each of which at most `snaplen` bytes (at least 1) are kept. `program` and
    /// `comment` are for those who look into the file.
    ///
    /// # Errors
    /// What the writer below says.
    pub fn begin(
        mut out: W,
        link: LinkType,
        snaplen: u32,
        program: &str,
        comment: &str,
    ) -> io::Result<Self> {
        let mut block = Vec::new();
        let section = Section {
            program,
            comment,
            ..Section::default()
        };
        let interface = Interface {
            link: link.0,
            snaplen: snaplen.max(1),
            ..Interface::default()
        };
        blocks::section(&mut block, &section);
        blocks::interface(&mut block, &interface);
        out.write_all(&block)?;
        Ok(Self {
            out,
            snaplen: snaplen.max(1),
            packets: 0,
            block,
        })
    }

    /// One packet that had `wire_len` bytes, of which `data` are the first; more than the snaplen is cut off.
    ///
    /// # Errors
    /// What the writer below says; a time before 1970, which the format cannot hold.
    pub fn packet(&mut self, at: Timestamp, wire_len: u32, data: &[u8]) -> io::Result<()> {
        let Ok(at) = u64::try_from(at.0) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a packet at {at}: pcapng holds no time before 1970"),
            ));
        };
        let keep = self.snaplen.min(wire_len) as usize;
        let data = data.get(..keep).unwrap_or(data);
        self.block.clear();
        blocks::packet(&mut self.block, 0, at, wire_len, data, &[]);
        self.out.write_all(&self.block)?;
        self.packets += 1;
        Ok(())
    }

    /// Ends the file; says how many packets it holds.
    ///
    /// # Errors
    /// What the writer below says.
    pub fn end(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.packets)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Reader};
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut file = Vec::new();
        let mut writer = Writer::begin(&mut file, LinkType::RAW, 6, "a program", "why").unwrap();
        let at = Timestamp::new(1_700_000_000, 123_456_789);
        writer.packet(at, 5, &[1, 2, 3, 4, 5]).unwrap();
        writer.packet(at, 1_500, &[9; 40]).unwrap();
        let early = writer.packet(Timestamp(-1), 1, &[0]).unwrap_err();
        assert!(early.to_string().contains("before 1970"), "{early}");
        assert_eq!(writer.end().unwrap(), 2);

        assert_eq!(file.len() % 4, 0);
        let origin = Box::new(std::io::Cursor::new(file));
        let mut reader = Reader::from_read("written", origin, &Options::default()).unwrap();
        let mut seen = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            assert_eq!((frame.at, frame.link), (at, LinkType::RAW));
            seen.push((frame.wire_len, frame.data.to_vec()));
        }
        assert_eq!(seen, [(5, vec![1, 2, 3, 4, 5]), (1_500, vec![9; 6])]);
        let summary = reader.summaries().remove(0);
        assert!(summary.truncated.is_none() && summary.warnings.is_empty());
    }
}
