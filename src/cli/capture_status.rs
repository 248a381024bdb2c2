//! What is told of a recording: a line on a terminal while it goes on, the counters when somebody asks, a summary at its end.

use crate::capture::{Counts, Live, Recorded, Recorder};
use crate::report::human::{bytes, count, counted, line, set};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Columns of a terminal that does not tell.
const WIDTH: usize = 80;
/// Between the parts of the line.
const GAP: &str = "  ";

/// Tells whoever sits there.
pub struct Status {
    /// Where nobody watches, hidden.
    bar: ProgressBar,
    quiet: bool,
}

impl Status {
    /// A line on standard error, where that is a terminal; nothing when quiet.
    pub fn new(quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if !quiet && std::io::stderr().is_terminal() {
            if let Ok(style) = ProgressStyle::with_template("{elapsed_precise}  {msg}") {
                bar.set_style(style);
            }
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        Self { bar, quiet }
    }

    /// How far the recording has come, and how much room its disk has.
    pub fn show(&self, recorder: &Recorder, counts: &[Counts], devices: &str) {
        if self.bar.is_hidden() {
            return;
        }
        let recorded = recorder.recorded();
        // What matters most first: a narrow terminal is told no more.
        let mut pieces = vec![
            counted(recorded.packets, "packet"),
            dropped(&sum(counts)),
            bytes(recorded.bytes),
            devices.to_owned(),
        ];
        if !recorder.is_piped() {
            if let Ok(disk) = rustix::fs::fstatvfs(recorder.file()) {
                let left = disk.f_bavail.saturating_mul(disk.f_frsize);
                pieces.push(format!("{} left on the disk", bytes(left)));
            }
        }
        let size = terminal_size::terminal_size_of(std::io::stderr());
        let width = size.map(|(width, _)| usize::from(width.0));
        let width = width.filter(|width| *width > 0).unwrap_or(WIDTH);
        // Which draws it.
        self.bar
            .set_message(fitting(&pieces, width, self.bar.elapsed()));
    }

    /// A remark; nothing when quiet.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.tell(text);
        }
    }

    /// What was asked for, or has gone wrong.
    pub fn tell(&self, text: &str) {
        self.bar.suspend(|| {
            // Nobody to tell is no reason to end.
            let _ = writeln!(std::io::stderr(), "stp-audit: {}", line(text));
        });
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// As many pieces as fit beside the time for which the recording goes on, as `02:03:04` or `5d 02:03:04`.
fn fitting(pieces: &[String], width: usize, elapsed: Duration) -> String {
    let time = match elapsed.as_secs() / 86_400 {
        0 => "00:00:00".len(),
        days => format!("{days}d 00:00:00").len(),
    };
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let lines = set(&pieces, GAP, width.saturating_sub(time + GAP.len()));
    lines.into_iter().next().unwrap_or_default()
}

/// Whether and what was dropped, in short.
fn dropped(counts: &Counts) -> String {
    match counts.dropped.saturating_add(counts.interface_dropped) {
        0 => "none dropped".to_owned(),
        some => format!("{} DROPPED", count(some)),
    }
}

/// Of all interfaces together.
fn sum(counts: &[Counts]) -> Counts {
    let add = |a: Counts, b: &Counts| Counts {
        received: a.received.saturating_add(b.received),
        dropped: a.dropped.saturating_add(b.dropped),
        interface_dropped: a.interface_dropped.saturating_add(b.interface_dropped),
    };
    counts.iter().fold(Counts::default(), add)
}

/// The counters in words: what was recorded, what the kernel received, what was lost where; for each interface, where there are
/// several.
pub fn counters(recorded: Recorded, lives: &[Live], counts: &[Counts], devices: &str) -> String {
    let told = |counts: &Counts| {
        format!(
            "{} received, {} dropped by the kernel, {} by the interface",
            count(counts.received),
            count(counts.dropped),
            count(counts.interface_dropped)
        )
    };
    let mut text = format!(
        "{} recorded, {}; {devices}; {} in {}",
        counted(recorded.packets.saturating_sub(recorded.lost), "packet"),
        told(&sum(counts)),
        bytes(recorded.bytes),
        counted(recorded.files, "file"),
    );
    if lives.len() > 1 {
        for (live, counts) in lives.iter().zip(counts) {
            text += &format!("; {}: {}", live.name(), told(counts));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_are_told_in_words() {
        let recorded = Recorded {
            packets: 1_500,
            lost: 1,
            bytes: 99_900,
            files: 2,
        };
        let counts = [Counts {
            received: 1_600,
            dropped: 90,
            interface_dropped: 3,
        }];
        assert_eq!(
            counters(recorded, &[], &counts, "4 devices"),
            "1,499 packets recorded, 1,600 received, 90 dropped by the kernel, 3 by the interface; 4 devices; 99.9 kB in 2 files"
        );
        assert_eq!(dropped(&counts[0]), "93 DROPPED");
        assert_eq!(dropped(&Counts::default()), "none dropped");
    }

    #[test]
    fn a_narrow_terminal_is_told_what_matters_most() {
        let pieces = ["1,499 packets", "93 DROPPED", "99.9 kB", "4 devices"].map(String::from);
        let after = |seconds, width| fitting(&pieces, width, Duration::from_secs(seconds));
        // Eight columns of time and two of a gap; then 13, 10, 7 and 9 with gaps between.
        assert_eq!(
            after(1, 55),
            "1,499 packets  93 DROPPED  99.9 kB  4 devices"
        );
        assert_eq!(after(1, 54), "1,499 packets  93 DROPPED  99.9 kB");
        assert_eq!(after(1, 40), "1,499 packets  93 DROPPED");
        // A day later, four columns more are taken.
        assert_eq!(after(12 * 86_400, 48), "1,499 packets  93 DROPPED  99.9 kB");
        assert_eq!(after(12 * 86_400, 47), "1,499 packets  93 DROPPED");
    }

    #[test]
    fn interfaces_add_up() {
        let one = Counts {
            received: u64::MAX,
            dropped: 1,
            interface_dropped: 2,
        };
        let both = sum(&[one, one]);
        assert_eq!((both.received, both.dropped), (u64::MAX, 2));
    }
}
