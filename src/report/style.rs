//! Whether to colour and how wide a line may be: decided once, given to the table as an argument.

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// At a terminal that can, unless `NO_COLOR` says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Every choice, in the order help lists them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Always, Self::Never];

    /// The word used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for ColorChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ColorChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|choice| choice.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| format!("`{text}` is no choice; there are auto, always and never"))
    }
}

/// How a table may look. The default is what a file gets: no colour, lines as long as they need to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour.
    pub color: bool,
    /// Columns of the terminal; lines are wrapped to fit. `None` leaves lines whole, so that `grep` sees rows.
    pub width: Option<u16>,
}

impl Style {
    /// What standard output deserves, as the terminal and the environment (`NO_COLOR`, `TERM`) tell.
    pub fn of_stdout(choice: ColorChoice) -> Self {
        let stdout = std::io::stdout();
        let terminal = stdout.is_terminal();
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            color: colored(
                choice,
                terminal,
                set("NO_COLOR").is_some(),
                set("TERM").is_some_and(|term| term == "dumb"),
            ),
            // Some terminals say 0 where they do not know.
            width: terminal_size::terminal_size_of(&stdout)
                .map(|(width, _)| width.0)
                .filter(|width| *width > 0),
        }
    }

    /// `text` between `code` and the end of all colour, where colours are wanted.
    pub fn paint(self, code: Paint, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", code.code())
        } else {
            text.to_owned()
        }
    }
}

/// A colour by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// The name of a column.
    Heading,
    /// A device that was recognised.
    Known,
    /// What nobody knows, and remarks.
    Faint,
    /// A reason to doubt.
    Doubt,
}

impl Paint {
    /// Parameters of "select graphic rendition" (ECMA-48, 8.3.117), the sixteen colours only: they follow the user's theme.
    fn code(self) -> &'static str {
        match self {
            Self::Heading => "1",
            Self::Known => "36",
            Self::Faint => "2",
            Self::Doubt => "33",
        }
    }
}

/// The rule of `NO_COLOR` (any value but the empty one), which the flag overrides.
fn colored(choice: ColorChoice, terminal: bool, no_color: bool, dumb: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && !no_color && !dumb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_colours_terminals_alone() {
        use ColorChoice::Auto;
        assert!(colored(Auto, true, false, false));
        assert!(!colored(Auto, false, false, false), "a file or pipe");
        assert!(!colored(Auto, true, true, false), "NO_COLOR");
        assert!(!colored(Auto, true, false, true), "TERM=dumb");
    }

    #[test]
    fn the_flag_has_the_last_word() {
        assert!(colored(ColorChoice::Always, false, true, true));
        assert!(!colored(ColorChoice::Never, true, false, false));
    }

    #[test]
    fn paint_is_text_alone_without_colour() {
        let plain = Style::default();
        assert_eq!(plain.paint(Paint::Doubt, "x"), "x");
        let colored = Style {
            color: true,
            width: None,
        };
        assert_eq!(colored.paint(Paint::Doubt, "x"), "\x1b[33mx\x1b[0m");
        assert_eq!(colored.paint(Paint::Doubt, ""), "");
    }

    #[test]
    fn choices_are_read_by_the_name_they_print() {
        for choice in ColorChoice::ALL {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("sometimes".parse::<ColorChoice>().is_err());
    }
}
