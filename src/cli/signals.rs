//! SIGINT and SIGTERM end a read, not the program: what was read is still reported. A watch ends by SIGHUP as well.

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
        Self::watch_for(&[SIGINT, SIGTERM])
    }

    /// Watches for SIGHUP too, by which a terminal that is closed ends what runs in it.
    pub fn watch_for_all() -> std::io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        Self::watch_for(&[SIGINT, SIGTERM, SIGHUP])
    }

    fn watch_for(all: &[i32]) -> std::io::Result<Self> {
        let signals = Self::default();
        for &signal in all {
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
