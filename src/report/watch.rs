//! What a watch knows at this moment, for people at a terminal: a table that is written anew each second.

use super::columns::{Align, Columns};
use super::human::{self, bytes, clipped, counted, instant};
use super::name::device_name;
use super::style::{Paint, Style};
use super::summary;
use crate::inference;
use crate::live::engine::Engine;
use crate::live::roster::Member;
use std::io;
use std::time::Duration;

/// Longest evidence shown, in characters.
const LONGEST: usize = 32;
/// The table: devices by what they carried in the window, as many as `lines` lines hold; `from` is what is listened to. No line
/// is wider than the terminal, so that what is drawn can be taken away again.
///
/// # Errors
/// None but the formatter's own.
pub fn text(
    engine: &Engine,
    from: &str,
    window: Duration,
    style: Style,
    lines: usize,
) -> io::Result<String> {
    let room = style.width.map_or(usize::MAX, usize::from);
    let counts = engine.counts();
    let mut headline = vec![human::clipped(&human::line(from), room)];
    let Some(now) = engine.now() else {
        headline.push("waiting for the first packet".to_owned());
        return Ok(side_by_side(&headline, "  ", room).join("\n"));
    };
    headline.extend([
        instant(now),
        counted(counts.packets, "packet"),
        counted(counts.devices, "device"),
        human::activities(counts.activities),
    ]);
    let headline = side_by_side(&headline, "  ", room);
    let closing = format!(
        "UP and DOWN: the last {}. These are inferences. Ctrl-C ends the watch with a report.",
        human::duration(window)
    );
    let closing: Vec<String> = closing.split(' ').map(str::to_owned).collect();
    let closing = side_by_side(&closing, " ", room);

    let mut members: Vec<&Member> = engine
        .roster()
        .members()
        .map(|(_, member)| member)
        .collect();
    members.sort_by_key(|member| {
        let (up, down) = member.window.bytes();
        (
            member.candidates.is_empty(),
            std::cmp::Reverse(up.saturating_add(down)),
            &member.id,
        )
    });
    // Blank lines before and behind the devices, and the one on which the cursor stands.
    let left = lines.saturating_sub(headline.len() + closing.len() + 3);
    let devices = fitting(engine, &members, style, left)?;

    let mut text = headline.join("\n");
    text.push_str("\n\n");
    text.push_str(&devices);
    for line in closing {
        text.push('\n');
        text.push_str(&style.paint(Paint::Faint, &line));
    }
    Ok(text)
}

fn side_by_side(pieces: &[String], glue: &str, room: usize) -> Vec<String> {
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    human::set(&pieces, glue, room)
}

/// The first devices, so many that they fit so many lines, but one at least; and how many there are besides.
fn fitting(engine: &Engine, members: &[&Member], style: Style, lines: usize) -> io::Result<String> {
    let mut shown = members.len().min(lines).max(1);
    loop {
        let text = devices(engine, members, style, shown)?;
        let tall = text.lines().count();
        if tall <= lines || shown == 1 {
            return Ok(text);
        }
        // A heading, remarks and rows of several lines: what a row takes is known by having tried.
        shown = (shown * lines / tall).clamp(1, shown - 1);
    }
}

fn devices(engine: &Engine, members: &[&Member], style: Style, shown: usize) -> io::Result<String> {
    let mut columns = Columns::new(&[
        ("DEVICE", Align::Left),
        ("EVIDENCE", Align::Left),
        ("FLOWS", Align::Right),
        ("UP", Align::Right),
        ("DOWN", Align::Right),
        ("UP/S", Align::Right),
        ("DOWN/S", Align::Right),
        ("ACTIVITIES", Align::Right),
        ("LAST", Align::Left),
    ]);
    columns.spare(&["FLOWS", "EVIDENCE", "UP", "DOWN", "UP/S", "DOWN/S"]);
    for member in members.iter().take(shown) {
        let paint = match member.candidates.is_empty() {
            true => Paint::Faint,
            false => Paint::Known,
        };
        columns.row(paint, row(engine, member));
    }
    let mut out = Vec::new();
    columns.write(style, &mut out)?;
    let mut text = String::from_utf8_lossy(&out).into_owned();
    match members.len().saturating_sub(shown) {
        0 => {}
        more => text.push_str(&format!("+{more} more\n")),
    }
    Ok(text)
}

fn row(engine: &Engine, member: &Member) -> Vec<String> {
    let device = inference::Device {
        id: member.id.clone(),
        candidates: member
            .candidates
            .iter()
            .map(inference::Candidate::of)
            .collect(),
        evidence: member
            .evidence
            .iter()
            .map(inference::Evidence::of)
            .collect(),
        address: member.address.map(|address| address.to_string()),
        mac: member.mac.map(|mac| mac.to_string()),
        flows: member.flows,
        up_bytes: 0,
        down_bytes: 0,
        activities: Vec::new(),
    };
    let (up, down) = member.window.bytes();
    let (beat, beat_up, beat_down) = member.beat;
    // Of the bin that was over last.
    let rates = engine.grid().filter(|(_, closed)| *closed == beat);
    let rate = |sum: u64| match rates {
        Some((grid, _)) => bytes((sum as f64 / grid.bin_secs()) as u64),
        None => human::MISSING.to_owned(),
    };
    let last = match (&member.last, member.window.going_on()) {
        (Some(activity), true) => format!("now, {}", activity.shape),
        (Some(activity), false) => {
            let at = instant(activity.span.start);
            let time = at.split_once(' ').map_or(at.as_str(), |(_, time)| time);
            format!("{time}, {}", activity.shape)
        }
        (None, _) => human::MISSING.to_owned(),
    };
    vec![
        device_name(&device),
        clipped(&summary::evidence(&device, 0), LONGEST),
        member.flows.to_string(),
        bytes(up),
        bytes(down),
        rate(beat_up),
        rate(beat_down),
        human::count(member.uses),
        last,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::parameters::Parameters;
    use crate::capture::{Frame, LinkType};
    use crate::device::catalog::Catalog;
    use crate::flow::observer;
    use crate::live::engine::Settings;
    use crate::units::Timestamp;
    use unicode_width::UnicodeWidthStr;

    /// A home in which so many devices have each sent a packet a second to a server of its own.
    fn watched(devices: u8) -> Engine {
        let settings = Settings {
            observer: observer::Settings::default(),
            vantage: None,
            parameters: Parameters::default(),
            window: Duration::from_secs(3600),
            warm_up: Duration::ZERO,
        };
        let mut engine = Engine::new(settings, Catalog::embedded().unwrap()).unwrap();
        for second in 0..4 {
            for device in 1..=devices {
                let mut data = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, device, 8, 0];
                data.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
                data.extend([192, 168, 1, device, 198, 51, 100, device]);
                data.extend([0x80, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1]);
                data.extend([0x50, 0x10, 0x20, 0, 0, 0, 0, 0]);
                engine.watch(&Frame {
                    at: Timestamp::new(1_000_000 + second, 0),
                    link: LinkType::ETHERNET,
                    wire_len: 54,
                    data: &data,
                    interface: 0,
                });
            }
        }
        engine
    }

    #[test]
    fn the_table_fits_the_terminal_whatever_its_size() {
        let engine = watched(30);
        for (width, lines) in [(120, 40), (120, 24), (80, 24), (80, 12), (50, 24), (40, 16)] {
            let style = Style {
                color: false,
                width: Some(width),
            };
            let text = text(&engine, "eth1", Duration::from_secs(3600), style, lines).unwrap();
            assert!(text.starts_with("eth1  1970-01-12 13:46:43  120 packets"));
            // One is the cursor's.
            assert!(text.lines().count() < lines, "{width} {lines}:\n{text}");
            for line in text.lines() {
                assert!(line.width() <= usize::from(width), "{width}:\n{text}");
            }
            let rows = text.lines().filter(|line| line.starts_with("unknown-"));
            let rows = rows.count();
            assert!(rows > 0, "{text}");
            let more = format!("\n+{} more\n", 30 - rows);
            assert_eq!(text.contains(&more), rows < 30, "{width} {lines}:\n{text}");
        }
    }

    #[test]
    fn a_watch_without_a_packet_says_that_it_waits() {
        let style = Style {
            color: false,
            width: Some(20),
        };
        let text = text(&watched(0), "eth1", Duration::from_secs(60), style, 24).unwrap();
        assert_eq!(text, "eth1\nwaiting for the first packet");
    }
}
