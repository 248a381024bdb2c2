//! Reports of a verdict: how well each defense holds, and how the limits were kept.

pub mod csv;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod junit;
mod ladder;
pub mod markdown;
pub mod page;
mod rows;
pub mod sarif;
mod summary;
pub mod table;

#[cfg(test)]
pub(crate) mod sample;

pub use page::{Page, RatePlot};
pub use summary::failing_lines;

use super::format::Format;
use super::shown::{lacking, Shown};
use super::style::Style;
use std::io::{self, Write};

/// The formats a verdict has.
pub const FORMATS: [Format; 8] = [
    Format::Table,
    Format::Json,
    Format::Jsonl,
    Format::Csv,
    Format::Md,
    Format::Junit,
    Format::Sarif,
    Format::Html,
];

impl Shown for Page<'_> {
    fn formats(&self) -> &'static [Format] {
        &FORMATS
    }

    fn write(&self, format: Format, style: Style, out: &mut dyn Write) -> io::Result<()> {
        let verdict = &page::cleaned(self.verdict);
        match format {
            Format::Table => table::write(verdict, style, out),
            Format::Json => json::write(verdict, out),
            Format::Jsonl => jsonl::write(verdict, out),
            Format::Csv => csv::write(verdict, out),
            Format::Md => markdown::write(verdict, out),
            Format::Junit => junit::write(verdict, out),
            Format::Sarif => sarif::write(verdict, out),
            Format::Html => html::write(&Page { verdict, ..*self }, out),
            Format::Svg => Err(lacking(format, &FORMATS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::RatePlot;
    use crate::verdict::Verdict;
    use insta::assert_snapshot;

    fn text(verdict: &Verdict, format: Format) -> String {
        let mut out = Vec::new();
        let page = Page::of(verdict);
        page.write(format, Style::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_verdict_in_every_format() {
        let verdict = sample::verdict();
        for format in FORMATS {
            assert_snapshot!(format!("verdict_{format}"), text(&verdict, format));
        }
    }

    #[test]
    fn nothing_audited_is_said_plainly_in_every_format() {
        let verdict = sample::empty();
        for format in [Format::Table, Format::Md, Format::Junit] {
            assert_snapshot!(format!("empty_{format}"), text(&verdict, format));
        }
        for format in FORMATS {
            assert!(text(&verdict, format).ends_with('\n'), "{format}");
        }
    }

    #[test]
    fn the_same_verdict_gives_the_same_bytes_and_no_number_is_nan() {
        for verdict in [sample::verdict(), sample::hostile(), sample::empty()] {
            for format in FORMATS {
                let once = text(&verdict, format);
                assert_eq!(once, text(&verdict, format), "{format}");
                let free = |c: char| c == '\n' || !c.is_control();
                assert!(once.chars().all(free), "{format}: {once:?}");
                for word in ["NaN", "inf\"", " inf ", ">inf<", ",inf,"] {
                    assert!(!once.contains(word), "{format}: {word}\n{once}");
                }
            }
        }
    }

    #[test]
    fn a_format_a_verdict_does_not_have_is_refused() {
        let verdict = sample::verdict();
        let mut out = Vec::new();
        let error = Page::of(&verdict)
            .write(Format::Svg, Style::default(), &mut out)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no svg of this result; there are table, json, jsonl, csv, md, junit, sarif, html"
        );
    }

    #[test]
    fn a_limit_the_baseline_accepts_fails_no_run() {
        let mut verdict = sample::verdict();
        let id = "max-confidence/none".to_owned();
        verdict.baseline.as_mut().unwrap().persistent.push(id);
        let junit = quick_junit::Report::deserialize_from_str(&text(&verdict, Format::Junit));
        let junit = junit.unwrap();
        assert_eq!((junit.failures, junit.errors, junit.skipped), (1, 2, 1));
        let sarif: serde_json::Value =
            serde_json::from_str(&text(&verdict, Format::Sarif)).unwrap();
        let result = &sarif["runs"][0]["results"][0];
        assert_eq!(result["baselineState"], "unchanged");
        assert_eq!(result["level"], "note");
        assert_eq!(sarif["runs"][0]["results"][1]["baselineState"], "new");
        let last = failing_lines(&verdict).pop().unwrap();
        assert!(last.starts_with("known to the baseline: max-confidence: none: "));
        assert!(text(&verdict, Format::Table).contains("\nknown "));
    }

    #[test]
    fn a_closed_pipe_is_known_as_one_in_every_format() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let verdict = sample::verdict();
        let sweep = crate::report::sweep::sample::sweep();
        let page = Page::of(&verdict);
        for shown in [&page as &dyn Shown, &sweep] {
            for format in shown.formats() {
                let written = shown.write(*format, Style::default(), &mut Closed);
                let error = written.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{format}");
            }
        }
    }

    #[test]
    fn hostile_names_forge_no_row() {
        let (hostile, honest) = (sample::hostile(), sample::verdict());
        for format in [Format::Jsonl, Format::Csv] {
            assert_eq!(
                text(&hostile, format).lines().count(),
                text(&honest, format).lines().count(),
                "{format}"
            );
        }
        let table = text(&hostile, Format::Table);
        assert!(!table.contains('\u{202e}'), "{table}");
        let page = text(&hostile, Format::Md);
        let bare = page.replace("\\\\", "").replace("\\|", "");
        let bars = |heading: &str| {
            let rows = bare.lines().skip_while(|row| !row.starts_with(heading));
            let rows = rows.take_while(|row| row.starts_with('|'));
            rows.map(|row| row.matches('|').count()).collect::<Vec<_>>()
        };
        let (gates, rows) = (bars("| Gate"), bars("| Defense"));
        assert!(
            gates.len() > 2 && gates.iter().all(|bars| *bars == 8),
            "{bare}"
        );
        assert!(
            rows.len() == 8 && rows.iter().all(|bars| *bars == 12),
            "{bare}"
        );
        assert!(!page.contains("<script") && !page.contains("\n# heading"));
        let mut rows =
            ::csv::Reader::from_reader(text(&hostile, Format::Csv).into_bytes().leak() as &[u8]);
        for row in rows.records() {
            for cell in &row.unwrap() {
                let safe = !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
                assert!(safe || cell.parse::<f64>().is_ok(), "{cell:?}");
            }
        }
    }

    #[test]
    fn the_table_fits_the_terminal() {
        let verdict = sample::verdict();
        for width in [80, 100, 160] {
            let style = Style {
                color: false,
                width: Some(width),
            };
            let mut out = Vec::new();
            table::write(&verdict, style, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let rows = text.lines().skip(1);
            let rows =
                rows.take_while(|row| !row.starts_with("* Marked") && !row.contains("not shown"));
            let rows: Vec<&str> = rows.collect();
            assert!(rows.len() >= 6, "{text}");
            for row in rows {
                assert!(row.chars().count() <= usize::from(width), "{row:?}");
            }
        }
    }

    #[test]
    fn junit_counts_what_did_not_pass() {
        let verdict = sample::verdict();
        let text = text(&verdict, Format::Junit);
        let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
        let gates = &report.test_suites[0];
        assert_eq!(gates.test_cases.len(), verdict.gates.len());
        // The undefended home breaks max-confidence and is new; run-length straddles .6, the overhead straddles 4.
        assert_eq!((report.failures, report.errors, report.skipped), (2, 2, 0));
        assert_eq!(report.test_suites[1].test_cases.len(), 3);
        quick_junit::Report::deserialize_from_str(&self::text(&sample::hostile(), Format::Junit))
            .unwrap();
    }

    #[test]
    fn a_check_that_could_not_be_run_is_green_nowhere() {
        let mut verdict = sample::empty();
        verdict.command = "check".into();
        verdict.exit_code = 3;
        verdict.verdict = "inconclusive".into();
        verdict.not_run = vec![crate::verdict::NotRun {
            check: "evening".into(),
            reason: "nope.pcap: no such file".into(),
            line: 7,
        }];
        verdict
            .parameters
            .insert("config".into(), serde_json::json!("sub/gate.toml"));
        let junit = text(&verdict, Format::Junit);
        let read = quick_junit::Report::deserialize_from_str(&junit).unwrap();
        assert_eq!((read.tests, read.errors), (1, 1), "{junit}");
        assert!(junit.contains("nope.pcap: no such file"), "{junit}");
        let read = |format| -> serde_json::Value {
            serde_json::from_str(&text(&verdict, format)).unwrap()
        };
        let log = read(Format::Sarif);
        let invocation = &log["runs"][0]["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false);
        let told = &invocation["toolExecutionNotifications"][0]["message"]["text"];
        assert!(told.as_str().unwrap().contains("nope.pcap"), "{told}");
        let place = "/toolExecutionNotifications/0/locations/0/physicalLocation/region/startLine";
        assert_eq!(invocation.pointer(place), Some(&serde_json::json!(7)));
        for format in [Format::Table, Format::Md] {
            let text = text(&verdict, format);
            assert!(text.contains("Could not be run: 1 check"), "{text}");
            assert!(!text.contains("a generated home"), "{text}");
        }
        let schema = serde_json::from_str(json::SCHEMA).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&read(Format::Json)));
        let mut verdict = sample::verdict();
        verdict.command = "check".into();
        let config = serde_json::json!("sub/gate.toml");
        verdict.parameters.insert("config".into(), config);
        assert!(text(&verdict, Format::Sarif).contains("\"uri\": \"sub/gate.toml\""));
    }

    #[test]
    fn sarif_has_what_2_1_0_requires() {
        for verdict in [sample::verdict(), sample::hostile(), sample::empty()] {
            let log = text(&verdict, Format::Sarif);
            let read: serde_sarif::sarif::Sarif = serde_json::from_str(&log).unwrap();
            let run = &read.runs[0];
            assert_eq!(read.version, "2.1.0");
            assert_eq!(run.tool.driver.name, "stp-audit");
            let rules = run.tool.driver.rules.as_ref().unwrap();
            assert!(rules.iter().all(|rule| rule.help.is_some()));
            let results = run.results.as_ref().unwrap();
            let open = verdict.gates.iter();
            let open = open.filter(|gate| gate.status != crate::verdict::Status::Pass);
            assert_eq!(results.len(), open.count());
            let mut fingerprints = std::collections::BTreeSet::new();
            for result in results {
                let index = usize::try_from(result.rule_index.unwrap()).unwrap();
                assert_eq!(Some(&rules[index].id), result.rule_id.as_ref());
                let place = result.locations.as_ref().unwrap()[0]
                    .physical_location
                    .as_ref();
                let uri = place
                    .unwrap()
                    .artifact_location
                    .as_ref()
                    .unwrap()
                    .uri
                    .as_ref();
                let uri = uri.unwrap();
                assert!(
                    !uri.starts_with('/') && !uri.contains([':', '<', '\n']),
                    "{uri}"
                );
                let message = result.message.text.as_ref().unwrap();
                assert!(!message.replace("\\[", "").contains('['), "{message}");
                fingerprints.insert(result.partial_fingerprints.clone().unwrap());
            }
            assert_eq!(fingerprints.len(), results.len());
        }
    }

    #[test]
    fn the_page_fetches_nothing_and_runs_nothing() {
        let verdict = sample::hostile();
        let sweep = crate::report::sweep::sample::hostile();
        let plot = RatePlot {
            device: "<script>alert('x')</script>&\u{1b}".into(),
            before: (0..5_000)
                .map(|s| (f64::from(s), f64::from(s % 7)))
                .collect(),
            after: vec![(0.0, 10.0), (f64::NAN, 3.0), (5_000.0, f64::INFINITY)],
            padded: vec![
                (10.0, 20.0, true),
                (2_000.0, 3_000.0, false),
                (f64::NAN, 1.0, true),
            ],
        };
        let page = Page {
            plots: &[plot, RatePlot::default()],
            curve: Some(&sweep),
            chosen: Some((4.0, 0.5)),
            ..Page::of(&verdict)
        };
        let mut out = Vec::new();
        page.write(Format::Html, Style::default(), &mut out)
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("<svg").count(), 3);
        assert_eq!(text.matches("</svg>").count(), 3);
        for forbidden in [
            "<script", "<img", "<link", "<iframe", "src=\"", "href=", "@import", "url(", "xmlns",
            "NaN",
        ] {
            assert!(!text.contains(forbidden), "{forbidden}\n{text}");
        }
        // Every element that is opened is closed, in order.
        let mut open: Vec<&str> = Vec::new();
        for part in text.split('<').skip(1) {
            let (tag, _) = part.split_once('>').unwrap_or((part, ""));
            let name = tag.split([' ', '\n']).next().unwrap();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{part}"),
                None if tag.ends_with('/') || ["!DOCTYPE", "meta"].contains(&name) => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn the_lines_for_standard_error_tell_broken_ones_first() {
        let lines = failing_lines(&sample::verdict());
        assert_snapshot!(lines.join("\n"));
        for line in failing_lines(&sample::hostile()) {
            assert!(!line.contains(['\n', '\r', '\u{1b}']), "{line:?}");
        }
    }
}
