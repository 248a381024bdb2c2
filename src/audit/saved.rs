//! Models in a file: JSON packed by zstd, with what they were learned with, so that the same seed gives the same numbers when
//! they are read back. A file is somebody's claim until every number in it is seen to be one that could have been learned.

use super::memory::Memory;
use super::school::{check, ByFold, Models};
use crate::adversary::features::NAMES;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;

/// Name and version of the format.
const FORMAT: &str = "stp-audit/models/3";
/// Bytes of a file at most.
pub const BYTES_AT_MOST: usize = 5_000_000;
/// Bytes that a file holds unpacked at most.
const UNPACKED_AT_MOST: u64 = 100_000_000;
/// How hard zstd tries.
const LEVEL: i32 = 9;

/// What a file holds.
#[derive(Serialize, Deserialize)]
struct Saved {
    format: String,
    /// The features that rows have, by name.
    features: Vec<String>,
    learned: Learned,
}

/// What was learned, and of what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// By defense and adversary.
    pub models: Models,
    /// The same for the very trace that they learned from.
    pub by_fold: ByFold,
    /// What they learned from.
    pub taught_on: Memory,
}

/// The version alone, of a file that may hold anything else.
#[derive(Deserialize)]
struct Version {
    format: String,
}

/// Why a file cannot be written, or read.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// It cannot be read.
    #[error("{path}: {error}; --load-model takes a file that --save-model wrote")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        error: String,
    },
    /// It holds what is no model.
    #[error("{path}: {why}; train anew with --save-model")]
    Unsound {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
    /// There would be too much of it.
    #[error("the models would fill {bytes} bytes, and {BYTES_AT_MOST} are allowed: train against fewer defenses at once (--mode)")]
    Large {
        /// How much.
        bytes: usize,
    },
    /// Nothing was learned.
    #[error("nothing was learned, so there is no model to save: the verdict's caveats say why")]
    Nothing,
}

/// The bytes of a file of models, of which nobody knows what they learned from.
///
/// # Errors
/// Nothing to save, or too much.
pub fn pack(models: &Models) -> Result<Vec<u8>, ModelsError> {
    pack_learned(Learned {
        models: models.clone(),
        ..Learned::default()
    })
}

/// The bytes of a file.
///
/// # Errors
/// Nothing to save, or too much.
pub fn pack_learned(learned: Learned) -> Result<Vec<u8>, ModelsError> {
    if learned.models.values().all(|of| of.is_empty()) {
        return Err(ModelsError::Nothing);
    }
    let saved = Saved {
        format: FORMAT.into(),
        features: NAMES.map(String::from).to_vec(),
        learned,
    };
    let failed = |error: &dyn std::fmt::Display| ModelsError::Unreadable {
        path: "the models".into(),
        error: error.to_string(),
    };
    let text = serde_json::to_vec(&saved).map_err(|e| failed(&e))?;
    let packed = zstd::encode_all(&text[..], LEVEL).map_err(|e| failed(&e))?;
    match packed.len() > BYTES_AT_MOST {
        true => Err(ModelsError::Large {
            bytes: packed.len(),
        }),
        false => Ok(packed),
    }
}

/// Reads the models of a file.
///
/// # Errors
/// As [`read_learned`].
pub fn read(path: &Path) -> Result<Models, ModelsError> {
    Ok(read_learned(path)?.models)
}

/// Reads a file.
///
/// # Errors
/// A file that is none, or one with what could not have been learned.
pub fn read_learned(path: &Path) -> Result<Learned, ModelsError> {
    let shown = path.display().to_string();
    let unreadable = |error: &dyn std::fmt::Display| ModelsError::Unreadable {
        path: shown.clone(),
        error: error.to_string(),
    };
    let file = std::fs::File::open(path).map_err(|e| unreadable(&e))?;
    let mut packed = Vec::new();
    let most = BYTES_AT_MOST as u64 + 1;
    file.take(most)
        .read_to_end(&mut packed)
        .map_err(|e| unreadable(&e))?;
    if packed.len() > BYTES_AT_MOST {
        return Err(unreadable(&format!("larger than {BYTES_AT_MOST} bytes")));
    }
    let mut text = Vec::new();
    let unpacked = zstd::Decoder::new(&packed[..]).map_err(|e| unreadable(&e))?;
    unpacked
        .take(UNPACKED_AT_MOST)
        .read_to_end(&mut text)
        .map_err(|e| unreadable(&e))?;
    let unsound = |why: String| ModelsError::Unsound {
        path: shown.clone(),
        why,
    };
    let Version { format } = serde_json::from_slice(&text).map_err(|e| unreadable(&e))?;
    if format != FORMAT {
        return Err(unsound(format!(
            "{format:?} is not {FORMAT}, which this version reads"
        )));
    }
    let saved: Saved = serde_json::from_slice(&text).map_err(|e| unreadable(&e))?;
    if saved.features != NAMES {
        return Err(unsound(
            "it looks at other features than this version".into(),
        ));
    }
    let learned = saved.learned;
    check(&learned.models, &learned.by_fold).map_err(unsound)?;
    if !learned.taught_on.is_sound() {
        return Err(unsound("it remembers more than it may".into()));
    }
    Ok(learned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_called_so_whatever_else_it_holds() {
        // Of a version to come: no models as we know them, and what we do not know.
        let text = br#"{"format": "stp-audit/models/99", "forest": [1, 2, 3]}"#;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("models");
        std::fs::write(&path, zstd::encode_all(&text[..], 1).unwrap()).unwrap();
        let says = read(&path).unwrap_err().to_string();
        assert!(says.contains("\"stp-audit/models/99\" is not"), "{says}");
        assert!(says.ends_with("train anew with --save-model"), "{says}");
        // And what never was one is no other version.
        std::fs::write(&path, zstd::encode_all(&b"{}"[..], 1).unwrap()).unwrap();
        let says = read(&path).unwrap_err().to_string();
        assert!(
            says.ends_with("--load-model takes a file that --save-model wrote"),
            "{says}"
        );
    }
}
