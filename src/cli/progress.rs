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

/// How many of how many steps are done, told from any thread.
pub struct Steps {
    bar: ProgressBar,
    began: Instant,
    watched: bool,
}

impl Steps {
    /// A bar for steps called `what`, once they take their time. Nothing when quiet or when nobody watches.
    pub fn new(what: &'static str, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self {
            bar,
            began: Instant::now(),
            watched: !quiet && std::io::stderr().is_terminal(),
        }
    }

    /// So many are done.
    pub fn at(&self, done: u64, of: u64) {
        if !self.watched || self.began.elapsed() < PATIENCE {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_length(of);
        // Threads may tell out of order.
        self.bar.set_position(done.max(self.bar.position()));
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
