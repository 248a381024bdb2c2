//! FIFOs, pipes and terminals: inputs that may keep us waiting for longer than their reader wants to.

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// How long to wait until the flag is looked at again. A signal ends a wait at once, but not if it came just before it,
/// or on another thread.
const LOOK_AGAIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Why a read ended: somebody wanted it to.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("stopped")]
pub(super) struct Stopped;

impl Stopped {
    /// Whether that is what the error says.
    pub(super) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

/// A file read only while the flag is down, whoever else is at its other end.
pub(super) struct Waiting {
    file: File,
    stop: Arc<AtomicBool>,
}

impl Waiting {
    pub(super) fn new(file: File, stop: Arc<AtomicBool>) -> Self {
        Self { file, stop }
    }
}

impl Read for Waiting {
    /// Fails with [`Stopped`] once the flag is up.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.stop.load(Ordering::Relaxed) {
            let mut files = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut files, Some(&LOOK_AGAIN)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => match self.file.read(into) {
                    // Somebody else read what had come.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return done,
                },
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other(Stopped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    #[test]
    fn what_comes_is_read_until_the_flag_goes_up() {
        let (ours, mut theirs) = io::pipe().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let mut waiting = Waiting::new(File::from(std::os::fd::OwnedFd::from(ours)), stop.clone());
        let mut bytes = [0; 8];
        theirs.write_all(b"abc").unwrap();
        assert_eq!(waiting.read(&mut bytes).unwrap(), 3);
        let raise = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            stop.store(true, Ordering::Relaxed);
        });
        let error = waiting.read(&mut bytes).unwrap_err();
        assert!(Stopped::is(&error), "{error}");
        raise.join().unwrap();
        // What comes later is left where it is.
        theirs.write_all(b"d").unwrap();
        assert!(waiting.read(&mut bytes).is_err());
    }

    #[test]
    fn an_end_is_an_end() {
        let (ours, theirs) = io::pipe().unwrap();
        drop(theirs);
        let mut waiting =
            Waiting::new(File::from(std::os::fd::OwnedFd::from(ours)), Arc::default());
        assert_eq!(waiting.read(&mut [0; 8]).unwrap(), 0);
    }
}
