//! The clock, how it maps to the trace's time, and a timer for instants of it.
//!
//! The timer is set to absolute instants: what is late does not make the next one late.

use crate::units::{Timestamp, NANOS};
use rustix::event::{poll, PollFd, PollFlags};
use rustix::time::{
    clock_gettime, timerfd_create, timerfd_settime, ClockId, Itimerspec, TimerfdClockId,
    TimerfdFlags, TimerfdTimerFlags, Timespec,
};
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Nanoseconds on the clock after which whoever waits looks up, at the latest.
const GLANCE: i64 = NANOS / 20;

/// How the trace's time goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The trace's first instant.
    pub origin: Timestamp,
    /// Its last.
    pub end: Timestamp,
    /// How long after it what still waits may take.
    pub linger: Duration,
    /// The trace's seconds in one of the clock; above 0.
    pub scale: f64,
}

fn nanos_of(time: Timespec) -> i64 {
    time.tv_sec
        .saturating_mul(NANOS)
        .saturating_add(time.tv_nsec)
}

/// Nanoseconds of the clock that never goes back.
pub(super) fn monotonic() -> i64 {
    nanos_of(clock_gettime(ClockId::Monotonic))
}

/// So many nanoseconds the clock of the day, which may be set, is ahead of the one that never goes back.
pub(super) fn day_ahead() -> i64 {
    nanos_of(clock_gettime(ClockId::Realtime)).saturating_sub(monotonic())
}

/// The clock, and how it maps to the trace's time.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// The clock at the trace's origin.
    pub(super) start: i64,
    pub(super) pace: Pace,
}

impl Clock {
    /// What the trace's time is now.
    pub(super) fn now(&self) -> Timestamp {
        self.of(monotonic())
    }

    /// What the trace's time was at an instant of the clock.
    pub(super) fn of(&self, instant: i64) -> Timestamp {
        let passed = instant.saturating_sub(self.start) as f64 * self.pace.scale;
        Timestamp(self.pace.origin.0.saturating_add(passed as i64))
    }

    /// When it is then, on the clock.
    pub(super) fn at(&self, then: Timestamp) -> i64 {
        let after = then.0.saturating_sub(self.pace.origin.0) as f64 / self.pace.scale;
        // Rounded up: who wakes then finds it due.
        self.start
            .saturating_add((after.ceil() as i64).saturating_add(1))
    }

    /// The trace's nanoseconds in so many of the clock.
    pub(super) fn scaled(&self, nanos: i64) -> i64 {
        (nanos as f64 * self.pace.scale) as i64
    }
}

/// A timer for absolute instants of the clock.
pub(super) struct Alarm {
    timer: OwnedFd,
    set: Option<i64>,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        Ok(Self { timer, set: None })
    }

    /// Sleeps until then, or until one of the sockets has something; not for longer than a glance.
    pub(super) fn wait(&mut self, then: i64, sockets: &[&UdpSocket]) -> io::Result<()> {
        let glance = monotonic().saturating_add(GLANCE);
        let then = then.clamp(1, glance);
        if self.set != Some(then) {
            let new = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: then / NANOS,
                    tv_nsec: then % NANOS,
                },
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &new)?;
            self.set = Some(then);
        }
        let timer = PollFd::new(&self.timer, PollFlags::IN);
        let sockets = sockets
            .iter()
            .map(|s| PollFd::from_borrowed_fd(s.as_fd(), PollFlags::IN));
        let mut all: Vec<PollFd> = std::iter::once(timer).chain(sockets).collect();
        match poll(&mut all, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sleeps until then, whatever comes.
    pub(super) fn sleep(&mut self, then: i64) -> io::Result<()> {
        while monotonic() < then {
            self.wait(then, &[])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traces_time_and_the_clock_map_to_each_other() {
        let clock = Clock {
            start: 1_000,
            pace: Pace {
                origin: Timestamp(5_000_000),
                end: Timestamp(9_000_000),
                linger: Duration::ZERO,
                scale: 20.0,
            },
        };
        // 100 ns on the clock are 2000 of the trace.
        assert_eq!(clock.of(1_100), Timestamp(5_002_000));
        assert_eq!(clock.at(Timestamp(5_002_000)), 1_101);
        assert_eq!(clock.scaled(50), 1_000);
        // Who wakes when told finds it due, whatever the rounding.
        for nanos in 5_000_000..5_000_100 {
            let then = Timestamp(nanos);
            assert!(clock.of(clock.at(then)) >= then);
        }
    }

    #[test]
    fn an_alarm_never_rings_early() {
        let mut alarm = Alarm::new().unwrap();
        for ahead in [0, 10_000, 1_000_000, 60_000_000] {
            let then = monotonic() + ahead;
            alarm.sleep(then).unwrap();
            assert!(monotonic() >= then, "{ahead}");
        }
    }
}
