//! A result for people at a terminal: columns without borders, a few remarks, one closing line.

use super::columns::{Align, Columns};
use super::human::{self, bytes, count, counted, line};
use super::name::device_name;
use super::style::{Paint, Style};
use super::summary;
use super::view::View;
use crate::inference::{Device, Flow, Inference, Tally, Truth};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Longest evidence and server name shown, in characters; the other formats have them whole.
const LONGEST: usize = 48;
/// Evidence shown of one device.
const EVIDENCE: usize = 8;
/// Remarks on labels shown; a file of labels may be another home's altogether.
const LEFT_OUT: usize = 6;

/// Writes the view as a table.
pub fn write(
    view: View,
    inference: &Inference,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{}", summary::headline(inference).join("  "))?;
    match view {
        View::Infer => devices_in_use(inference, style, out)?,
        View::Devices => evidence(inference, style, out)?,
        View::Flows => flows(inference, style, out)?,
    }
    if view == View::Infer {
        if let Some(truth) = &inference.truth {
            scored(truth, inference, style, out)?;
        }
    }
    for remark in summary::remarks(inference) {
        let paint = if remark.doubt {
            Paint::Doubt
        } else {
            Paint::Faint
        };
        writeln!(out, "{}", style.paint(paint, &remark.text))?;
    }
    let activities = inference
        .devices
        .iter()
        .map(|device| device.activities.len() as u64)
        .sum();
    if view == View::Infer && activities > 0 {
        let hint = format!(
            "{}; --format csv lists when each began and ended.",
            human::activities(activities)
        );
        writeln!(out, "{}", style.paint(Paint::Faint, &hint))?;
    }
    let closing = match view {
        View::Infer => summary::closing(inference),
        View::Devices => "Scores, 0 to 1, say how well the evidence supports the name; what no fingerprint knows stays unknown.".into(),
        View::Flows => assigned(&inference.flows),
    };
    writeln!(out, "{}", style.paint(Paint::Faint, &closing))
}

/// `infer`: one row a device.
fn devices_in_use(inference: &Inference, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let servers = summary::servers(&inference.flows);
    let addressed = addressed(&inference.devices);
    let mut columns = Columns::new(&[
        ("DEVICE", Align::Left),
        ("ADDRESS", Align::Left),
        ("EVIDENCE", Align::Left),
        ("FLOWS", Align::Right),
        ("UP", Align::Right),
        ("DOWN", Align::Right),
        ("ACTIVITIES", Align::Left),
    ]);
    for device in &inference.devices {
        let servers = servers.get(device.id.as_str()).copied().unwrap_or(0);
        let activities = match device.activities.len() {
            0 => human::MISSING.to_owned(),
            some => count(some as u64),
        };
        columns.row(
            paint(device),
            vec![
                device_name(device),
                address(device),
                human::clipped(&summary::evidence(device, servers), LONGEST),
                count(device.flows),
                bytes(device.up_bytes),
                bytes(device.down_bytes),
                activities,
            ],
        );
    }
    if !addressed {
        columns.drop("ADDRESS");
    }
    columns.write(style, out)
}

/// `devices`: one row a piece of evidence.
fn evidence(inference: &Inference, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let servers = summary::servers(&inference.flows);
    let mut columns = Columns::new(&[
        ("DEVICE", Align::Left),
        ("ADDRESS", Align::Left),
        ("MAC", Align::Left),
        ("SCORE", Align::Right),
        ("EVIDENCE", Align::Left),
        ("VALUE", Align::Left),
        ("FIRST SEEN (UTC)", Align::Left),
    ]);
    for device in &inference.devices {
        let score = match device.candidates.first() {
            Some(best) => human::decimals(best.score, 3),
            None => human::MISSING.to_owned(),
        };
        let mut head = vec![
            device_name(device),
            address(device),
            device.mac.as_deref().map_or_else(String::new, line),
            score,
        ];
        let mut add = |kind: String, value: String, at: String| {
            let mut cells = std::mem::replace(&mut head, vec![String::new(); 4]);
            cells.extend([kind, value, at]);
            columns.row(paint(device), cells);
        };
        if device.evidence.is_empty() {
            let servers = servers.get(device.id.as_str()).copied().unwrap_or(0);
            add("none".into(), summary::strangers(servers), String::new());
        }
        for evidence in device.evidence.iter().take(EVIDENCE) {
            let value = human::clipped(&line(&evidence.value), LONGEST);
            add(line(&evidence.kind), value, human::instant(evidence.at));
        }
        if device.evidence.len() > EVIDENCE {
            let more = device.evidence.len() - EVIDENCE;
            add(format!("+{more} more"), String::new(), String::new());
        }
    }
    if !addressed(&inference.devices) {
        columns.drop("ADDRESS");
        columns.drop("MAC");
    }
    columns.spare(&["MAC", "ADDRESS"]);
    columns.write(style, out)
}

/// `flows`: one row a flow.
fn flows(inference: &Inference, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let devices: BTreeMap<&str, &Device> = inference
        .devices
        .iter()
        .map(|device| (device.id.as_str(), device))
        .collect();
    let mut columns = Columns::new(&[
        ("DEVICE", Align::Left),
        ("PROTOCOL", Align::Left),
        ("LOCAL", Align::Left),
        ("REMOTE", Align::Left),
        ("NAME", Align::Left),
        ("FLOWS", Align::Right),
        ("PACKETS", Align::Right),
        ("UP", Align::Right),
        ("DOWN", Align::Right),
        ("FIRST (UTC)", Align::Left),
        ("LASTS", Align::Right),
    ]);
    for flow in &inference.flows {
        let (name, paint) = match flow.device.as_deref() {
            None => (human::MISSING.to_owned(), Paint::Faint),
            Some(id) => match devices.get(id) {
                Some(device) => (device_name(device), paint(device)),
                None => (line(id), Paint::Known),
            },
        };
        columns.row(
            paint,
            vec![
                name,
                line(&flow.protocol),
                human::endpoint(&flow.local, flow.local_port),
                human::endpoint(&flow.remote, flow.remote_port),
                human::clipped(
                    &line(flow.domain.as_deref().unwrap_or(human::MISSING)),
                    LONGEST,
                ),
                count(flow.folded.unwrap_or(1)),
                count(flow.packets),
                bytes(flow.up_bytes),
                bytes(flow.down_bytes),
                human::instant(flow.first),
                human::duration(flow.last.since(flow.first)),
            ],
        );
    }
    if inference.flows.iter().all(|flow| flow.folded.is_none()) {
        columns.drop("FLOWS");
    }
    columns.spare(&["LASTS", "FIRST (UTC)", "LOCAL", "PROTOCOL", "PACKETS"]);
    columns.write(style, out)
}

/// Labels against claims: one row a labelled device, then all of them.
fn scored(
    truth: &Truth,
    inference: &Inference,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out)?;
    let mut columns = Columns::new(&[
        ("LABELS", Align::Left),
        ("IN WINDOW", Align::Right),
        ("HIT", Align::Right),
        ("MISSED", Align::Right),
        ("CLAIMS", Align::Right),
        ("CORRECT", Align::Right),
        ("PRECISION", Align::Right),
        ("RECALL", Align::Right),
    ]);
    let mut row = |name: String, paint, tally: &Tally| {
        let mut cells = vec![name];
        cells.extend(
            [
                tally.in_window,
                tally.hit,
                tally.missed,
                tally.claims,
                tally.correct,
            ]
            .map(count),
        );
        cells.push(human::percent(tally.precision, "no claims"));
        cells.push(human::percent(tally.recall, "no labels"));
        columns.row(paint, cells);
    };
    for one in &truth.devices {
        let device = inference
            .devices
            .iter()
            .find(|device| device.id == one.device);
        let name = device.map_or_else(|| line(&one.device), device_name);
        row(name, device.map_or(Paint::Faint, paint), &one.tally);
    }
    row("all".to_owned(), Paint::Heading, &truth.overall);
    columns.write(style, out)?;
    for text in truth.left_out.iter().take(LEFT_OUT) {
        writeln!(out, "{}", style.paint(Paint::Doubt, &line(text)))?;
    }
    match truth.left_out.len().saturating_sub(LEFT_OUT) {
        0 => writeln!(out),
        more => writeln!(
            out,
            "{}\n",
            style.paint(Paint::Doubt, &format!("+{more} more"))
        ),
    }
}

/// `5 flows: 4 of 3 devices, 1 of none (0.1 MB)`.
fn assigned(flows: &[Flow]) -> String {
    let number = |flow: &Flow| flow.folded.unwrap_or(1);
    let sum = |all: u64, more: u64| all.saturating_add(more);
    let all = flows.iter().map(number).fold(0, sum);
    let orphans = || flows.iter().filter(|flow| flow.device.is_none());
    let lost = orphans().map(number).fold(0, sum);
    let volume = orphans()
        .map(|flow| flow.up_bytes.saturating_add(flow.down_bytes))
        .fold(0, sum);
    format!(
        "{}, {} without a device ({}).",
        counted(all, "flow"),
        count(lost),
        bytes(volume)
    )
}

fn paint(device: &Device) -> Paint {
    if device.candidates.is_empty() {
        Paint::Faint
    } else {
        Paint::Known
    }
}

fn addressed(devices: &[Device]) -> bool {
    devices
        .iter()
        .any(|device| device.address.is_some() || device.mac.is_some())
}

fn address(device: &Device) -> String {
    let address = device.address.as_ref().or(device.mac.as_ref());
    address.map_or_else(|| human::MISSING.to_owned(), |address| line(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use insta::assert_snapshot;

    fn table(view: View, inference: &Inference, style: Style) -> String {
        let mut out = Vec::new();
        write(view, inference, style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn plain(view: View, inference: &Inference) -> String {
        table(view, inference, Style::default())
    }

    #[test]
    fn an_evening_as_infer_shows_it() {
        assert_snapshot!(plain(View::Infer, &sample::evening()));
    }

    #[test]
    fn a_scored_evening_at_the_lan() {
        assert_snapshot!(plain(View::Infer, &sample::scored()));
    }

    #[test]
    fn an_evening_as_devices_shows_it() {
        assert_snapshot!(plain(View::Devices, &sample::evening()));
        assert_snapshot!(plain(View::Devices, &sample::scored()));
    }

    #[test]
    fn an_evening_as_flows_shows_it() {
        assert_snapshot!(plain(View::Flows, &sample::evening()));
    }

    #[test]
    fn nothing_read_is_said_plainly() {
        for view in View::ALL {
            assert_snapshot!(plain(view, &sample::empty()));
        }
    }

    #[test]
    fn hostile_texts_stay_in_their_row() {
        for view in View::ALL {
            let text = plain(view, &sample::hostile());
            assert!(
                text.chars().all(|c| c == '\n' || !c.is_control()),
                "{text:?}"
            );
            let honest = plain(view, &sample::scored());
            assert_eq!(text.lines().count(), honest.lines().count(), "{text}");
        }
    }

    #[test]
    fn lines_fit_the_terminal() {
        for (view, width) in [(View::Infer, 60), (View::Devices, 60), (View::Flows, 80)] {
            let style = Style {
                color: false,
                width: Some(width),
            };
            let text = table(view, &sample::evening(), style);
            // The headline and the remarks are sentences, which a terminal wraps itself.
            let rows = text
                .lines()
                .skip(1)
                .take_while(|row| !row.starts_with("skipped") && !row.contains("not shown"));
            for row in rows {
                assert!(row.chars().count() <= usize::from(width), "{row:?}");
            }
        }
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let colored = Style {
            color: true,
            width: None,
        };
        for view in View::ALL {
            let text = table(view, &sample::scored(), colored);
            assert!(text.contains("\x1b[1mDEVICE"), "{text}");
            let mut bare = String::new();
            let mut parts = text.split("\x1b[");
            bare.push_str(parts.next().unwrap());
            for part in parts {
                bare.push_str(part.split_once('m').unwrap().1);
            }
            assert_eq!(bare, plain(view, &sample::scored()));
        }
    }

    #[test]
    fn long_evidence_is_counted_not_listed() {
        let mut home = sample::evening();
        let one = home.devices[0].evidence[0].clone();
        home.devices[0].evidence = vec![one; 11];
        let text = plain(View::Devices, &home);
        assert_eq!(text.matches("api.xbcs.net").count(), 8);
        assert!(text.contains("+3 more"), "{text}");
    }
}
