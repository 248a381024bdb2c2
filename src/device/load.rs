//! The files a catalog is made of, and the names that are nobody's.

use std::path::Path;

use serde::Deserialize;

use super::fingerprint::FingerprintError;

/// A file of the catalog: its stem, its text, and its path for errors.
pub(super) type Stored = (String, String, String);

/// Names that tell nothing by themselves, and why.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shared {
    /// Why, in words: "time servers".
    pub why: String,
    /// The platform they show, where they show one: "Tuya".
    #[serde(default)]
    pub platform: Option<String>,
    /// Whether people's own devices ask for these (messengers, phone services) and things hardly do.
    #[serde(default)]
    pub personal: bool,
    #[serde(default)]
    pub(super) exact: Vec<String>,
    #[serde(default)]
    pub(super) suffix: Vec<String>,
    #[serde(default)]
    pub(super) wildcard: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedFile {
    pub(super) shared: Vec<Shared>,
}

/// The TOML files of a folder, in order of name: stem, text, path.
pub(super) fn read_dir(dir: &Path) -> Result<Vec<Stored>, FingerprintError> {
    let unreadable = |path: &Path, error| FingerprintError::Unreadable {
        path: path.display().to_string(),
        error,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))? {
        let path = entry.map_err(|error| unreadable(dir, error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            files.push((stem, text, path.display().to_string()));
        }
    }
    files.sort();
    Ok(files)
}
