//! Results as table, JSON, JSON lines, CSV, Markdown and more: one file a format, all from the one value.
//!
//! What `infer` found is shown by the files of this folder as a [`Seen`], verdicts by those in `audit` as an
//! [`audit::Page`], trade-offs by those in `sweep`. All are [`Shown`]: a command makes a [`Plan`] of its `--format` and
//! `-o`, and hands it with the result to [`deliver`].

pub mod audit;
pub mod columns;
pub mod csv;
pub mod event;
pub mod fingerprints;
pub mod format;
pub mod human;
pub mod json;
pub mod jsonl;
pub mod markdown;
pub mod name;
pub mod output;
pub mod page;
pub mod plot;
pub mod shown;
pub mod style;
mod summary;
pub mod sweep;
pub mod table;
pub mod view;
pub mod watch;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod schema;

pub use format::Format;
pub use output::{Output, OutputError, Plan};
pub use shown::{deliver, Shown};
pub use style::{ColorChoice, Style};
pub use view::View;

use crate::inference::Inference;
use std::io::{self, Write};

/// An inference, seen for one question.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The question.
    pub view: View,
    /// What was found.
    pub inference: &'a Inference,
}

impl Shown for Seen<'_> {
    fn formats(&self) -> &'static [Format] {
        &Format::COMMON
    }

    fn write(&self, format: Format, style: Style, out: &mut dyn Write) -> io::Result<()> {
        write(self.view, format, self.inference, style, out)
    }
}

/// Writes one report. `style` is for the table alone; files get `Style::default()`.
///
/// The same inference gives the same bytes.
pub fn write(
    view: View,
    format: Format,
    inference: &Inference,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Table => table::write(view, inference, style, out),
        Format::Json => json::write(view, inference, out),
        Format::Jsonl => jsonl::write(view, inference, out),
        Format::Csv => csv::write(view, inference, out),
        Format::Md => markdown::write(view, inference, out),
        other => Err(shown::lacking(other, &Format::COMMON)),
    }
}

#[cfg(test)]
mod tests {
    use super::shown::deliver_to;
    use super::*;

    /// Takes the first bytes, then fails.
    struct Fails(io::ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn infer(inference: &Inference) -> Seen<'_> {
        let view = View::Infer;
        Seen { view, inference }
    }

    fn plan(format: Format, outputs: &[String]) -> Plan {
        let outputs: Vec<Output> = outputs.iter().map(|text| text.parse().unwrap()).collect();
        Plan::new(format, &outputs).unwrap()
    }

    #[test]
    fn every_format_of_every_view_is_written_and_the_same_twice() {
        for view in View::ALL {
            for format in Format::COMMON {
                let text = || {
                    let mut out = Vec::new();
                    write(view, format, &sample::scored(), Style::default(), &mut out).unwrap();
                    out
                };
                let once = text();
                assert!(once.ends_with(b"\n"), "{view:?} {format}");
                assert!(!once.contains(&0x1b), "{view:?} {format}");
                assert_eq!(once, text());
            }
        }
    }

    #[test]
    fn a_closed_pipe_is_known_as_one_in_every_format() {
        for format in Format::COMMON {
            for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::StorageFull] {
                let mut out = Fails(kind);
                let home = sample::evening();
                let error =
                    write(View::Infer, format, &home, Style::default(), &mut out).unwrap_err();
                assert_eq!(error.kind(), kind, "{format}");
                let plan = plan(format, &[]);
                let result = deliver_to(&infer(&home), &plan, Style::default(), &mut out);
                assert_eq!(
                    result.is_ok(),
                    kind == io::ErrorKind::BrokenPipe,
                    "{format}"
                );
            }
        }
    }

    #[test]
    fn a_format_an_inference_does_not_have_is_refused() {
        let mut out = Vec::new();
        let home = sample::evening();
        let error = write(View::Infer, Format::Svg, &home, Style::default(), &mut out).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no svg of this result; there are table, json, jsonl, csv, md"
        );
        assert!(out.is_empty());
    }

    #[test]
    fn files_are_plain_and_standard_output_is_styled() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.txt");
        let plan = plan(Format::Table, &[format!("table={}", file.display())]);
        let style = Style {
            color: true,
            width: Some(60),
        };
        let mut stdout = Vec::new();
        deliver_to(&infer(&sample::evening()), &plan, style, &mut stdout).unwrap();
        assert!(stdout.contains(&0x1b));
        assert!(!std::fs::read(file).unwrap().contains(&0x1b));
    }

    #[test]
    fn one_report_that_fails_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display();
        let outputs = [
            format!("json={place}/nowhere/v.json"),
            format!("csv={place}/v.csv"),
        ];
        let mut stdout = Vec::new();
        let plan = plan(Format::Md, &outputs);
        let home = sample::evening();
        let result = deliver_to(&infer(&home), &plan, Style::default(), &mut stdout);
        assert!(
            matches!(result, Err(OutputError::Folder { .. })),
            "{result:?}"
        );
        assert!(folder.path().join("v.csv").exists());
        assert!(stdout.starts_with(b"# What"));
    }
}
