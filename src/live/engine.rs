//! Frames and time in, events out.
//!
//! A bin is over [`GRACE`] after its end, as packets of several interfaces come a little out of order; then its bytes go to
//! their devices, and each device that had any is judged. So a packet is told of at most a bin and the grace later. What
//! comes for a bin that is over is added to it and judged with the next.
//!
//! Devices are told apart anew when there is reason to ([`Haste`]), and the rates of flows that changed hands go with them
//! ([`Moved`]). Once in a [`SHIFTS`]th of the window, what is older than it is forgotten.

use crate::activity::online::Online;
use crate::activity::parameters::{Parameters, ParametersError};
use crate::capture::Frame;
use crate::device::catalog::Catalog;
use crate::device::inventory::drafts;
use crate::flow::home::{Home, Vantage};
use crate::flow::observer::{self, Observer};
use crate::live::clock::{Clock, Told};
use crate::live::event::{Ended, Event, Watching, What};
use crate::live::finish::{self, Finished, Known};
use crate::live::haste::Haste;
use crate::live::moved::Moved;
use crate::live::pulse::Pulse;
use crate::live::roster::{Owner, Roster, Slot, BINS};
use crate::rate::{Cell, Grid};
use crate::units::{nanos, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long after its end a bin is over: buffers between the wire and us hold packets back about so long.
pub const GRACE: Duration = Duration::from_millis(250);
/// Active bins kept of all flows together, about four bytes each: rates are only needed to move with their flows.
pub const FLOW_BINS: u64 = 4 << 20;
/// How often in a window what is older is forgotten; it is kept so much longer at most.
pub const SHIFTS: u32 = 24;

/// How to watch.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to remember of flows.
    pub observer: observer::Settings,
    /// Where the observer stands, where the user told it.
    pub vantage: Option<Vantage>,
    /// How activities are told from background. Their `window` is not looked at.
    pub parameters: Parameters,
    /// How far back the baseline reaches, and all memory.
    pub window: Duration,
    /// How long a device is watched before anything is claimed of it.
    pub warm_up: Duration,
}

/// The watch.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    catalog: Catalog,
    observer: Observer,
    clock: Clock,
    pulse: Pulse,
    roster: Roster,
    /// The last bin that is over.
    closed: Option<i64>,
    /// The first bin of the watch.
    first: i64,
    haste: Haste,
    /// When was forgotten last.
    shifted: Option<Timestamp>,
    /// The latest packet whose time was believed.
    latest: Option<Timestamp>,
    doubted: u64,
    uses: u64,
    events: Vec<Event>,
}

impl Engine {
    /// A watch that has seen nothing.
    ///
    /// # Errors
    /// Parameters that make no sense.
    pub fn new(mut settings: Settings, catalog: Catalog) -> Result<Self, ParametersError> {
        settings.parameters.window = None;
        settings.parameters.check(settings.observer.bin)?;
        if settings.window < settings.observer.bin.saturating_mul(2) {
            return Err(ParametersError::Window {
                window: settings.window,
                bin: settings.observer.bin,
            });
        }
        settings.observer.bins = settings.observer.bins.min(FLOW_BINS);
        Ok(Self {
            observer: Observer::new(settings.observer.clone()),
            settings,
            catalog,
            clock: Clock::default(),
            pulse: Pulse::default(),
            roster: Roster::default(),
            closed: None,
            first: 0,
            haste: Haste::default(),
            shifted: None,
            latest: None,
            doubted: 0,
            uses: 0,
            events: Vec::new(),
        })
    }

    /// What time it is by the packets.
    pub fn now(&self) -> Option<Timestamp> {
        self.clock.now()
    }

    /// What happened since this was asked last, in order.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The devices, and the home.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The bins of the rates, and the last that is over; none before the first packet.
    pub fn grid(&self) -> Option<(Grid, i64)> {
        Some((self.observer.grid()?, self.closed?))
    }

    /// The watch in numbers, so far.
    pub fn counts(&self) -> Ended {
        Ended {
            packets: self.observer.read(),
            devices: self.roster.members().count() as u64,
            activities: self.uses,
            doubted_packets: self.doubted,
            crowded_bytes: self.pulse.crowded,
            crowded_devices: self.roster.crowded,
        }
    }

    /// Watches one frame.
    pub fn watch(&mut self, frame: &Frame<'_>) {
        let sight = self.observer.see(frame);
        match self.clock.hear(frame.at) {
            Told::Now(now) => {
                self.latest = self.latest.max(Some(frame.at));
                self.begin(now);
                // Those before it are over; it may be the first of its bin.
                self.advance(now);
                if let Some(sight) = sight {
                    self.pulse.add(sight);
                }
            }
            Told::Doubted => self.doubted += 1,
            Told::SetBack(now) => self.set_back(now),
        }
    }

    /// It has become this late while no packet came.
    pub fn tick(&mut self, now: Timestamp) {
        if let Some(now) = self.clock.wait(now) {
            self.advance(now);
        }
    }

    fn grid_or_none(&self) -> Option<Grid> {
        self.observer.grid()
    }

    /// The first packet.
    fn begin(&mut self, now: Timestamp) {
        let (None, Some(grid)) = (self.closed, self.grid_or_none()) else {
            return;
        };
        self.first = grid.index(now);
        self.closed = Some(self.first.saturating_sub(1));
        self.shifted = Some(now);
        let told = &self.settings;
        let watching = Watching {
            version: env!("CARGO_PKG_VERSION"),
            bin_s: told.observer.bin.as_secs_f64(),
            sigma: told.parameters.sigma,
            merge_s: told.parameters.merge.as_secs_f64(),
            window_s: told.window.as_secs_f64(),
            warm_up_s: told.warm_up.as_secs_f64(),
        };
        self.say(now, What::Watching(watching));
    }

    fn say(&mut self, at: Timestamp, what: What) {
        if matches!(what, What::ActivityStarted(_)) {
            self.uses += 1;
        }
        self.events.push(Event::new(at, what));
    }

    /// The clock was set back: what is remembered by time is of a time that is still to come.
    fn set_back(&mut self, now: Timestamp) {
        let Some(grid) = self.grid_or_none() else {
            return;
        };
        let was = self
            .closed
            .map_or(now, |closed| grid.start(closed.saturating_add(1)));
        while self.pulse.take().is_some() {}
        self.first = grid.index(now);
        self.closed = Some(self.first.saturating_sub(1));
        self.shifted = Some(now);
        self.latest = Some(now);
        self.haste.forget();
        let fresh = self.window();
        let mut said = Vec::new();
        for (_, member) in self.roster.members_mut() {
            for finding in member.window.end() {
                said.push(member.tell(finding));
            }
            if let Some(fresh) = &fresh {
                member.window = fresh(false);
            }
        }
        for what in said {
            self.say(was, what);
        }
        self.say(now, What::ClockSetBack { was });
    }

    /// How a device's window begins; one that was here before needs no watching before the first claim.
    fn window(&self) -> Option<impl Fn(bool) -> Online> {
        let grid = self.grid_or_none()?;
        let bins = |span: Duration| nanos(span) / nanos(grid.bin()).max(1);
        let (length, warm_up) = (bins(self.settings.window), bins(self.settings.warm_up));
        let (parameters, first) = (self.settings.parameters.clone(), self.first);
        Some(move |back| {
            let warm_up = if back { 0 } else { warm_up };
            Online::new(&parameters, grid, length, warm_up, first)
        })
    }

    /// Time goes on: bins are over, devices are told apart, what is old is forgotten.
    fn advance(&mut self, now: Timestamp) {
        let (Some(grid), Some(closed)) = (self.grid_or_none(), self.closed) else {
            return;
        };
        // The last bin that ends at or before now, less the grace.
        let over = grid.index(now - GRACE).saturating_sub(1);
        if over <= closed {
            return;
        }
        while let Some(bin) = self.pulse.first().filter(|bin| *bin <= over) {
            if self.closed.is_none_or(|closed| closed < bin) {
                self.pass(now, bin);
            }
            self.close(now, bin);
        }
        self.pass(now, over);
        self.roster.bound(BINS);
        self.shift(now);
        if self.haste.is_due(now, self.observer.news()) {
            self.tell_apart(now);
        }
    }

    /// No more of bin `bin` is to come.
    fn pass(&mut self, now: Timestamp, bin: i64) {
        self.closed = Some(bin);
        let mut said = Vec::new();
        for (_, member) in self.roster.members_mut() {
            for finding in member.window.pass(bin) {
                said.push(member.tell(finding));
            }
        }
        for what in said {
            self.say(now, what);
        }
    }

    /// Gives a bin's bytes to their devices, and judges these.
    fn close(&mut self, now: Timestamp, bin: i64) {
        let Some((_, beats)) = self.pulse.take() else {
            return;
        };
        let owners: Vec<Option<Owner>> = beats
            .iter()
            .map(|beat| self.owner(beat.flow, beat.index))
            .collect();
        let mut cells: BTreeMap<Slot, Cell> = BTreeMap::new();
        for (beat, owner) in beats.iter().zip(owners) {
            let Some(owner) = owner else {
                // Its bytes are in its own rates, and come with it once it is known whose it is.
                self.haste.stray();
                continue;
            };
            for (slot, end) in owner.into_iter().flatten() {
                let (up, down) = beat.from(end);
                let cell = cells.entry(slot).or_insert(Cell {
                    index: bin,
                    up: 0,
                    down: 0,
                });
                cell.up = cell.up.saturating_add(up);
                cell.down = cell.down.saturating_add(down);
            }
        }
        let mut said = Vec::new();
        for (slot, cell) in cells {
            let Some(member) = self.roster.member(slot) else {
                continue;
            };
            if cell.index >= member.beat.0 {
                member.beat = (cell.index, cell.up, cell.down);
            }
            member.window.add(cell);
            for finding in member.window.judge(bin) {
                said.push(member.tell(finding));
            }
        }
        for what in said {
            self.say(now, what);
        }
    }

    fn owner(&mut self, flow: u64, index: usize) -> Option<Owner> {
        if let Some(owner) = self.roster.owner(flow) {
            return Some(owner);
        }
        let (key, flow) = self.observer.at(index, flow)?;
        self.roster.place(key, flow)
    }

    /// Forgets what is older than the window.
    fn shift(&mut self, now: Timestamp) {
        let often = self.settings.window / SHIFTS;
        if self.shifted.is_some_and(|last| now.since(last) < often) {
            return;
        }
        self.shifted = Some(now);
        self.observer.retire(now - self.settings.window);
        self.haste.stray();
    }

    /// Tells the devices apart anew, and moves the rates of flows that changed hands.
    fn tell_apart(&mut self, now: Timestamp) {
        let (Some(grid), Some(closed), Some(begin)) =
            (self.grid_or_none(), self.closed, self.window())
        else {
            return;
        };
        let news = self.observer.news();
        let peek = self.observer.peek();
        let sights = peek.sights();
        let home = Home::find(
            sights.flows,
            self.settings.vantage,
            &self.settings.observer.home,
        );
        let drafts = drafts(sights, &home, &self.catalog);
        let taken = self.roster.take(drafts, sights.flows, home, |back| {
            let mut window = begin(back);
            window.pass(closed);
            window
        });
        let changed = !(taken.said.is_empty() && taken.shaken.is_empty());
        self.haste
            .told_apart(now, news, sights.flows.len(), changed);
        let moved = Moved {
            taken: &taken,
            flows: sights.flows,
            observer: &self.observer,
            closed,
        };
        let late = moved.late();
        for (slot, series) in moved.anew(&self.roster, grid) {
            if let Some(member) = self.roster.member(slot) {
                let cells = series.cells().filter(|cell| cell.index <= closed);
                member.window.replace(cells);
            }
        }
        for what in taken.said {
            self.say(now, what);
        }
        self.come_late(now, closed, late);
    }

    /// Adds bins of flows whose owner was not known in time, and judges those that still are news.
    fn come_late(&mut self, now: Timestamp, closed: i64, late: BTreeMap<Slot, Vec<Cell>>) {
        let mut said = Vec::new();
        let bin = nanos(self.settings.observer.bin).max(1);
        let fresh = closed.saturating_sub(nanos(self.settings.parameters.merge) / bin);
        for (slot, mut cells) in late {
            let Some(member) = self.roster.member(slot) else {
                continue;
            };
            cells.sort_unstable_by_key(|cell| cell.index);
            for cell in &cells {
                member.window.add(*cell);
            }
            let mut bins: Vec<i64> = cells.iter().map(|cell| cell.index).collect();
            bins.dedup();
            for bin in bins.into_iter().filter(|bin| *bin > fresh) {
                for finding in member.window.judge(bin) {
                    said.push(member.tell(finding));
                }
            }
        }
        for what in said {
            self.say(now, what);
        }
    }

    /// Ends what is going on, and tells the last events: see [`Self::events`], then [`Self::finish`].
    pub fn end(&mut self) {
        let Some(now) = self.now() else { return };
        // What came is over, however little of it.
        let last = self
            .observer
            .grid()
            .map(|grid| grid.span(0, grid.index(now)).end);
        self.advance(last.unwrap_or(now) + GRACE);
        let mut said = Vec::new();
        for (_, member) in self.roster.members_mut() {
            for finding in member.window.end() {
                said.push(member.tell(finding));
            }
        }
        for what in said {
            self.say(now, what);
        }
        let ended = self.counts();
        self.say(now, What::Ended(ended));
    }

    /// What the watch knows, once it is over.
    pub fn finish(self) -> Finished {
        finish::finish(Known {
            observed: self.observer.finish(),
            catalog: &self.catalog,
            roster: &self.roster,
            vantage: self.settings.vantage,
            prefixes: &self.settings.observer.home,
            parameters: &self.settings.parameters,
            latest: self.latest,
            window: self.settings.window,
        })
    }
}

#[cfg(test)]
mod tests;
