//! A progress bar on standard error, for reads long enough to wonder.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How long a file is read before a bar is worth the flicker.
const PATIENCE: Duration = Duration::from_millis(500);

/// How far a read has come.
pub struct Progress {
    bar: ProgressBar,
    /// Since when somebody watches whom no bar was shown yet.
    waits: Option<Instant>,
}

impl Progress {
    /// A bar for `total` bytes, once the read takes its time; where the total is unknown, and so how soon the bytes come, a
    /// spinner at once. Nothing when quiet or when nobody watches.
    pub fn new(total: Option<u64>, quiet: bool) -> Self {
        let mut progress = Self {
            bar: ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden()),
            waits: None,
        };
        if quiet || !std::io::stderr().is_terminal() {
            return progress;
        }
        let template = match total {
            Some(_) => "{wide_bar} {bytes}/{total_bytes} {eta}",
            None => "{spinner} {bytes} read, {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            progress.bar.set_style(style);
        }
        match total {
            Some(_) => progress.waits = Some(Instant::now()),
            None => progress.show(),
        }
        progress
    }

    fn show(&mut self) {
        self.waits = None;
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(Duration::from_millis(250));
    }

    /// Notes how many bytes were read.
    pub fn at(&mut self, bytes: u64) {
        self.bar.set_position(bytes);
        if self.waits.is_some_and(|since| since.elapsed() >= PATIENCE) {
            self.show();
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
