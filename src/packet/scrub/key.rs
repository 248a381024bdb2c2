//! The secret from which pseudonyms are made.
//!
//! The same key gives the same pseudonyms in every file, so weeks of captures stay one story; whoever has the key can undo
//! them. It is never printed.

use sha2::{Digest, Sha256};

/// Bytes a key has at least: those of the ciphers made from it.
const SHORTEST: usize = 32;

/// A key of pseudonyms.
#[derive(Clone)]
pub struct Key {
    bytes: Box<[u8]>,
}

/// Why bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too few to be a secret.
    #[error("it holds {length} bytes; a key has at least 32")]
    Short {
        /// Bytes there are.
        length: usize,
    },
    /// All bytes are one: nothing that chance made.
    #[error("all its bytes are the same; a key is made by chance")]
    Uniform,
}

impl Key {
    /// A key of these bytes, all of which count: at least 32, made by chance.
    ///
    /// # Errors
    /// Too few bytes, or all of them the same.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let length = bytes.len();
        if length < SHORTEST {
            return Err(KeyError::Short { length });
        }
        if bytes.windows(2).all(|pair| pair.first() == pair.last()) {
            return Err(KeyError::Uniform);
        }
        Ok(Self {
            bytes: bytes.into(),
        })
    }

    /// A key of 32 bytes for one purpose alone, so that no two ciphers share one: SHA-256 of the purpose and the key.
    pub(super) fn for_purpose(&self, purpose: &str) -> [u8; 32] {
        let hash = Sha256::new()
            .chain_update(purpose.as_bytes())
            .chain_update([0])
            .chain_update(&self.bytes);
        hash.finalize().into()
    }
}

/// Without its bytes.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_32_bytes_that_are_not_all_one() {
        let bytes: Vec<u8> = (0..32).collect();
        assert!(Key::new(&bytes).is_ok());
        assert_eq!(
            Key::new(&bytes[..31]).unwrap_err(),
            KeyError::Short { length: 31 }
        );
        assert_eq!(Key::new(&[7; 64]).unwrap_err(), KeyError::Uniform);
    }

    #[test]
    fn it_is_not_printed_and_each_purpose_has_its_own() {
        let key = Key::new(b"0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(format!("{key:?}"), "Key(secret)");
        assert_ne!(key.for_purpose("a"), key.for_purpose("b"));
        let longer = Key::new(b"0123456789abcdef0123456789abcdef0").unwrap();
        assert_ne!(key.for_purpose("a"), longer.for_purpose("a"));
    }
}
