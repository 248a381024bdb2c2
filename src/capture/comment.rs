//! What the one who wrote a pcapng file said about it: the comment of its first section.

use std::fs::File;
use std::io::Read;
use std::path::Path;

const SECTION: [u8; 4] = 0x0a0d_0d0au32.to_le_bytes();
const BYTE_ORDER: [u8; 4] = 0x1a2b_3c4du32.to_le_bytes();
/// Block type, length, byte order, version, section length.
const HEADER: usize = 24;
const COMMENT: u16 = 1;
/// Longest first block that is looked at.
const LONGEST: u64 = 1 << 17;

/// The comment of a file's first section. `None` where there is none; of what is no plain file, for that cannot be read twice;
/// and of files that are packed or of the other byte order, which [`super::Writer`] does not write.
pub fn comment(path: &Path) -> Option<String> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut begin = Vec::new();
    let file = File::open(path).ok()?;
    file.take(LONGEST).read_to_end(&mut begin).ok()?;
    of_section(&begin)
}

fn of_section(begin: &[u8]) -> Option<String> {
    if begin.get(..4)? != SECTION || begin.get(8..12)? != BYTE_ORDER {
        return None;
    }
    let total = u32::from_le_bytes(begin.get(4..8)?.try_into().ok()?) as usize;
    let mut options = begin.get(HEADER..total.checked_sub(4)?)?;
    loop {
        let (head, rest) = options.split_first_chunk::<4>()?;
        let [a, b, c, d] = *head;
        let (code, length) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        let length = usize::from(length);
        match code {
            0 => return None,
            COMMENT => return String::from_utf8(rest.get(..length)?.to_vec()).ok(),
            _ => options = rest.get(length.next_multiple_of(4)..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LinkType, Writer};
    use super::*;

    #[test]
    fn what_was_said_is_heard() {
        let mut file = Vec::new();
        for (said, heard) in [("why\nand how", Some("why\nand how")), ("", None)] {
            file.clear();
            Writer::begin(&mut file, LinkType::RAW, 64, "a program", said).unwrap();
            assert_eq!(of_section(&file).as_deref(), heard);
        }
        Writer::begin(&mut file, LinkType::RAW, 64, "a program", "why").unwrap();
        for end in 0..file.len().min(60) {
            // Cut anywhere, it is silent or whole, and never panics.
            of_section(&file[..end]);
        }
        assert_eq!(of_section(&[0xff; 64]), None);
    }
}
