//! SIGINT and SIGTERM end a read, not the program: what was read is still reported.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

/// The signal that came, if one did.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    came: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Signals {
    /// Watches for SIGINT and SIGTERM. A second one ends the program at once, as it would have without us.
    pub fn watch() -> std::io::Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        Self::of(&[SIGINT, SIGTERM])
    }

    /// Watches for SIGHUP as well, unless whoever started us wants it to be passed over, as nohup does; for what goes on when
    /// nobody looks.
    pub fn watch_with_hangup() -> std::io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        match is_ignored(SIGHUP) {
            true => Self::of(&[SIGINT, SIGTERM]),
            false => Self::of(&[SIGINT, SIGTERM, SIGHUP]),
        }
    }

    fn of(watched: &[i32]) -> std::io::Result<Self> {
        let signals = Self::default();
        for signal in watched.iter().copied() {
            signal_hook::flag::register_conditional_default(signal, signals.stop.clone())?;
            signal_hook::flag::register(signal, signals.stop.clone())?;
            signal_hook::flag::register_usize(signal, signals.came.clone(), signal as usize)?;
        }
        Ok(signals)
    }

    /// A flag that is up from the first signal on.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// The number of the signal that came.
    pub fn came(&self) -> Option<u8> {
        u8::try_from(self.came.load(Ordering::Relaxed))
            .ok()
            .filter(|number| *number > 0)
    }
}

/// A flag that goes up with each SIGUSR1: somebody wants to know how far we are.
pub fn asked() -> std::io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, asked.clone())?;
    Ok(asked)
}

/// Whether a signal is passed over already: a bit of a line that Linux tells us about ourselves.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
