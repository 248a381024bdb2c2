//! From `--headers-only` and `--anonymize KEYFILE` to a [`Scrubber`]: the key is read from a file that is its owner's alone.

use crate::cli::args::ScrubArgs;
use crate::cli::exit::usage;
use crate::packet::scrub::{Key, Scrubber};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Bytes of a key file at most; all of them count.
const LONGEST: u64 = 64 * 1024;
/// Rights of the group and of others.
const OTHERS: u32 = 0o077;

/// What was asked for; pseudonyms leave nothing that headers and names could add to. `None` where nothing was.
///
/// # Errors
/// Of the key file: missing, readable by others, no key. To be called before anything is captured.
pub fn scrubber(args: &ScrubArgs) -> anyhow::Result<Option<Scrubber>> {
    match (&args.anonymize, args.headers_only) {
        (Some(path), _) => Ok(Some(Scrubber::anonymous(&key(path)?))),
        (None, true) => Ok(Some(Scrubber::headers_only())),
        (None, false) => Ok(None),
    }
}

fn key(path: &Path) -> anyhow::Result<Key> {
    let shown = path.display();
    let make = format!("(umask 077; head -c 32 /dev/urandom > {shown})");
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            usage(format!("{shown}: there is no such key; make one: {make}"))
        }
        _ => usage(format!("{shown}: the key cannot be read: {error}")),
    };
    // What a FIFO is waited for, and a device gives without end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(usage(format!("{shown}: a key is a file; make one: {make}")));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(usage(format!(
            "{shown}: others may read this key (mode {:04o}), and with it undo the pseudonyms: chmod 600 {shown}",
            mode & 0o7777
        )));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(usage(format!(
            "{shown}: longer than 64 KiB: is it a key? make one: {make}"
        )));
    }
    Key::new(&bytes).map_err(|error| usage(format!("{shown}: {error}; make one: {make}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a file with these bytes and rights.
    fn said(bytes: &[u8], mode: u32) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let args = ScrubArgs {
            headers_only: true,
            anonymize: Some(path),
        };
        match scrubber(&args) {
            Ok(scrubber) => format!("{scrubber:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_key_is_its_owners_alone() {
        let key = b"a key for tests, of 32 bytes, ok";
        for mode in [0o600, 0o400] {
            assert_eq!(said(key, mode), "Some(Scrubber::anonymous)");
        }
        for mode in [0o640, 0o604, 0o622] {
            let said = said(key, mode);
            assert!(said.contains("chmod 600 "), "{said}");
            assert!(!said.contains("a key for tests"), "{said}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_how_to_make_one() {
        assert!(said(b"short", 0o600).contains("holds 5 bytes"));
        assert!(said(&[0; 32], 0o600).contains("/dev/urandom"));
        assert!(said(&vec![1; 70_000], 0o600).contains("64 KiB"));
        for (path, part) in [
            ("/nowhere/key", "no such key"),
            ("/dev/zero", "a key is a file"),
        ] {
            let said = key(Path::new(path)).unwrap_err().to_string();
            assert!(said.contains(part) && said.contains("head -c 32"), "{said}");
        }
    }
}
