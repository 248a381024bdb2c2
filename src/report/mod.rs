//! Results as table, JSON, JSON lines, CSV or Markdown: one file a format, all from the one [`Inference`].
//!
//! A command makes a [`Plan`] of its `--format` and `-o`, and hands it with the result to [`deliver`].

pub mod columns;
pub mod csv;
pub mod fingerprints;
pub mod format;
pub mod human;
pub mod json;
pub mod jsonl;
pub mod markdown;
pub mod name;
pub mod output;
pub mod style;
mod summary;
pub mod table;
pub mod view;

#[cfg(test)]
mod sample;

pub use format::Format;
pub use output::{Output, OutputError, Plan};
pub use style::{ColorChoice, Style};
pub use view::View;

use crate::inference::Inference;
use std::io::{self, BufWriter, Write};

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
    }
}

/// Writes all reports of a run: the files whole or not at all, then standard output.
///
/// A report that cannot be written does not keep the others from being; the first error is returned after all were tried.
/// That the reader of standard output has gone is no error.
pub fn deliver(
    view: View,
    plan: &Plan,
    inference: &Inference,
    color: ColorChoice,
) -> Result<(), OutputError> {
    let stdout = Style::of_stdout(color);
    deliver_to(
        view,
        plan,
        inference,
        stdout,
        &mut BufWriter::new(io::stdout().lock()),
    )
}

fn deliver_to(
    view: View,
    plan: &Plan,
    inference: &Inference,
    style: Style,
    stdout: &mut dyn Write,
) -> Result<(), OutputError> {
    let mut result = Ok(());
    for (format, path) in &plan.files {
        let plain = Style::default();
        let written = output::write_whole(path, |out| write(view, *format, inference, plain, out));
        result = result.and(written);
    }
    let shown = write(view, plan.stdout, inference, style, stdout).and_then(|()| stdout.flush());
    match shown {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            let path = "standard output".to_owned();
            result.and(Err(OutputError::Stream { path, source }))
        }
        _ => result,
    }
}

#[cfg(test)]
mod tests {
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

    fn plan(format: Format, outputs: &[String]) -> Plan {
        let outputs: Vec<Output> = outputs.iter().map(|text| text.parse().unwrap()).collect();
        Plan::new(format, &outputs).unwrap()
    }

    #[test]
    fn every_format_of_every_view_is_written_and_the_same_twice() {
        for view in View::ALL {
            for format in Format::ALL {
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
        for format in Format::ALL {
            for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::StorageFull] {
                let mut out = Fails(kind);
                let home = sample::evening();
                let error =
                    write(View::Infer, format, &home, Style::default(), &mut out).unwrap_err();
                assert_eq!(error.kind(), kind, "{format}");
                let plan = plan(format, &[]);
                let result = deliver_to(View::Infer, &plan, &home, Style::default(), &mut out);
                assert_eq!(
                    result.is_ok(),
                    kind == io::ErrorKind::BrokenPipe,
                    "{format}"
                );
            }
        }
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
        deliver_to(View::Infer, &plan, &sample::evening(), style, &mut stdout).unwrap();
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
        let result = deliver_to(
            View::Infer,
            &plan,
            &sample::evening(),
            Style::default(),
            &mut stdout,
        );
        assert!(
            matches!(result, Err(OutputError::Folder { .. })),
            "{result:?}"
        );
        assert!(folder.path().join("v.csv").exists());
        assert!(stdout.starts_with(b"# What"));
    }
}
