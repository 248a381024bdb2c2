//! What can go wrong before a first frame, and where a file turned out to be damaged.

use std::fmt::Write as _;
use std::io;

/// Why a capture could not be read at all, or no further.
///
/// A file that ends or breaks in the middle is no error: its whole records are kept and the summary bears a
/// [`Truncation`].
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// No input was named.
    #[error("no capture was given; name a file, or `-` for standard input")]
    NoInput,
    /// The file could not be opened.
    #[error("{path}: cannot be opened: {source}; check the name and that you may read it")]
    Open {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The system failed to deliver bytes.
    #[error(
        "{path}: reading failed after byte {offset} (record {record}): {source}; give a capture file, or `-` for standard input"
    )]
    Read {
        /// The file.
        path: String,
        /// Stored bytes read before.
        offset: u64,
        /// Records read before.
        record: u64,
        /// The system's reason.
        source: io::Error,
    },
    /// There is not one byte.
    #[error("{path}: is empty (0 bytes); did the capture write anything, and is the disk full?")]
    Empty {
        /// The file.
        path: String,
    },
    /// The first bytes are no magic number we know.
    #[error(
        "{path}: is not a capture: it begins with {found}; understood are pcap, pcapng, and either in gzip or zstd{hint}"
    )]
    NotACapture {
        /// The file.
        path: String,
        /// Its first bytes, in hexadecimal and as text.
        found: String,
        /// What the bytes look like and how to convert them; begins with `; ` where there is something to say.
        hint: &'static str,
    },
    /// The file ends within its header.
    #[error(
        "{path}: ends within the {format} header, after {have} of {need} bytes; copy the file again, or wait until the capture has begun"
    )]
    HeaderCut {
        /// The file.
        path: String,
        /// "pcap" or "pcapng", with the compression.
        format: String,
        /// Bytes there.
        have: u64,
        /// Bytes the header needs.
        need: u64,
    },
    /// The file's header contradicts itself.
    #[error("{path}: damaged {format} header at byte {offset}: {what}; copy the file again")]
    BadHeader {
        /// The file.
        path: String,
        /// "pcap" or "pcapng", with the compression.
        format: String,
        /// Where, in bytes of the (decompressed) file.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Compressed data could not be decompressed up to the capture's header.
    #[error("{path}: damaged {format} data: {what}; copy the file again, or try `{format} -t`")]
    Decompress {
        /// The file.
        path: String,
        /// "gzip" or "zstd".
        format: &'static str,
        /// The decompressor's reason.
        what: String,
    },
    /// libpcap refuses the filter.
    #[error("filter `{filter}`: {reason}{}{place}for example: -f 'host 192.168.1.20 and not port 53' (see man pcap-filter)", link_note(.link))]
    Filter {
        /// The filter as given.
        filter: String,
        /// libpcap's message.
        reason: String,
        /// The file and link type it was compiled for, where it is wrong for that alone.
        link: Option<String>,
        /// Where in the filter that is, drawn below it; or what separates two sentences.
        place: String,
    },
    /// The filter holds a name that libpcap would ask the network for.
    #[error(
        "filter `{filter}`: `{word}` is no keyword, and names are not looked up, as that would open a connection; write the address or the port's number, as in -f 'host 192.168.1.20 and port 443'"
    )]
    FilterName {
        /// The filter as given.
        filter: String,
        /// The word that would be looked up.
        word: String,
    },
}

fn link_note(link: &Option<String>) -> String {
    link.as_ref()
        .map(|link| format!(" ({link})"))
        .unwrap_or_default()
}

/// Where a file broke off, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// One sentence for the reader: what, where, what was kept, what to try.
    pub message: String,
    /// The byte at which the broken record or block begins, in the file as it is once decompressed.
    pub offset: u64,
    /// Number of the record that could not be read, from 1; all before it were kept.
    pub record: u64,
}

/// The first bytes of a file that is no capture, as `1f 9d 90 "..."`.
pub(super) fn first_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        let _ = write!(out, "{byte:02x} ");
    }
    let text: String = bytes
        .iter()
        .map(|b| match b {
            b' '..=b'~' => char::from(*b),
            _ => '.',
        })
        .collect();
    out + &format!("\"{text}\"")
}

/// What a file with these first bytes is, where it is something people mistake for a capture.
pub(super) fn hint(bytes: &[u8]) -> &'static str {
    const KNOWN: [(&[u8], &str); 8] = [
        (
            b"\xfd7zX",
            "; this looks like xz: `xz -dc FILE | stp-audit infer -`",
        ),
        (
            b"BZh",
            "; this looks like bzip2: `bzip2 -dc FILE | stp-audit infer -`",
        ),
        (
            b"\x04\x22\x4d\x18",
            "; this looks like lz4: `lz4 -dc FILE | stp-audit infer -`",
        ),
        (b"PK\x03\x04", "; this looks like zip: unpack it first"),
        (
            b"snoop",
            "; this looks like snoop: `editcap -F pcapng FILE out.pcapng`",
        ),
        (
            b"\x1f\x8b",
            "; this is gzip once more within: decompress it once",
        ),
        (
            b"\x28\xb5\x2f\xfd",
            "; this is zstd once more within: decompress it once",
        ),
        (
            b"<",
            "; this looks like HTML or XML: was a web page saved instead of the file?",
        ),
    ];
    KNOWN
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic))
        .map_or("", |(_, hint)| hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_are_shown_harmlessly() {
        assert_eq!(first_bytes(b"\x1b[2"), "1b 5b 32 \".[2\"");
        assert!(hint(b"BZh9").contains("bzip2"));
        assert_eq!(hint(b"abcd"), "");
    }
}
