//! The formats a result can be written in: the one list that feeds help, errors and the dispatch.

use std::fmt;
use std::str::FromStr;

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Columns for people at a terminal.
    Table,
    /// One document, its fields those of the schema in the library's `report` folder.
    Json,
    /// One event a line, for tools that read line by line.
    Jsonl,
    /// One tidy table, for spreadsheets and data frames.
    Csv,
    /// A page for a wiki, an issue or a pull request.
    Md,
}

impl Format {
    /// Every format, in the order help lists them.
    pub const ALL: [Self; 5] = [Self::Table, Self::Json, Self::Jsonl, Self::Csv, Self::Md];

    /// The word used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Md => "md",
        }
    }

    /// What it is good for, in a few words for help.
    pub fn about(self) -> &'static str {
        match self {
            Self::Table => "columns for people",
            Self::Json => "one document, checked by a schema",
            Self::Jsonl => "one event a line",
            Self::Csv => "one tidy table",
            Self::Md => "a page of Markdown",
        }
    }

    /// All names for a sentence: `table, json, jsonl, csv, md`.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Whether reports in it show the SHA-256 of the inputs, so that it is worth computing.
    pub fn shows_digest(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| format!("`{text}` is no format; there are {}", Self::names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_read_by_the_name_it_prints() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("JSON".parse(), Ok(Format::Json));
    }

    #[test]
    fn an_unknown_format_is_refused_with_the_list() {
        assert_eq!(
            "yaml".parse::<Format>(),
            Err("`yaml` is no format; there are table, json, jsonl, csv, md".to_string())
        );
    }
}
