//! What the files of a ring are called: as dumpcap calls them, `NAME_00001_YYYYmmddHHMMSS.EXTENSION`, local time.

use crate::units::Timestamp;
use jiff::tz::TimeZone;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Numbers go up to here, then on from 0, so that a name never grows.
const NUMBERS: u64 = 100_000;

/// The names of a ring's files.
#[derive(Clone, Debug)]
pub(super) struct RingName {
    folder: PathBuf,
    stem: OsString,
    /// With its dot; empty where there is none.
    extension: OsString,
    zone: TimeZone,
}

impl RingName {
    /// Names made of `path`, with times of that zone.
    pub(super) fn of(path: &Path, zone: TimeZone) -> Self {
        let name = path.file_name().unwrap_or_default();
        let (stem, extension) = match (path.file_stem(), path.extension()) {
            (Some(stem), Some(extension)) => {
                let mut dotted = OsString::from(".");
                dotted.push(extension);
                (stem.to_owned(), dotted)
            }
            _ => (name.to_owned(), OsString::new()),
        };
        Self {
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            stem,
            extension,
            zone,
        }
    }

    /// The file begun as number `number`, from 1, at that time.
    pub(super) fn file(&self, number: u64, at: Timestamp) -> PathBuf {
        let at = jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default();
        let at = at.to_zoned(self.zone.clone()).strftime("%Y%m%d%H%M%S");
        let mut name = self.stem.clone();
        name.push(format!("_{:05}_{at}", number % NUMBERS));
        name.push(&self.extension);
        self.folder.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dumpcaps() {
        // 2026-11-26 12:28:23 UTC, as dumpcap 4.0 named it in London and in Tokyo.
        let at = Timestamp::new(1_795_696_103, 0);
        let tokyo = TimeZone::fixed(jiff::tz::offset(9));
        for (given, zone, number, name) in [
            (
                "d/r.pcapng",
                TimeZone::UTC,
                1,
                "d/r_00001_20261126122823.pcapng",
            ),
            ("tz", tokyo, 2, "tz_00002_20261126212823"),
            (
                "a.b.pcap",
                TimeZone::UTC,
                99_999,
                "a.b_99999_20261126122823.pcap",
            ),
            (
                ".hidden",
                TimeZone::UTC,
                100_000,
                ".hidden_00000_20261126122823",
            ),
        ] {
            let made = RingName::of(Path::new(given), zone).file(number, at);
            assert_eq!(made, Path::new(name));
        }
    }
}
