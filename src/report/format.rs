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
    /// Tests passed, failed or in error, for CI systems.
    Junit,
    /// Findings with a stable fingerprint (OASIS, SARIF 2.1.0), for code scanning.
    Sarif,
    /// A picture of curves.
    Svg,
    /// A page with pictures, whole in one file.
    Html,
}

impl Format {
    /// Every format, in the order help lists them.
    pub const ALL: [Self; 9] = [
        Self::Table,
        Self::Json,
        Self::Jsonl,
        Self::Csv,
        Self::Md,
        Self::Junit,
        Self::Sarif,
        Self::Svg,
        Self::Html,
    ];
    /// Those that every result has.
    pub const COMMON: [Self; 5] = [Self::Table, Self::Json, Self::Jsonl, Self::Csv, Self::Md];

    /// The word used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Md => "md",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Svg => "svg",
            Self::Html => "html",
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
            Self::Junit => "tests for CI systems",
            Self::Sarif => "findings for code scanning",
            Self::Svg => "a picture",
            Self::Html => "one page with pictures",
        }
    }

    /// Names for a sentence: `table, json, jsonl, csv, md`.
    pub fn names(of: &[Self]) -> String {
        let names: Vec<&str> = of.iter().map(|format| format.name()).collect();
        names.join(", ")
    }

    /// The format of this name, if it is one of those a result has.
    ///
    /// # Errors
    /// In words, with the list.
    pub fn read(text: &str, of: &[Self]) -> Result<Self, String> {
        of.iter()
            .copied()
            .find(|format| format.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| format!("`{text}` is no format; there are {}", Self::names(of)))
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

    /// One of [`Format::COMMON`]; results that have more are asked by [`Format::read`].
    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text, &Self::COMMON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_read_by_the_name_it_prints() {
        for format in Format::COMMON {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        for format in Format::ALL {
            assert_eq!(Format::read(format.name(), &Format::ALL), Ok(format));
        }
        assert_eq!("JSON".parse(), Ok(Format::Json));
    }

    #[test]
    fn an_unknown_format_is_refused_with_the_list() {
        assert_eq!(
            "yaml".parse::<Format>(),
            Err("`yaml` is no format; there are table, json, jsonl, csv, md".to_string())
        );
        assert_eq!(
            Format::read("junit", &[Format::Table, Format::Svg]),
            Err("`junit` is no format; there are table, svg".to_string())
        );
        assert!("junit".parse::<Format>().is_err());
    }
}
