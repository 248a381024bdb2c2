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
/// Lines that are not rows.
const AROUND: usize = 6;

/// The table: devices by what they carried in the window, as many as `lines` lines hold; `from` is what is listened to.
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
    let mut out = Vec::new();
    let counts = engine.counts();
    let Some(now) = engine.now() else {
        return Ok(format!(
            "{}  waiting for the first packet",
            human::line(from)
        ));
    };
    let headline = [
        human::line(from),
        instant(now),
        counted(counts.packets, "packet"),
        counted(counts.devices, "device"),
        human::activities(counts.activities),
    ];
    let mut text = headline.join("  ");
    text.push_str("\n\n");
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
    let shown = lines.saturating_sub(AROUND).max(1);
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
    columns.spare(&["FLOWS", "EVIDENCE", "UP", "DOWN"]);
    for member in members.iter().take(shown) {
        let paint = match member.candidates.is_empty() {
            true => Paint::Faint,
            false => Paint::Known,
        };
        columns.row(paint, row(engine, member));
    }
    columns.write(style, &mut out)?;
    text.push_str(&String::from_utf8_lossy(&out));
    let more = members.len().saturating_sub(shown);
    if more > 0 {
        text.push_str(&format!("+{more} more\n"));
    }
    let closing = format!(
        "\nUP and DOWN: the last {}. These are inferences. Ctrl-C ends the watch with a report.",
        human::duration(window)
    );
    text.push_str(&style.paint(Paint::Faint, &closing));
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
