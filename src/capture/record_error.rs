//! Why a recording could not begin or go on, and what is left of it.

use super::sink::Cut;
use std::io;
use std::path::Path;

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

/// A failed write of the file at that path, `-` for standard output.
pub(super) fn failed(path: &Path, cut: Cut) -> RecordError {
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
