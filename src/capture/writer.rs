//! A pcapng file, written: one section, one interface, times to the nanosecond (draft-ietf-opsawg-pcapng, sections 4.1 to 4.3).

use super::frame::LinkType;
use crate::units::Timestamp;
use std::io::{self, Write};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Options: end, comment, the resolution of times, the program that wrote the file.
const END: u16 = 0;
const COMMENT: u16 = 1;
const RESOLUTION: u16 = 9;
const APPLICATION: u16 = 4;
/// Times count 10^-9 s.
const NANOSECONDS: u8 = 9;
/// Block type, both lengths, and the five numbers before a packet's bytes.
const ENHANCED_PACKET_BYTES: usize = 32;
/// Text of an option that is kept: its length is written in 16 bits.
const OPTION_AT_MOST: usize = 32_000;

/// Writes packets of one link type.
pub struct Writer<W> {
    out: W,
    snaplen: u32,
    packets: u64,
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
        let mut section = Vec::new();
        section.extend(BYTE_ORDER.to_le_bytes());
        section.extend([1, 0, 0, 0]); // version 1.0
        section.extend(u64::MAX.to_le_bytes()); // how long the section is, is not told
        option(&mut section, COMMENT, comment.as_bytes());
        option(&mut section, APPLICATION, program.as_bytes());
        option(&mut section, END, &[]);
        block(&mut out, SECTION, &section)?;

        let mut interface = Vec::new();
        interface.extend(link.0.to_le_bytes());
        interface.extend([0, 0]);
        interface.extend(snaplen.max(1).to_le_bytes());
        option(&mut interface, RESOLUTION, &[NANOSECONDS]);
        option(&mut interface, END, &[]);
        block(&mut out, INTERFACE, &interface)?;
        Ok(Self {
            out,
            snaplen: snaplen.max(1),
            packets: 0,
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
        let padded = data.len().next_multiple_of(4);
        let total = ((ENHANCED_PACKET_BYTES + padded) as u32).to_le_bytes();
        self.out.write_all(&ENHANCED_PACKET.to_le_bytes())?;
        self.out.write_all(&total)?;
        self.out.write_all(&0u32.to_le_bytes())?; // interface
        self.out.write_all(&((at >> 32) as u32).to_le_bytes())?;
        self.out.write_all(&(at as u32).to_le_bytes())?;
        self.out.write_all(&(data.len() as u32).to_le_bytes())?;
        self.out.write_all(&wire_len.to_le_bytes())?;
        self.out.write_all(data)?;
        let filling = [0; 3];
        self.out
            .write_all(filling.get(..padded - data.len()).unwrap_or_default())?;
        self.out.write_all(&total)?;
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

/// An option: code, length, value, filled up to four bytes. One without a value is left out, but for the one that ends them.
fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..OPTION_AT_MOST).unwrap_or(value);
    if value.is_empty() && code != END {
        return;
    }
    block.extend(code.to_le_bytes());
    block.extend((value.len() as u16).to_le_bytes());
    block.extend(value);
    block.resize(block.len().next_multiple_of(4), 0);
}

/// A block: type, length, body, length.
fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let total = ((body.len() + 12) as u32).to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&total)?;
    out.write_all(body)?;
    out.write_all(&total)
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
