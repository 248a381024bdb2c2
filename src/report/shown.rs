//! What can be shown, and how it gets to its readers: files whole or not at all, then standard output.

use super::format::Format;
use super::output::{write_whole, OutputError, Plan};
use super::style::{ColorChoice, Style};
use std::io::{self, BufWriter, Write};

/// A result that can be written in several formats.
pub trait Shown {
    /// The formats it has, in the order help lists them.
    fn formats(&self) -> &'static [Format];

    /// Writes one report; the same result gives the same bytes. `style` is for the table alone; files get
    /// `Style::default()`.
    ///
    /// # Errors
    /// What the writer says; a format the result does not have.
    fn write(&self, format: Format, style: Style, out: &mut dyn Write) -> io::Result<()>;
}

/// The error of asking a result for a format it does not have.
pub fn lacking(format: Format, there_are: &[Format]) -> io::Error {
    let text = format!(
        "there is no {format} of this result; there are {}",
        Format::names(there_are)
    );
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Writes all reports of a run: the files whole or not at all, then standard output.
///
/// A report that cannot be written does not keep the others from being; the first error is returned after all were tried.
/// That the reader of standard output has gone is no error.
pub fn deliver(shown: &dyn Shown, plan: &Plan, color: ColorChoice) -> Result<(), OutputError> {
    let stdout = Style::of_stdout(color);
    deliver_to(
        shown,
        plan,
        stdout,
        &mut BufWriter::new(io::stdout().lock()),
    )
}

pub(super) fn deliver_to(
    shown: &dyn Shown,
    plan: &Plan,
    style: Style,
    stdout: &mut dyn Write,
) -> Result<(), OutputError> {
    let mut result = Ok(());
    for (format, path) in &plan.files {
        let plain = Style::default();
        let written = write_whole(path, |out| shown.write(*format, plain, out));
        result = result.and(written);
    }
    let written = shown
        .write(plan.stdout, style, stdout)
        .and_then(|()| stdout.flush());
    match written {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            let path = "standard output".to_owned();
            result.and(Err(OutputError::Stream { path, source }))
        }
        _ => result,
    }
}
