//! `capture`: record what passes an interface, for a minute or for weeks.
//!
//! One thread. Each turn waits for packets, takes what is there, and then sees to what time brings: a flush each second, the next
//! file, the end, interfaces that go down and up again, a clock that was set.

use crate::capture::{wait, Counts, Health, Live, LiveError, Moment, Recorded, Recorder, Then};
use crate::cli::args::{Common, RecordArgs};
use crate::cli::capture_clock::{self, Clock, Steps};
use crate::cli::capture_listen::{self, Opened};
use crate::cli::capture_output::Output;
use crate::cli::capture_sandbox::Sandbox;
use crate::cli::capture_senders::Senders;
use crate::cli::capture_status::{counters, Status};
use crate::cli::exit::Exit;
use crate::cli::print::print;
use crate::cli::scrubbing::scrubber;
use crate::cli::signals::{asked, Signals};
use crate::packet::scrub::Scrubber;
use crate::units::Timestamp;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait for packets before time is looked at again.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often what was gathered is written, and counters, interfaces and clocks are looked at.
const EACH_SECOND: Duration = Duration::from_secs(1);
/// Packets taken from one interface before the others have their turn.
const BATCH: usize = 1_024;
/// How long packets that passed before the end may take to be handed to us: twice what the kernel keeps a block for.
const LAST_PACKETS: Duration = Duration::from_millis(250);

/// How often they are looked for meanwhile.
const A_LITTLE: Duration = Duration::from_millis(20);

/// Runs the command.
pub fn run(args: &RecordArgs, common: &Common) -> anyhow::Result<Exit> {
    if args.list_interfaces {
        return print(capture_listen::list()?);
    }
    // The key is read while we may still read it.
    let scrubber = scrubber(&args.scrub)?;
    let signals = Signals::watch_with_hangup()?;
    let asked = asked()?;
    let clock = Clock::start();
    let status = Status::new(common.quiet);
    let Some(output) = Output::of(args, &signals)? else {
        return Ok(Exit::Done);
    };
    let say = |text: &str| status.say(text);
    let piped = output.is_piped();
    let Some(opened) = capture_listen::open(args, piped, &signals, &clock, say)? else {
        return Ok(Exit::Done);
    };
    // Whether it can be entered is seen before a file is made.
    let sandbox = Sandbox::of(args, &opened, &output)?;
    let recorder = output.begin(args, &opened, clock.now())?;
    // Interfaces and output are open, and no packet was looked at yet.
    if let Some(sandbox) = sandbox {
        status.say(&sandbox.enter(&recorder)?);
    }

    let mut session = Session::new(opened, recorder, clock, status, signals, asked);
    session.scrubber = scrubber;
    session.begin();
    let mut ended = session.record();
    if ended.as_ref().is_err_and(anyhow::Error::is::<LiveError>) {
        let last = session.take_the_last(session.clock.now());
        ended = ended.and(last);
    }
    session.end(ended)
}

/// A recording under way.
struct Session {
    lives: Vec<Live>,
    recorder: Recorder,
    counts: Vec<Counts>,
    /// Since when each interface is down, where it is.
    down: Vec<Option<Timestamp>>,
    senders: Senders,
    clock: Clock,
    steps: Steps,
    status: Status,
    signals: Signals,
    asked: Arc<AtomicBool>,
    /// Makes packets fit to be stored, where that was asked for.
    scrubber: Option<Scrubber>,
    /// What is to be said in the file of the time before.
    waited: Option<(usize, Moment, Moment)>,
}

/// Whether more packets may be there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    All,
    Some,
    Enough,
}

impl Session {
    fn new(
        opened: Opened,
        recorder: Recorder,
        clock: Clock,
        status: Status,
        signals: Signals,
        asked: Arc<AtomicBool>,
    ) -> Self {
        let many = opened.lives.len();
        Self {
            lives: opened.lives,
            recorder,
            counts: vec![Counts::default(); many],
            down: vec![None; many],
            senders: Senders::default(),
            steps: Steps::since(clock.now()),
            clock,
            status,
            signals,
            asked,
            scrubber: None,
            waited: opened.waited,
        }
    }

    fn begin(&mut self) {
        let from: Vec<String> = self
            .lives
            .iter()
            .map(|live| {
                format!(
                    "{} ({}, at most {} bytes of a packet)",
                    live.name(),
                    live.link(),
                    live.snaplen()
                )
            })
            .collect();
        self.status.say(&format!(
            "recording from {}; Ctrl-C ends it",
            from.join(", ")
        ));
        if let Some((number, since, until)) = self.waited.take() {
            self.note_gap(number, since.wall, until.wall);
        }
    }

    /// Records until enough is recorded, or somebody wants it to end.
    fn record(&mut self) -> anyhow::Result<()> {
        let mut looked = Duration::ZERO;
        let mut patience = PATIENCE;
        loop {
            let pipe = self
                .recorder
                .is_piped()
                .then(|| self.recorder.file().as_fd());
            let woken = wait(&self.lives, pipe, patience)?;
            if woken.closed {
                return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
            }
            let taken = self.take(None)?;
            if self.recorder.is_piped() {
                self.recorder.flush()?;
            }
            if taken == Taken::Enough {
                return Ok(());
            }
            patience = match taken {
                Taken::Some => Duration::ZERO,
                _ => PATIENCE,
            };
            for number in woken.troubled {
                self.look_at(number, true)?;
            }
            let now = self.clock.now();
            if now.since.saturating_sub(looked) >= EACH_SECOND {
                looked = now.since;
                self.each_second(now)?;
            }
            if self.asked.swap(false, Ordering::Relaxed) {
                self.count();
                self.status.tell(&self.counters(self.recorder.recorded()));
            }
            let over = match self.recorder.at(now) {
                Then::NextFile => self.next_file()?,
                then => then,
            };
            if over == Then::End || self.signals.came().is_some() {
                return self.take_the_last(now);
            }
        }
    }

    /// Takes packets that are there, up to some time.
    fn take(&mut self, until: Option<Timestamp>) -> anyhow::Result<Taken> {
        let mut taken = Taken::All;
        let mut trouble = None;
        for number in 0..self.lives.len() {
            let mut left = BATCH;
            while let Some(live) = self.lives.get_mut(number) {
                let frame = match live.next() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    // The others' packets are taken all the same.
                    Err(error) => {
                        trouble = trouble.or(Some(error));
                        break;
                    }
                };
                if until.is_some_and(|until| frame.at > until) {
                    break;
                }
                self.senders.hear(&frame);
                let data = match &mut self.scrubber {
                    Some(scrubber) => scrubber.scrub(&frame),
                    None => frame.data,
                };
                let then = self
                    .recorder
                    .packet(number, frame.at, frame.wire_len, data)?;
                let then = match then {
                    Then::NextFile => self.next_file()?,
                    then => then,
                };
                if then == Then::End {
                    return Ok(Taken::Enough);
                }
                left -= 1;
                if left == 0 {
                    taken = Taken::Some;
                    break;
                }
            }
        }
        match trouble {
            Some(error) => Err(error.into()),
            None => Ok(taken),
        }
    }

    /// Takes what passed before `now` and is still underway to us, also from an interface that is gone by now.
    fn take_the_last(&mut self, now: Moment) -> anyhow::Result<()> {
        let until = now.since.saturating_add(LAST_PACKETS);
        while self.clock.now().since < until {
            match self.take(Some(now.wall)) {
                Ok(Taken::Enough) => return Ok(()),
                Ok(Taken::Some) => {}
                Ok(Taken::All) => std::thread::sleep(A_LITTLE),
                Err(error) if error.is::<LiveError>() => std::thread::sleep(A_LITTLE),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn next_file(&mut self) -> anyhow::Result<Then> {
        self.count();
        Ok(self.recorder.next_file(&self.counts, self.clock.now())?)
    }

    /// Asks for the kernel's counters.
    fn count(&mut self) {
        for (counts, live) in self.counts.iter_mut().zip(&mut self.lives) {
            *counts = live.counts();
        }
    }

    fn counters(&self, recorded: Recorded) -> String {
        counters(recorded, &self.lives, &self.counts, &self.senders.told())
    }

    fn each_second(&mut self, now: Moment) -> anyhow::Result<()> {
        self.recorder.flush()?;
        self.count();
        for number in 0..self.lives.len() {
            self.look_at(number, false)?;
        }
        if let Some(step) = self.steps.look(now) {
            let told = capture_clock::told(step);
            self.status.say(&told);
            self.recorder.note(0, told);
        }
        self.status
            .show(&self.recorder, &self.counts, &self.senders.told());
        Ok(())
    }

    /// Sees whether an interface went down, came up again, or is gone. `troubled` is one that the system woke us for.
    fn look_at(&mut self, number: usize, troubled: bool) -> anyhow::Result<()> {
        let (Some(live), Some(down)) = (self.lives.get(number), self.down.get_mut(number)) else {
            return Ok(());
        };
        let name = live.name().to_owned();
        let now = self.clock.now().wall;
        match (live.health(), *down) {
            (Health::Removed, _) => {
                return Err(LiveError::Removed { interface: name }.into());
            }
            (Health::Down, None) => {
                *down = Some(now);
                self.status
                    .say(&format!("{name} is down; recording goes on once it is up"));
            }
            (Health::Up, Some(since)) => {
                *down = None;
                self.note_gap(number, since, now);
            }
            (Health::Up, None) if troubled => self.note_gap(number, now, now),
            _ => {}
        }
        Ok(())
    }

    /// Notes that nothing was recorded from an interface for a while.
    fn note_gap(&mut self, number: usize, since: Timestamp, until: Timestamp) {
        let name = self.lives.get(number).map_or("", Live::name);
        let told = match since == until {
            true => format!("{name} was down for a moment before {until}"),
            false => {
                format!("{name} was down from {since} to {until}: nothing was recorded from it")
            }
        };
        self.status.say(&told);
        self.recorder.note(number, told);
    }

    /// Ends the file and tells what was recorded; then what went wrong, if something did.
    fn end(mut self, ended: anyhow::Result<()>) -> anyhow::Result<Exit> {
        self.count();
        let now = self.clock.now();
        for number in 0..self.down.len() {
            if let Some(since) = self.down.get(number).copied().flatten() {
                self.note_gap(number, since, now.wall);
            }
        }
        self.status.finish();
        let before = self.recorder.recorded();
        let told = |recorded| counters(recorded, &self.lives, &self.counts, &self.senders.told());
        let finished = self.recorder.finish(&self.counts, now);
        let recorded = finished.as_ref().copied().unwrap_or(before);
        let result = ended.and(finished.map(|_| Exit::Done).map_err(Into::into));
        // Nobody waits for a summary who has closed the pipe.
        let closed = result.as_ref().is_err_and(|error| {
            crate::cli::exit::of(error) == crate::cli::exit::Failure::ClosedPipe
        });
        if !closed {
            self.status.say(&told(recorded));
        }
        result
    }
}
