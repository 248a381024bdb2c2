//! A result as one tidy table: activities, devices or flows, as the view has it.
//!
//! Instants are RFC 3339 in UTC, bytes and rates bare numbers, what is absent is empty. Names come from strangers and a
//! spreadsheet takes some texts for formulas: such a cell gets an apostrophe before it, which spreadsheets hide.

use super::human::{decimals, line};
use super::name::{device_name, likely};
use super::view::View;
use crate::inference::Inference;
use csv::{ErrorKind, Writer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Columns of the activities of `infer`.
pub const ACTIVITIES: [&str; 9] = [
    "device",
    "name",
    "start",
    "end",
    "shape",
    "direction",
    "peak_bytes_per_s",
    "sigma",
    "label",
];
/// Columns of `devices`; the evidence is the strongest piece, `candidates` all ids that are as likely as the best.
pub const DEVICES: [&str; 13] = [
    "device",
    "name",
    "score",
    "candidates",
    "evidence",
    "value",
    "first_seen",
    "evidence_pieces",
    "address",
    "mac",
    "flows",
    "up_bytes",
    "down_bytes",
];
/// Columns of `flows`; `flows` is how many a row stands for.
pub const FLOWS: [&str; 14] = [
    "device",
    "name",
    "protocol",
    "local",
    "local_port",
    "remote",
    "remote_port",
    "domain",
    "flows",
    "packets",
    "up_bytes",
    "down_bytes",
    "first",
    "last",
];

/// Writes the view as CSV (RFC 4180, but for lines ending in a line feed).
pub fn write(view: View, inference: &Inference, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = Writer::from_writer(out);
    let written = match view {
        View::Infer => activities(inference, &mut rows),
        View::Devices => devices(inference, &mut rows),
        View::Flows => flows(inference, &mut rows),
    };
    written.map_err(io_error)?;
    rows.flush()
}

type Rows<'a> = Writer<&'a mut dyn Write>;

fn activities(inference: &Inference, rows: &mut Rows<'_>) -> csv::Result<()> {
    rows.write_record(ACTIVITIES)?;
    for device in &inference.devices {
        let name = device_name(device);
        for activity in &device.activities {
            let cells: [Cow<'_, str>; ACTIVITIES.len()] = [
                text(&device.id),
                text(&name),
                activity.start.to_string().into(),
                activity.end.to_string().into(),
                text(&activity.shape),
                text(&activity.direction),
                number(activity.peak_bytes_per_s, 2),
                number(activity.sigma, 2),
                text(activity.label.as_deref().unwrap_or("")),
            ];
            rows.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
        }
    }
    Ok(())
}

fn devices(inference: &Inference, rows: &mut Rows<'_>) -> csv::Result<()> {
    rows.write_record(DEVICES)?;
    for device in &inference.devices {
        let name = device_name(device);
        let best = device.evidence.first();
        let candidates: Vec<&str> = likely(&device.candidates)
            .iter()
            .map(|one| one.id.as_str())
            .collect();
        let candidates = candidates.join(" ");
        let cells: [Cow<'_, str>; DEVICES.len()] = [
            text(&device.id),
            text(&name),
            device
                .candidates
                .first()
                .map_or("".into(), |one| number(one.score, 3)),
            text(&candidates),
            text(best.map_or("", |evidence| &evidence.kind)),
            text(best.map_or("", |evidence| &evidence.value)),
            best.map_or("".into(), |evidence| evidence.at.to_string().into()),
            device.evidence.len().to_string().into(),
            text(device.address.as_deref().unwrap_or("")),
            text(device.mac.as_deref().unwrap_or("")),
            device.flows.to_string().into(),
            device.up_bytes.to_string().into(),
            device.down_bytes.to_string().into(),
        ];
        rows.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
    }
    Ok(())
}

fn flows(inference: &Inference, rows: &mut Rows<'_>) -> csv::Result<()> {
    rows.write_record(FLOWS)?;
    let names: BTreeMap<&str, String> = inference
        .devices
        .iter()
        .map(|device| (device.id.as_str(), device_name(device)))
        .collect();
    for flow in &inference.flows {
        let device = flow.device.as_deref().unwrap_or("");
        let cells: [Cow<'_, str>; FLOWS.len()] = [
            text(device),
            text(names.get(device).map_or("", String::as_str)),
            text(&flow.protocol),
            text(&flow.local),
            flow.local_port.to_string().into(),
            text(&flow.remote),
            flow.remote_port.to_string().into(),
            text(flow.domain.as_deref().unwrap_or("")),
            flow.folded.unwrap_or(1).to_string().into(),
            flow.packets.to_string().into(),
            flow.up_bytes.to_string().into(),
            flow.down_bytes.to_string().into(),
            flow.first.to_string().into(),
            flow.last.to_string().into(),
        ];
        rows.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
    }
    Ok(())
}

/// A number with at most so many places, or an empty cell where there is none.
pub(crate) fn number(number: f64, places: usize) -> Cow<'static, str> {
    if !number.is_finite() {
        return "".into();
    }
    let text = decimals(number, places);
    text.trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
        .into()
}

/// A text that no spreadsheet takes for a formula (OWASP, "CSV Injection": what begins with `=`, `+`, `-`, `@`, a tab or a
/// line end, or the wide forms of those signs). A number is no formula.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let is_number = || text.parse::<f64>().is_ok_and(f64::is_finite);
    if risky && !is_number() {
        Cow::Owned(format!("'{}", line(text)))
    } else if text.contains(|character: char| !(' '..='~').contains(&character)) {
        Cow::Owned(line(text))
    } else {
        Cow::Borrowed(text)
    }
}

/// The error beneath, so that a closed pipe is known as one.
pub(crate) fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        other => io::Error::other(format!("a row of CSV could not be written: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use insta::assert_snapshot;

    fn table(view: View, inference: &Inference) -> String {
        let mut out = Vec::new();
        write(view, inference, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_view_is_one_tidy_table() {
        for view in View::ALL {
            assert_snapshot!(table(view, &sample::scored()));
        }
    }

    #[test]
    fn nothing_read_is_a_heading_alone() {
        for view in View::ALL {
            assert_eq!(table(view, &sample::empty()).lines().count(), 1);
        }
    }

    #[test]
    fn texts_that_look_like_formulas_are_quoted() {
        for (from, to) in [
            ("api.xbcs.net", "api.xbcs.net"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1+1", "'+1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("-inf", "'-inf"),
            ("-2.5", "-2.5"),
            ("+49", "+49"),
            ("\tx", "'\\u{9}x"),
            ("\rx", "'\\u{d}x"),
            ("＝1", "'＝1"),
            ("a=b", "a=b"),
            ("küche", "küche"),
        ] {
            assert_eq!(text(from), to);
        }
    }

    #[test]
    fn no_cell_of_a_hostile_home_is_a_formula_and_no_row_is_forged() {
        for view in View::ALL {
            let written = table(view, &sample::hostile());
            assert_eq!(
                written.lines().count(),
                table(view, &sample::scored()).lines().count()
            );
            let mut rows = csv::Reader::from_reader(written.as_bytes());
            let mut cells = 0;
            for row in rows.records() {
                for cell in &row.unwrap() {
                    cells += 1;
                    let safe = !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
                    assert!(safe || cell.parse::<f64>().is_ok(), "{cell:?}");
                }
            }
            assert!(cells > 0);
        }
    }

    #[test]
    fn numbers_bear_no_idle_zeros() {
        assert_eq!(number(4_321.0, 2), "4321");
        assert_eq!(number(250_000.5, 2), "250000.5");
        assert_eq!(number(100.0, 2), "100");
        assert_eq!(number(0.0, 2), "0");
        assert_eq!(number(-3.456, 2), "-3.46");
    }

    #[test]
    fn what_is_no_number_is_an_empty_cell() {
        let written = table(View::Infer, &sample::hostile());
        let mut rows = csv::Reader::from_reader(written.as_bytes());
        let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
        assert_eq!(rows[0].get(7), Some(""), "sigma");
        assert_eq!(rows[1].get(6), Some(""), "peak");
    }
}
