//! Static keys: who may speak. X25519 pairs, each end's private key in a file that only its owner may read.
//!
//! A private key is never shown: not on the command line, not in a log, not in a report, not by `{:?}`.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::Dh;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Bits of a file's mode that let anybody but its owner in.
const OTHERS: u32 = 0o077;

/// Most bytes of a key file.
const FILE_BYTES: u64 = 4096;

/// A private key.
#[derive(Clone)]
pub struct Private([u8; KEY_BYTES]);

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private(..)")
    }
}

impl Private {
    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Public(pub [u8; KEY_BYTES]);

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// A private key and its public one.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Never leaves its end.
    pub private: Private,
    /// The other end has it.
    pub public: Public,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be opened, read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody else may read it.
    #[error("{}: mode {mode:04o} lets others in; a key is for its owner alone: chmod 600 it, and if others may have read it, make a new one", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds no key.
    #[error("{}: no key file: it should hold `private` and `public`, each with 64 hexadecimal digits that belong together; stp-audit keygen writes one", path.display())]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// The library has no X25519, or the peer's key is none that keeps a secret.
    #[error(
        "the peer's public key is none: every secret with it is the same; ask for its key again"
    )]
    Weak,
}

fn dh(private: &[u8; KEY_BYTES]) -> Result<Box<dyn Dh>, KeyError> {
    let dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519);
    let mut dh = dh.ok_or(KeyError::Weak)?;
    dh.set(private);
    Ok(dh)
}

impl Pair {
    /// A pair from chance that nobody can guess: for use, a generator seeded by the operating system.
    ///
    /// # Errors
    /// None in practice.
    pub fn generate(secrets: &mut ChaCha8Rng) -> Result<Self, KeyError> {
        let mut private = [0; KEY_BYTES];
        secrets.fill_bytes(&mut private);
        Self::of(private)
    }

    fn of(private: [u8; KEY_BYTES]) -> Result<Self, KeyError> {
        let public = dh(&private)?.pubkey().try_into();
        Ok(Self {
            private: Private(private),
            public: Public(public.map_err(|_| KeyError::Weak)?),
        })
    }

    /// The secret that this end shares with another.
    pub(super) fn shared(&self, peer: Public) -> Result<[u8; KEY_BYTES], KeyError> {
        let mut secret = [0; KEY_BYTES];
        let dh = dh(self.private.bytes())?;
        dh.dh(&peer.0, &mut secret).map_err(|_| KeyError::Weak)?;
        match secret.iter().any(|&byte| byte != 0) {
            true => Ok(secret),
            false => Err(KeyError::Weak),
        }
    }

    /// Writes a new key file, for its owner alone. A file that is there already stays as it is.
    ///
    /// # Errors
    /// It exists, or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        let error = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(path).map_err(error)?;
        let private = hex(&self.private.0);
        let text = format!(
            "# A gateway's key. Who has the private one can read the tunnel: keep it here, mode 0600.\nprivate {private}\npublic {}\n",
            self.public
        );
        file.write_all(text.as_bytes()).map_err(error)?;
        file.sync_all().map_err(error)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// It cannot be read, others than its owner could read it, or it holds no pair that belongs together.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let error = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new().read(true).open(path).map_err(error)?;
        // Of the file that is open: a name may come to mean another in between.
        let mode = file.metadata().map_err(error)?.mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(KeyError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = String::new();
        let read = file.take(FILE_BYTES).read_to_string(&mut text);
        read.map_err(error)?;
        let of = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| unhex(line.strip_prefix(name)?.trim()))
        };
        let pair = of("private ").and_then(|private| Self::of(private).ok());
        pair.filter(|pair| of("public ") == Some(pair.public.0))
            .ok_or_else(|| KeyError::NoKey {
                path: path.to_owned(),
            })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let bytes: Vec<u8> = digits?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    (text.len() == 2 * KEY_BYTES).then_some(())?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::os::unix::fs::PermissionsExt;

    fn pair(seed: u64) -> Pair {
        Pair::generate(&mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
    }

    #[test]
    fn a_key_file_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let written = pair(1);
        written.write(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let read = Pair::read(&path).unwrap();
        assert_eq!(
            (read.private.0, read.public),
            (written.private.0, written.public)
        );
        // It is not written over.
        assert!(matches!(pair(2).write(&path), Err(KeyError::File { .. })));
        for mode in [0o640, 0o604, 0o601, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = Pair::read(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("{mode:04o}")), "{error}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let good = (hex(&pair(1).private.0), pair(1).public.to_string());
        for text in [
            String::new(),
            format!("private {}\n", good.0),
            format!("private {}\npublic {}\n", good.0, pair(2).public),
            format!("private {}x\npublic {}\n", &good.0[1..], good.1),
            format!("private \u{e9}{}\npublic {}\n", &good.0[2..], good.1),
        ] {
            let _ = std::fs::remove_file(&path);
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert!(
                matches!(Pair::read(&path), Err(KeyError::NoKey { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn both_ends_share_a_secret_and_none_is_shown() {
        let (a, b) = (pair(1), pair(2));
        assert_eq!(a.shared(b.public).unwrap(), b.shared(a.public).unwrap());
        assert!(matches!(a.shared(Public([0; 32])), Err(KeyError::Weak)));
        assert!(!format!("{a:?}").contains(&hex(&a.private.0)[..8]));
        assert!(format!("{a:?}").contains("Private(..)"));
    }
}
